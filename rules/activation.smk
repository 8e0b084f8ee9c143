# activation: maps of the held-out people, one job a shard of train's replicates, and a verdict on each kind of map.
# Needs cohort's arrays and the shard's weights. Leaves, per shard, maps.safetensors, people.parquet, peaks.parquet,
# checks.parquet and untrained.safetensors; of all of them checks.tsv and curves.tsv; of networks trained on one half of
# the people nominations.safetensors.


rule activation:
    input:
        COHORT_FILES,
        models="<train>/replicates-{replicates}/models.safetensors",
        replicates="<train>/replicates-{replicates}/replicates.json",
    output:
        maps="<activation>/replicates-{replicates}/maps.safetensors",
        people="<activation>/replicates-{replicates}/people.parquet",
        peaks="<activation>/replicates-{replicates}/peaks.parquet",
        checks="<activation>/replicates-{replicates}/checks.parquet",
        untrained="<activation>/replicates-{replicates}/untrained.safetensors",
        record="<activation>/replicates-{replicates}/artifact.json",
    log:
        "<activation>/replicates-{replicates}/log.txt",
    benchmark:
        "<activation>/replicates-{replicates}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=gpus(),
    params:
        program=program("activation"),
        recipe=recipe("activation"),
        out=folder,
        cohort=folder_of("cohort"),
        train=lambda wildcards, input: os.path.dirname(input.models),
        device=CONFIG["run"]["device"],
    message:
        "activation: replicates {wildcards.replicates}"
    shell:
        "python {params.program:q} --cohort {params.cohort:q} --train {params.train:q} --device {params.device}"
        " --threads {threads} --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"


rule activation_nominate:
    input:
        COHORT_FILES,
        "<cohort>/halvings.npy",
        models="<train>/halvings-{replicates}/models.safetensors",
        replicates="<train>/halvings-{replicates}/replicates.json",
    output:
        "<activation>/halvings-{replicates}/nominations.safetensors",
    log:
        "<activation>/halvings-{replicates}/log.txt",
    benchmark:
        "<activation>/halvings-{replicates}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(120),
        gpu=gpus(),
    params:
        program=program("activation_nominate"),
        recipe=recipe("activation"),
        out=folder,
        cohort=folder_of("cohort"),
        train=lambda wildcards, input: os.path.dirname(input.models),
        permutations=HALVING_PERMUTATIONS,
        device=CONFIG["run"]["device"],
    message:
        "activation: what halves {wildcards.replicates} nominate"
    shell:
        "python {params.program:q} --cohort {params.cohort:q} --train {params.train:q} --device {params.device}"
        " --permutations {params.permutations} --threads {threads} --recipe {params.recipe:q} --out {params.out:q}"
        " > {log:q} 2>&1"


rule activation_checks:
    input:
        expand(
            "<activation>/replicates-{replicates}/{file}",
            replicates=REPLICATE_RANGES,
            file=[
                "maps.safetensors",
                "people.parquet",
                "checks.parquet",
                "untrained.safetensors",
            ],
        ),
    output:
        "<activation>/checks.tsv",
        "<activation>/curves.tsv",
    log:
        "<activation>/log.txt",
    benchmark:
        "<activation>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        # Mean maps of two classes, ranked, of true and permuted labels and of no training: 1 MB a kind and split.
        mem_mb=growing(1000 + 60 * CONFIG["cohort"]["splits"]),
        runtime=growing(60),
    params:
        program=program("activation_checks"),
        recipe=recipe("activation"),
        out=folder,
        shards=[
            f"{stage_folder('activation')}/replicates-{replicates}"
            for replicates in REPLICATE_RANGES
        ],
    message:
        "activation: checks of the maps"
    shell:
        "python {params.program:q} --activation {params.shards:q} --recipe {params.recipe:q} --out {params.out:q}"
        " > {log:q} 2>&1"
