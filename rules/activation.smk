# activation: maps of the held-out people, one job a shard of train's replicates.
# Needs cohort's arrays and the shard's weights. Leaves, per shard, maps.safetensors, people.parquet, histograms.npz.


rule activation:
    input:
        COHORT_FILES,
        models="<train>/replicates-{replicates}/models.safetensors",
        replicates="<train>/replicates-{replicates}/replicates.json",
    output:
        maps="<activation>/replicates-{replicates}/maps.safetensors",
        people="<activation>/replicates-{replicates}/people.parquet",
        histograms="<activation>/replicates-{replicates}/histograms.npz",
        record="<activation>/replicates-{replicates}/artifact.json",
    log:
        "<activation>/replicates-{replicates}/log.txt",
    benchmark:
        "<activation>/replicates-{replicates}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
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
