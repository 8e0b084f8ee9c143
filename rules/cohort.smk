# cohort: who is in the low and the high group, splits, permuted labels.
# Needs <connectivity> (fc, people, quality), <genotype_qc> (components, relatives, dropped), <eqtl_filter> (dosages),
# of the modalities that the study has, and participants.
# Leaves cohort.tsv, people.tsv and the arrays fc and dosage (of those modalities), splits, labels, permutations,
# halvings.npy.


rule cohort:
    input:
        files_of(
            "connectivity", "fc.npy", "people.tsv", "group_bold_qc.tsv", "excluded.tsv"
        ),
        files_of(
            "genotype_qc", "pca.tsv", "dropped.tsv", "relatedness.tsv", "samples.tsv"
        ),
        files_of("eqtl_filter", "dosage.npy", "samples.tsv"),
        participants=STUDY.participants,
    output:
        COHORT_FILES,
        "<cohort>/people.tsv",
        "<cohort>/halvings.npy",
    log:
        "<cohort>/log.txt",
    benchmark:
        "<cohort>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        program=program("cohort"),
        recipe=recipe("cohort"),
        out=folder,
        folders=stage_options(
            connectivity="connectivity", genotype_qc="genotype_qc", loci="eqtl_filter"
        ),
        score=SCORE,
    message:
        "cohort: groups, splits, permutations"
    shell:
        "python {params.program:q} {params.folders} --participants {input.participants:q} --score {params.score:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
