# enrichment: gene sets over-represented among the selected genes, one job a group.
# Needs threshold's gene lists, eqtl_filter's snp_gene.tsv (the genes that could have been selected) and the gene sets.
# Leaves, per group, enrichment.tsv.


rule enrichment:
    input:
        genes="<threshold>/genes_{group}.txt",
        candidates="<eqtl_filter>/snp_gene.tsv",
        gene_sets=STUDY.gene_sets,
    output:
        table="<enrichment>/{group}/enrichment.tsv",
        record="<enrichment>/{group}/artifact.json",
    log:
        "<enrichment>/{group}/log.txt",
    benchmark:
        "<enrichment>/{group}/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        program=program("enrichment"),
        recipe=recipe("enrichment"),
        out=folder,
        symbol_updates=os.path.join(workflow.basedir, "resources", "symbol_updates.tsv"),
    message:
        "enrichment: {wildcards.group}"
    shell:
        "python {params.program:q} --genes {input.genes:q} --gene-sets {input.gene_sets:q}"
        " --candidates {input.candidates:q} --symbol-updates {params.symbol_updates:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
