# report: tables, figures and one HTML page about the run.
# Needs the artifacts of every stage that takes part; of preprocess only its jobs' records; of simulated studies, what was planted too.
# Leaves report.html (self-contained), figures/*.png and *.svg, tables/*.tsv.

REPORT_FIGURES = {
    "scan_quality": "connectivity",
    "qc_fc": "connectivity",
    "connectivity": "connectivity",
    "attrition": "genotype_qc",
    "genotype_quality": "genotype_qc",
    "people": "cohort",
    "training": "train",
    "table3": "compare",
    "differences": "compare",
    "calibration": "compare",
    "fig2_maps_low": "activation",
    "fig3_maps_high": "activation",
    "fig4_histograms": "activation",
    "map_checks": "activation",
    "fig5_chords": "threshold",
    "fig6_brain": "threshold",
    "confirmed_chords": "threshold",
    "confirmed_brain": "threshold",
    "snp_frequency": "threshold",
    "pathways": "enrichment",
}
if CONFIG["study"]["simulated"]:
    REPORT_FIGURES["recovery"] = "simulate"
# Figures of stages that always take part, which show one modality.
OF_CONNECTIONS = [
    *("fig2_maps_low", "fig3_maps_high", "fig5_chords", "fig6_brain"),
    *("confirmed_chords", "confirmed_brain"),
]
OF_SNPS = ["snp_frequency"]
REPORT_FIGURES = {
    figure: stage
    for figure, stage in REPORT_FIGURES.items()
    if stage in KEYS
    and ("connectivity" in MODALITIES or figure not in OF_CONNECTIONS)
    and ("snps" in MODALITIES or figure not in OF_SNPS)
}


rule report:
    input:
        files_of("connectivity", "fc.npy", "rois.tsv", "qc_fc.parquet", "qc_fc.tsv"),
        files_of("connectivity", "people.tsv", "group_bold_qc.tsv", "excluded.tsv"),
        files_of("genotype_qc", "attrition.tsv", "dropped.tsv", "harmonised.tsv"),
        expand(
            files_of("impute", "chr{chrom}/{name}"),
            chrom=CHROMOSOMES,
            name=["summary.json", "concordance.tsv"],
        ),
        files_of("genotype_qc", "samples.tsv", "relatedness.tsv", "sex_check.tsv"),
        files_of("genotype_qc", "hwe_summary.tsv", "eigenvalues.tsv", "notes.tsv"),
        files_of("eqtl_filter", "snps.tsv", "attrition.tsv"),
        COHORT_FILES,
        "<cohort>/people.tsv",
        expand(
            "<train>/replicates-{replicates}/history.parquet",
            replicates=REPLICATE_RANGES,
        ),
        expand(
            "<train>/replicates-{replicates}/predictions.parquet",
            replicates=REPLICATE_RANGES,
        ),
        expand(
            "<train>/replicates-{replicates}/replicates.json",
            replicates=REPLICATE_RANGES,
        ),
        "<compare>/metrics.tsv",
        "<compare>/table3.tsv",
        "<compare>/differences.tsv",
        "<compare>/calibration.tsv",
        expand(
            "<activation>/replicates-{replicates}/maps.safetensors",
            replicates=REPLICATE_RANGES,
        ),
        expand(
            "<activation>/replicates-{replicates}/people.parquet",
            replicates=REPLICATE_RANGES,
        ),
        "<activation>/checks.tsv",
        "<activation>/curves.tsv",
        files_of("threshold", *THRESHOLD_FILES),
        files_of("enrichment", *(f"{group}/enrichment.tsv" for group in GENE_GROUPS)),
        files_of("enrichment", *(f"{group}/unmatched.tsv" for group in GENE_GROUPS)),
        files_of("enrichment", "difference/difference.tsv"),
        truth=[STUDY.truth] if STUDY.truth else [],
    output:
        "<report>/report.html",
        "<report>/tables/table3.tsv",
        ["<report>/tables/edges.tsv"] if "connectivity" in MODALITIES else [],
        ["<report>/tables/snps.tsv"] if "snps" in MODALITIES else [],
        "<report>/artifact.json",
        ["<report>/tables/planted.tsv"] if CONFIG["study"]["simulated"] else [],
        expand("<report>/figures/{figure}.svg", figure=REPORT_FIGURES),
        [
            report(
                f"<report>/figures/{figure}.png",
                caption=f"../workflow/report/{figure}.rst",
                category=stage,
            )
            for figure, stage in REPORT_FIGURES.items()
        ],
    log:
        "<report>/log.txt",
    benchmark:
        "<report>/benchmark.tsv"
    conda:
        "../envs/gcamccl.yaml"
    threads: 1
    resources:
        # metrics.tsv has 30 rows a replicate
        mem_mb=growing(2000 + N_REPLICATES // 50),
        runtime=growing(20),
    params:
        program=program("report"),
        recipe=recipe("report"),
        out=folder,
        folders=stage_options(
            **{stage: stage for stage in RECIPES["report"]["upstream"]}
        ),
        truth=lambda wildcards, input: (
            f"--truth {shlex.quote(str(input.truth))}" if input.truth else ""
        ),
    message:
        "report: tables, figures, page"
    shell:
        "python {params.program:q} {params.folders} {params.truth}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
