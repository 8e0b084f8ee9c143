# eqtl_filter: SNPs in gene bodies that are brain eQTLs or lie in top brain-expressed genes; their dosages.
# Needs impute's fileset of every chromosome, gene bodies, GTEx's 13 brain tissues, lookup table and expression table.
# Leaves dosage.npy, loci.{bed,bim,fam}, snps.tsv, samples.tsv, snp_gene.tsv, genes.tsv, gene_body_snps.tsv,
# attrition.tsv, eqtl.tsv, eqtl_tissues.tsv, top_genes.tsv.

IMPUTED_FILES = [".bed", ".bim", ".fam", ".snps.tsv"]
# Expected copies of the calls that were filled in, where the impute rule writes them.
if any(str(path).endswith(".dosage.npz") for path in rules.impute.output):
    IMPUTED_FILES.append(".dosage.npz")


rule eqtl_filter:
    input:
        genotypes=expand(
            "<impute>/chr{chrom}/imputed{suffix}",
            chrom=CHROMOSOMES,
            suffix=IMPUTED_FILES,
        ),
        gene_bodies=STUDY.gene_bodies or [],
        gtex_eqtl=STUDY.gtex_eqtl_files,
        gtex_lookup=STUDY.gtex_lookup or [],
        gtex_expression=STUDY.gtex_expression or [],
    output:
        "<eqtl_filter>/dosage.npy",
        "<eqtl_filter>/loci.bed",
        "<eqtl_filter>/loci.bim",
        "<eqtl_filter>/loci.fam",
        "<eqtl_filter>/snps.tsv",
        "<eqtl_filter>/samples.tsv",
        "<eqtl_filter>/snp_gene.tsv",
        "<eqtl_filter>/genes.tsv",
        "<eqtl_filter>/gene_body_snps.tsv",
        "<eqtl_filter>/attrition.tsv",
        "<eqtl_filter>/eqtl.tsv",
        "<eqtl_filter>/eqtl_tissues.tsv",
        "<eqtl_filter>/top_genes.tsv",
    log:
        "<eqtl_filter>/log.txt",
    benchmark:
        "<eqtl_filter>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(2500),
        runtime=growing(60),
    params:
        program=program("eqtl_filter"),
        recipe=recipe("eqtl_filter"),
        out=folder,
        genotypes=expand(
            f"{stage_folder('impute')}/chr{{chrom}}/imputed", chrom=CHROMOSOMES
        ),
        gtex_eqtl=lambda wildcards: STUDY.gtex_eqtl,
        lookup=(
            shlex.join(["--gtex-lookup", STUDY.gtex_lookup])
            if STUDY.gtex_lookup
            else ""
        ),
    message:
        "eqtl_filter: the loci"
    shell:
        "python {params.program:q} --genotypes {params.genotypes:q} --gene-bodies {input.gene_bodies:q}"
        " --gtex-eqtl {params.gtex_eqtl:q} {params.lookup} --gtex-expression {input.gtex_expression:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
