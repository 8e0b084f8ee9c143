# gCAM-CCL: from scans and SNP arrays to pathways. One stage, one file in rules/; how to run: README.md, profiles/.
from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "rules/common.smk"
include: "rules/resources.smk"
include: "rules/simulate.smk"
include: "rules/preprocess.smk"
include: "rules/connectivity.smk"
include: "rules/genotype_qc.smk"
include: "rules/impute.smk"
include: "rules/eqtl_filter.smk"
include: "rules/cohort.smk"
include: "rules/train.smk"
include: "rules/compare.smk"
include: "rules/activation.smk"
include: "rules/threshold.smk"
include: "rules/enrichment.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        "<report>/report.html",


onstart:
    begin_run()


onerror:
    explain_failure()
