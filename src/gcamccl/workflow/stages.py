"""The stages, in order: the project's one vocabulary.

A stage's name is also the name of its rules file, config section, results folder, report section, unit test and
module or package of `gcamccl`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """What a stage reads, which is what its artifact key depends on beside its settings and its code.

    Attributes
    ----------
    name : str
    does : str
        One line for people.
    needs : tuple of str
        Stages whose artifacts it reads.
    study : tuple of str
        Keys of the config's ``study`` section it reads.
    participants : tuple of str
        Columns of the participants table it reads, for the stages that look at everybody at once. Empty for stages
        that work per person (their key must not change when somebody joins the study).
    scripts : tuple of str
        Programs in ``workflow/scripts`` (without ``.py``); their imports are the stage's code.
    shipped : tuple of str
        Files of the project other than code that it reads, relative to the project.
    modality : str, optional
        Which of `MODALITIES` it is about: without that, it does not take part. None: it always does.
    """

    name: str
    does: str
    needs: tuple[str, ...] = ()
    study: tuple[str, ...] = ()
    participants: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    shipped: tuple[str, ...] = ()
    modality: str | None = None


# What a study may have, by the names of the network's views.
MODALITIES = ("connectivity", "snps")
# "scan" is `gcamccl.workflow.study.scan_key`: route, files and repetition time. "events" is the table's path where the
# settings use it, else nothing, so that events nobody reads make no result out of date.
SCAN_COLUMNS = ("participant_id", "scan")

STAGES = (
    Stage(
        "simulate",
        "a study with planted truth, in the real input formats",
        study=("chromosomes",),
        scripts=("simulate_study", "simulate_scan"),
        shipped=("resources/power264.tsv",),
    ),
    Stage(
        "preprocess",
        "per person: realign, register to MNI152, smooth, ROI time series, scan quality",
        scripts=("preprocess", "preprocess_people"),
        shipped=("resources/power264.tsv",),
        modality="connectivity",
    ),
    Stage(
        "connectivity",
        "nuisance projection and band-pass, ROI x ROI correlation, exclusions, group stack",
        needs=("preprocess",),
        participants=(*SCAN_COLUMNS, "events"),
        scripts=("connectivity",),
        shipped=("resources/power264.tsv",),
        modality="connectivity",
    ),
    Stage(
        "genotype_qc",
        "validate, harmonise and merge arrays, PLINK quality control, attrition",
        study=("genotypes", "chromosomes", "known_positions", "reference_panel"),
        participants=("participant_id", "genotype_id", "sex", "family_id"),
        scripts=("genotype_qc",),
        modality="snps",
    ),
    Stage(
        "impute",
        "fill missing calls, chromosome by chromosome",
        needs=("genotype_qc",),
        study=("reference_panel", "genetic_map", "imputed"),
        scripts=("impute", "mask_for_server"),
        modality="snps",
    ),
    Stage(
        "eqtl_filter",
        "gene bodies, GTEx brain eQTLs, top brain-expressed genes: the loci and their dosages",
        needs=("impute",),
        study=("chromosomes", "gene_bodies", "gtex_eqtl", "gtex_lookup", "gtex_expression"),
        scripts=("eqtl_filter",),
        modality="snps",
    ),
    Stage(
        "cohort",
        "joins what the study has; high and low groups, confounds, splits, label permutations",
        needs=("connectivity", "genotype_qc", "eqtl_filter"),
        study=("score",),
        participants=("participant_id", "genotype_id", "score", "age", "sex", "site", "family_id"),
        scripts=("cohort",),
    ),
    Stage("train", "gCAM-CCL over all replicates", needs=("cohort",), scripts=("train",)),
    Stage(
        "compare",
        "all classifiers of Table III on identical splits",
        needs=("cohort", "train"),
        scripts=("compare", "compare_table"),
    ),
    Stage(
        "activation",
        "Grad-CAM, guided backpropagation and guided Grad-CAM per person and class, and checks of them",
        needs=("cohort", "train"),
        scripts=("activation", "activation_checks", "activation_nominate"),
    ),
    Stage(
        "threshold",
        "the paper's selection rule, beside it a calibrated selection and univariate tests",
        needs=("cohort", "connectivity", "eqtl_filter", "activation"),
        scripts=("threshold",),
    ),
    Stage(
        "enrichment",
        "gene sets over-represented among the selected genes",
        needs=("eqtl_filter", "threshold"),
        study=("gene_sets", "background_genes", "symbol_updates"),
        scripts=("enrichment", "enrichment_difference"),
        shipped=("resources/symbol_updates.tsv",),
        modality="snps",
    ),
    Stage(
        "report",
        "tables, figures and one page",
        needs=(
            "preprocess",
            "connectivity",
            "genotype_qc",
            "impute",
            "eqtl_filter",
            "cohort",
            "train",
            "compare",
            "activation",
            "threshold",
            "enrichment",
        ),
        scripts=("report",),
        shipped=tuple(f"src/gcamccl/report/{name}" for name in ("template.html", "style.css", "page.js")),
    ),
)


def taking_part(modalities=MODALITIES, simulated=True):
    """Names of the stages of a study that has `modalities`, in order."""
    absent = {stage.name for stage in STAGES if stage.modality and stage.modality not in modalities}
    return tuple(stage.name for stage in STAGES if stage.name not in absent and (simulated or stage.name != "simulate"))


BY_NAME = {stage.name: stage for stage in STAGES}
NAMES = tuple(BY_NAME)
