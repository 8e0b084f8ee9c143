# preprocess: one person's scan to ROI time series, motion and scan quality; one job a person.
# Needs the person's files of the participants table (bold + t1w | preproc_bold + confounds | timeseries).
# Leaves <id>/<scan key>/<BIDS name>: ROI time series and confounds (TSV with JSON sidecars), quality (JSON); for images
# also a page of pictures (PNG).


rule preprocess:
    input:
        unpack(scan_files),
    output:
        timeseries=f"<preprocess>/{{participant}}/{{scan}}/{SCAN_NAMES['timeseries']}",
        confounds=f"<preprocess>/{{participant}}/{{scan}}/{SCAN_NAMES['confounds']}",
        quality=f"<preprocess>/{{participant}}/{{scan}}/{SCAN_NAMES['quality']}",
    log:
        "<preprocess>/{participant}/{scan}/{stem}_log.txt",
    benchmark:
        "<preprocess>/{participant}/{scan}/{stem}_benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=scan_memory_mb,
        runtime=30,
    params:
        program=program("preprocess"),
        recipe=recipe("preprocess"),
        out=folder,
        scan=scan_arguments,
        device=CONFIG["run"]["device"],
    message:
        "preprocess: {wildcards.participant}"
    shell:
        "python {params.program:q} --participant {wildcards.participant} {params.scan} --device {params.device}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
