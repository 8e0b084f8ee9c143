# compare: the classifiers of Table III on identical splits and label permutations, one job a method.
# Needs <cohort>; for gcamccl, ccl_svm and ccl_rf also every shard of <train>.
# Leaves {method}/predictions.parquet, metrics.tsv, table3.tsv, differences.tsv and calibration.tsv.


rule compare:
    input:
        COHORT_FILES,
        train=train_shards,
    output:
        "<compare>/{method}/predictions.parquet",
    log:
        "<compare>/{method}/log.txt",
    benchmark:
        "<compare>/{method}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: compare_threads
    resources:
        # Predictions of 51 test people take 20 to 40 KB a replicate, twice where they are joined and written.
        mem_mb=compare_memory_mb,
        runtime=720,
    params:
        program=program("compare"),
        recipe=recipe("compare"),
        out=folder,
        cohort=folder_of("cohort"),
        train=train_folders,
        views=CONFIG["train"]["views"],
    message:
        "compare: {wildcards.method}"
    shell:
        "python {params.program:q} --method {wildcards.method} --cohort {params.cohort:q} {params.train} --views {params.views}"
        " --processes {threads} --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"


rule compare_table:
    input:
        predictions=expand(
            "<compare>/{method}/predictions.parquet",
            method=CONFIG["compare"]["methods"],
        ),
        splits="<cohort>/splits.npy",
    output:
        "<compare>/metrics.tsv",
        "<compare>/table3.tsv",
        "<compare>/differences.tsv",
        "<compare>/calibration.tsv",
    log:
        "<compare>/log.txt",
    benchmark:
        "<compare>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        # 29 KB a replicate, twice that for confounds (six sets of features); 3 ms a replicate.
        mem_mb=growing(1000 + N_REPLICATES // 12),
        runtime=growing(10 + N_REPLICATES // 4000),
    params:
        program=program("compare_table"),
        recipe=recipe("compare"),
        out=folder,
        cohort=folder_of("cohort"),
    message:
        "compare: Table III"
    shell:
        "python {params.program:q} --predictions {input.predictions:q} --cohort {params.cohort:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
