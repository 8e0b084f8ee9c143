# impute: missing calls filled in, one job a chromosome; observed calls never change.
# Needs genotype_qc's fileset; the reference panel and genetic map where the study has them, or a server's VCF.
# Leaves, per chromosome, imputed.{bed,bim,fam}, the filled calls' expected dosages, imputed.snps.tsv, concordance.tsv
# and summary.json.


rule impute:
    input:
        unpack(panel_files),
        genotypes=[
            "<genotype_qc>/qc.bed",
            "<genotype_qc>/qc.bim",
            "<genotype_qc>/qc.fam",
        ],
    output:
        "<impute>/chr{chrom}/imputed.bed",
        "<impute>/chr{chrom}/imputed.bim",
        "<impute>/chr{chrom}/imputed.fam",
        "<impute>/chr{chrom}/imputed.dosage.npz",
        "<impute>/chr{chrom}/imputed.snps.tsv",
        "<impute>/chr{chrom}/concordance.tsv",
        "<impute>/chr{chrom}/summary.json",
    log:
        "<impute>/chr{chrom}/log.txt",
    benchmark:
        "<impute>/chr{chrom}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=impute_memory_mb,
        runtime=growing(240),
    params:
        program=program("impute"),
        recipe=recipe("impute"),
        out=folder,
        genotypes=lambda wildcards, input: os.path.splitext(input.genotypes[0])[0],
        panel=panel_arguments,
    message:
        "impute: chromosome {wildcards.chrom}"
    shell:
        "python {params.program:q} --genotypes {params.genotypes:q} --chromosome {wildcards.chrom} {params.panel}"
        " --memory-mb {resources.mem_mb} --threads {threads} --limit-minutes {resources.runtime} --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
