# connectivity: nuisance projection and band-pass, ROI x ROI correlation, exclusions, the group's stack.
# Needs everybody's preprocess folder and the participants table (for those without a scan); with task regressors the
# events tables too. Leaves fc.npy + fc.json, people.tsv, group_bold_qc.tsv, excluded.tsv, rois.tsv, qc_fc.parquet,
# qc_fc.tsv.


rule connectivity:
    input:
        expand("<preprocess>/jobs/{people}.json", people=SCAN_JOBS),
        EVENTS,
        # ancient: the key says whether the table's people changed, its time stamp does not.
        participants=ancient(STUDY.participants),
    output:
        fc="<connectivity>/fc.npy",
        sidecar="<connectivity>/fc.json",
        people="<connectivity>/people.tsv",
        quality="<connectivity>/group_bold_qc.tsv",
        excluded="<connectivity>/excluded.tsv",
        rois="<connectivity>/rois.tsv",
        qc_fc_edges="<connectivity>/qc_fc.parquet",
        qc_fc="<connectivity>/qc_fc.tsv",
    log:
        "<connectivity>/log.txt",
    benchmark:
        "<connectivity>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        program=program("connectivity"),
        recipe=recipe("connectivity"),
        out=folder,
        preprocessed=folder_of("preprocess"),
        atlas=CONFIG["preprocess"]["atlas"],
        score=SCORE,
    message:
        "connectivity: everybody"
    shell:
        "python {params.program:q} --preprocessed {params.preprocessed:q} --atlas {params.atlas:q}"
        " --participants {input.participants:q} --score {params.score:q} --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
