# train: gCAM-CCL for every replicate (random split, or side of a halving, x label permutation), run.replicates_per_job of them a job.
# Needs <cohort>. A killed job goes on from its checkpoint (.checkpoint in its folder).
# Leaves replicates-<first>-<last>/ and halvings-<first>-<last>/ with weights, predictions, embeddings, history and replicates.json.


rule train:
    input:
        COHORT_FILES,
        halvings=lambda wildcards: (
            "<cohort>/halvings.npy" if wildcards.kind == "halvings" else []
        ),
    output:
        "<train>/{kind}-{replicates}/models.safetensors",
        "<train>/{kind}-{replicates}/predictions.parquet",
        "<train>/{kind}-{replicates}/embeddings.npz",
        "<train>/{kind}-{replicates}/history.parquet",
        "<train>/{kind}-{replicates}/replicates.json",
    log:
        "<train>/{kind}-{replicates}/log.txt",
    benchmark:
        "<train>/{kind}-{replicates}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=train_memory_mb,
        runtime=720,  # a further try goes on from the checkpoint
        gpu=gpus(),
    params:
        program=program("train"),
        recipe=recipe("train"),
        out=folder,
        cohort=folder_of("cohort"),
        bounds=replicate_bounds,
        halvings=halvings_option,
        device=CONFIG["run"]["device"],
        at_once=CONFIG["run"]["replicates_at_once"],
        minutes=CONFIG["run"]["checkpoint_minutes"],
    message:
        "train: {wildcards.kind} {wildcards.replicates}"
    shell:
        "python {params.program:q} --cohort {params.cohort:q} {params.bounds} {params.halvings} --device {params.device}"
        " --at-once {params.at_once} --checkpoint-minutes {params.minutes}"
        " --threads {threads} --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
