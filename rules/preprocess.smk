# preprocess: one person's scan to ROI time series, motion and scan quality; one job a person.
# Needs the person's files of the participants table (bold + t1w | preproc_bold + confounds | timeseries).
# Leaves <id>/<scan key>/timeseries.npy, motion.tsv, quality.json; for images also qc.png.


rule preprocess:
    input:
        unpack(scan_files),
    output:
        timeseries="<preprocess>/{participant}/{scan}/timeseries.npy",
        motion="<preprocess>/{participant}/{scan}/motion.tsv",
        quality="<preprocess>/{participant}/{scan}/quality.json",
    log:
        "<preprocess>/{participant}/{scan}/log.txt",
    benchmark:
        "<preprocess>/{participant}/{scan}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        program=program("preprocess"),
        recipe=recipe("preprocess"),
        out=folder,
        scan=scan_arguments,
    message:
        "preprocess: {wildcards.participant}"
    shell:
        "python {params.program:q} --participant {wildcards.participant} {params.scan}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
