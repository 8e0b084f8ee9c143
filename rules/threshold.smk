# threshold: which connections, SNPs and genes are selected.
# Needs cohort's arrays, connectivity's rois.tsv, eqtl_filter's SNP tables, the maps of all activation shards, and what
# the networks trained on halves nominate.
# Leaves edges.tsv, edges_all.parquet, network_pairs.tsv (with scans), snps.tsv, ld_blocks.tsv, genes_*.txt,
# loci_*.txt (with genotypes), summary.tsv.

# By the paper's rule for each class; confirmed by the calibrated selection as larger in either.
GENE_GROUPS = ["low", "high", "confirmed"]
MAP_TABLES = [
    "people",
    *(["peaks"] if CONFIG["threshold"]["rule_maximum"] == "class" else []),
]
THRESHOLD_FILES = [
    *(
        ["edges.tsv", "edges_all.parquet", "network_pairs.tsv"]
        if "connectivity" in MODALITIES
        else []
    ),
    *(
        [
            "snps.tsv",
            "ld_blocks.tsv",
            *(f"genes_{group}.txt" for group in GENE_GROUPS),
            *(f"loci_{group}.txt" for group in GENE_GROUPS),
        ]
        if "snps" in MODALITIES
        else []
    ),
    "summary.tsv",
]


rule threshold:
    input:
        COHORT_FILES,
        files_of("connectivity", "rois.tsv"),
        files_of("eqtl_filter", "snps.tsv", "snp_gene.tsv"),
        expand(
            "<activation>/replicates-{replicates}/maps.safetensors",
            replicates=REPLICATE_RANGES,
        ),
        expand(
            "<activation>/replicates-{replicates}/{table}.parquet",
            replicates=REPLICATE_RANGES,
            table=MAP_TABLES,
        ),
        halvings="<cohort>/halvings.npy",
        nominations=expand(
            "<activation>/halvings-{replicates}/nominations.safetensors",
            replicates=HALVING_RANGES,
        ),
    output:
        files_of("threshold", *THRESHOLD_FILES, "artifact.json"),
    log:
        "<threshold>/log.txt",
    benchmark:
        "<threshold>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        program=program("threshold"),
        recipe=recipe("threshold"),
        out=folder,
        cohort=folder_of("cohort"),
        folders=stage_options(connectivity="connectivity", loci="eqtl_filter"),
        shards=[
            f"{stage_folder('activation')}/replicates-{replicates}"
            for replicates in REPLICATE_RANGES
        ],
        nominations=nominations_option,
    message:
        "threshold: connections and SNPs"
    shell:
        "python {params.program:q} --cohort {params.cohort:q} {params.folders} --activation {params.shards:q}"
        " {params.nominations}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
