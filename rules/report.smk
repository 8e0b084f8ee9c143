# report: tables, figures and one HTML page about the run.
# Needs the artifacts of every stage; of preprocess only its jobs' records; of simulated studies, what was planted too.
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
    "fig5_chords": "threshold",
    "fig6_brain": "threshold",
    "snp_frequency": "threshold",
    "pathways": "enrichment",
}
if CONFIG["study"]["simulated"]:
    REPORT_FIGURES["recovery"] = "simulate"


rule report:
    input:
        "<connectivity>/fc.npy",
        "<connectivity>/people.tsv",
        "<connectivity>/group_bold_qc.tsv",
        "<connectivity>/excluded.tsv",
        "<connectivity>/rois.tsv",
        "<connectivity>/qc_fc.parquet",
        "<connectivity>/qc_fc.tsv",
        "<genotype_qc>/attrition.tsv",
        "<genotype_qc>/dropped.tsv",
        "<genotype_qc>/harmonised.tsv",
        expand(
            "<impute>/chr{chrom}/{name}",
            chrom=CHROMOSOMES,
            name=["summary.json", "concordance.tsv"],
        ),
        "<genotype_qc>/samples.tsv",
        "<genotype_qc>/relatedness.tsv",
        "<genotype_qc>/sex_check.tsv",
        "<genotype_qc>/hwe_summary.tsv",
        "<genotype_qc>/eigenvalues.tsv",
        "<genotype_qc>/notes.tsv",
        "<eqtl_filter>/snps.tsv",
        "<eqtl_filter>/attrition.tsv",
        "<cohort>/cohort.tsv",
        "<cohort>/people.tsv",
        "<cohort>/fc.npy",
        "<cohort>/splits.npy",
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
        "<threshold>/edges_all.parquet",
        "<threshold>/snps.tsv",
        "<threshold>/summary.tsv",
        "<threshold>/genes_low.txt",
        "<threshold>/genes_high.txt",
        expand("<enrichment>/{group}/enrichment.tsv", group=["low", "high"]),
        truth=[STUDY.truth] if STUDY.truth else [],
    output:
        "<report>/report.html",
        "<report>/tables/table3.tsv",
        "<report>/tables/edges.tsv",
        "<report>/tables/snps.tsv",
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
        mem_mb=2000,
        runtime=20,
    params:
        program=program("report"),
        recipe=recipe("report"),
        out=folder,
        folders=" ".join(
            f"--{stage.replace('_', '-')} {shlex.quote(stage_folder(stage))}"
            for stage in RECIPES["report"]["upstream"]
        ),
        truth=lambda wildcards, input: (
            f"--truth {shlex.quote(str(input.truth))}" if input.truth else ""
        ),
    message:
        "report: tables, figures, page"
    shell:
        "python {params.program:q} {params.folders} {params.truth}"
        " --recipe {params.recipe:q} --out {params.out:q} > {log:q} 2>&1"
