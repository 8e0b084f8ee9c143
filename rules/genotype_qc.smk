# genotype_qc: arrays checked, harmonised and merged; PLINK quality control in the paper's order; reports on people.
# Needs the study's arrays (PLINK 1, PLINK 2, VCF, BCF) and participants table; known positions or the reference panel
# where the study has them.
# Leaves qc.{bed,bim,fam}, attrition.tsv, dropped.tsv, harmonised.tsv, strand.tsv, typed_twice.tsv, positions.tsv,
# people_matching.tsv, pca.tsv, eigenvalues.tsv, samples.tsv, relatedness.tsv, sex_check.tsv, hwe.tsv, hwe_summary.tsv,
# notes.tsv.


rule genotype_qc:
    input:
        genotypes=GENOTYPE_FILES,
        known=KNOWN_POSITIONS,
        # ancient: the key says whether the table's people changed, its time stamp does not.
        participants=ancient(STUDY.participants),
    output:
        "<genotype_qc>/qc.bed",
        "<genotype_qc>/qc.bim",
        "<genotype_qc>/qc.fam",
        "<genotype_qc>/attrition.tsv",
        "<genotype_qc>/dropped.tsv",
        "<genotype_qc>/harmonised.tsv",
        "<genotype_qc>/strand.tsv",
        "<genotype_qc>/typed_twice.tsv",
        "<genotype_qc>/pca.tsv",
        "<genotype_qc>/positions.tsv",
        "<genotype_qc>/people_matching.tsv",
        "<genotype_qc>/eigenvalues.tsv",
        "<genotype_qc>/samples.tsv",
        "<genotype_qc>/relatedness.tsv",
        "<genotype_qc>/sex_check.tsv",
        "<genotype_qc>/hwe.tsv",
        "<genotype_qc>/hwe_summary.tsv",
        "<genotype_qc>/notes.tsv",
    log:
        "<genotype_qc>/log.txt",
    benchmark:
        "<genotype_qc>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        program=program("genotype_qc"),
        recipe=recipe("genotype_qc"),
        out=folder,
        given=genotype_arguments,
    message:
        "genotype_qc: validate, merge, PLINK"
    shell:
        "python {params.program:q} {params.given} --participants {input.participants:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
