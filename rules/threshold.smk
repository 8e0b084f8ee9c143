# threshold: which connections, SNPs and genes are selected.
# Needs cohort's arrays, connectivity's rois.tsv, eqtl_filter's SNP tables and the maps of all activation shards.
# Leaves edges.tsv, edges_all.parquet, snps.tsv, genes_low.txt, genes_high.txt, summary.tsv.


rule threshold:
    input:
        "<cohort>/cohort.tsv",
        "<cohort>/fc.npy",
        "<cohort>/dosage.npy",
        "<cohort>/splits.npy",
        "<cohort>/labels.npy",
        "<connectivity>/rois.tsv",
        "<eqtl_filter>/snps.tsv",
        "<eqtl_filter>/snp_gene.tsv",
        expand(
            "<activation>/replicates-{replicates}/maps.safetensors",
            replicates=REPLICATE_RANGES,
        ),
        expand(
            "<activation>/replicates-{replicates}/people.parquet",
            replicates=REPLICATE_RANGES,
        ),
    output:
        edges="<threshold>/edges.tsv",
        edges_all="<threshold>/edges_all.parquet",
        snps="<threshold>/snps.tsv",
        genes_low="<threshold>/genes_low.txt",
        genes_high="<threshold>/genes_high.txt",
        summary="<threshold>/summary.tsv",
        record="<threshold>/artifact.json",
    log:
        "<threshold>/log.txt",
    benchmark:
        "<threshold>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        program=program("threshold"),
        recipe=recipe("threshold"),
        out=folder,
        cohort=folder_of("cohort"),
        connectivity=folder_of("connectivity"),
        loci=folder_of("eqtl_filter"),
        shards=[
            f"{stage_folder('activation')}/replicates-{replicates}"
            for replicates in REPLICATE_RANGES
        ],
    message:
        "threshold: connections and SNPs"
    shell:
        "python {params.program:q} --cohort {params.cohort:q} --connectivity {params.connectivity:q}"
        " --loci {params.loci:q} --activation {params.shards:q}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
