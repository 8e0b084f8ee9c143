# enrichment: gene sets over-represented among the selected genes, one job a group; sets that one class favours.
# Needs threshold's lists of genes and loci, eqtl_filter's snp_gene.tsv (the genes that could have been selected) and
# genes.tsv (their lengths), and the gene sets.
# Leaves, per group, enrichment.tsv and unmatched.tsv; difference/difference.tsv.

SYMBOL_UPDATES = [
    os.path.join(workflow.basedir, "resources", "symbol_updates.tsv"),
    *([STUDY.symbol_updates] if STUDY.symbol_updates else []),
]
OWN_BACKGROUND = (
    [STUDY.background_genes] if CONFIG["enrichment"]["background"] == "file" else []
)


rule enrichment:
    input:
        genes="<threshold>/genes_{group}.txt",
        loci="<threshold>/loci_{group}.txt",
        candidates="<eqtl_filter>/snp_gene.tsv",
        lengths="<eqtl_filter>/genes.tsv",
        gene_sets=STUDY.gene_sets,
        background=OWN_BACKGROUND,
        symbol_updates=SYMBOL_UPDATES,
    output:
        table="<enrichment>/{group}/enrichment.tsv",
        unmatched="<enrichment>/{group}/unmatched.tsv",
        record="<enrichment>/{group}/artifact.json",
    log:
        "<enrichment>/{group}/log.txt",
    benchmark:
        "<enrichment>/{group}/benchmark.tsv"
    wildcard_constraints:
        group="|".join(GENE_GROUPS),
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        program=program("enrichment"),
        recipe=recipe("enrichment"),
        out=folder,
        background=shlex.join(
            [word for file in OWN_BACKGROUND for word in ("--background", file)]
        ),
    message:
        "enrichment: {wildcards.group}"
    shell:
        "python {params.program:q} --genes {input.genes:q} --gene-sets {input.gene_sets:q}"
        " --candidates {input.candidates:q} --loci {input.loci:q} --lengths {input.lengths:q}"
        " --symbol-updates {input.symbol_updates:q} {params.background}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"


rule enrichment_difference:
    input:
        low="<threshold>/genes_low.txt",
        high="<threshold>/genes_high.txt",
        gene_sets=STUDY.gene_sets,
        symbol_updates=SYMBOL_UPDATES,
    output:
        table="<enrichment>/difference/difference.tsv",
        record="<enrichment>/difference/artifact.json",
    log:
        "<enrichment>/difference/log.txt",
    benchmark:
        "<enrichment>/difference/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        program=program("enrichment_difference"),
        recipe=recipe("enrichment"),
        out=folder,
    message:
        "enrichment: low against high"
    shell:
        "python {params.program:q} --low {input.low:q} --high {input.high:q} --gene-sets {input.gene_sets:q}"
        " --symbol-updates {input.symbol_updates:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
