# preprocess: each person's scan to ROI time series, motion and scan quality; run.people_per_job people a job.
# Needs the people's files of the participants table (bold + t1w | preproc_bold + confounds | timeseries).
# Leaves <id>/<scan key>/<BIDS name>: ROI time series and confounds (TSV with JSON sidecars), quality (JSON); for images
# also a page of pictures (PNG). Of these Snakemake only sees jobs/<job>.json, so that a job that runs again keeps the
# people whose results are there; the program compares them with their records.


rule preprocess:
    input:
        scan_files,
        # ancient: the names of its job and folder say whether the table's people changed, its time stamp does not.
        participants=ancient(STUDY.participants),
    output:
        "<preprocess>/jobs/{people}.json",
    log:
        "<preprocess>/jobs/{people}_log.txt",
    benchmark:
        "<preprocess>/jobs/{people}_benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=scan_memory_mb,
        runtime=scan_minutes,
    params:
        program=program("preprocess_people"),
        recipe=recipe("preprocess"),
        out=folder_of("preprocess"),
        people=lambda wildcards: shlex.join(SCAN_JOBS[wildcards.people]),
        score=SCORE,
    message:
        "preprocess: {wildcards.people}"
    shell:
        "python {params.program:q} --participants {input.participants:q} --score {params.score:q}"
        " --people {params.people} --device cpu --list {output:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
