# train: gCAM-CCL for every replicate (random split x label permutation), run.replicates_per_job of them a job.
# Needs <cohort>. A killed job goes on from its checkpoint (<train>/replicates-<first>-<last>/.checkpoint). Leaves replicates-<first>-<last>/ with weights, predictions, embeddings, history and replicates.json.


rule train:
    input:
        COHORT_FILES,
    output:
        "<train>/replicates-{replicates}/models.safetensors",
        "<train>/replicates-{replicates}/predictions.parquet",
        "<train>/replicates-{replicates}/embeddings.npz",
        "<train>/replicates-{replicates}/history.parquet",
        "<train>/replicates-{replicates}/replicates.json",
    log:
        "<train>/replicates-{replicates}/log.txt",
    benchmark:
        "<train>/replicates-{replicates}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=train_memory_mb,
        runtime=720,
        gpu=gpus(),
    params:
        program=program("train"),
        recipe=recipe("train"),
        out=folder,
        cohort=folder_of("cohort"),
        bounds=replicate_bounds,
        device=CONFIG["run"]["device"],
        at_once=CONFIG["run"]["replicates_at_once"],
        minutes=CONFIG["run"]["checkpoint_minutes"],
    message:
        "train: replicates {wildcards.replicates}"
    shell:
        "python {params.program:q} --cohort {params.cohort:q} {params.bounds} --device {params.device}"
        " --at-once {params.at_once} --checkpoint-minutes {params.minutes}"
        " --threads {threads} --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
