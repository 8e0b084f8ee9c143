# cohort: who is in the low and the high group, splits, permuted labels.
# Needs <connectivity> (fc, people, quality), <genotype_qc> (components, dropped), <eqtl_filter> (dosages), participants.
# Leaves cohort.tsv, people.tsv and the arrays fc, dosage, splits, labels.npy.


rule cohort:
    input:
        "<connectivity>/fc.npy",
        "<connectivity>/people.tsv",
        "<connectivity>/group_bold_qc.tsv",
        "<connectivity>/excluded.tsv",
        "<genotype_qc>/pca.tsv",
        "<genotype_qc>/dropped.tsv",
        "<eqtl_filter>/dosage.npy",
        "<eqtl_filter>/samples.tsv",
        participants=STUDY.participants,
    output:
        "<cohort>/cohort.tsv",
        "<cohort>/people.tsv",
        "<cohort>/fc.npy",
        "<cohort>/dosage.npy",
        "<cohort>/splits.npy",
        "<cohort>/labels.npy",
    log:
        "<cohort>/log.txt",
    benchmark:
        "<cohort>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        program=program("cohort"),
        recipe=recipe("cohort"),
        out=folder,
        connectivity=folder_of("connectivity"),
        genotype_qc=folder_of("genotype_qc"),
        loci=folder_of("eqtl_filter"),
        score=SCORE,
    message:
        "cohort: groups, splits, permutations"
    shell:
        "python {params.program:q} --connectivity {params.connectivity:q} --genotype-qc {params.genotype_qc:q}"
        " --loci {params.loci:q} --participants {input.participants:q} --score {params.score:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
