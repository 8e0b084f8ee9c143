"""Reads the artifacts of one run: what the report is about."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.enrichment.difference import COLUMNS as DIFFERENCE
from gcamccl.report import pathways
from gcamccl.shards import cover
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, read_tsv

CLASSES = ("low", "high")  # class 0 and class 1
# Stages that only a study with the modality has; tables of other stages that it has.
OF_MODALITY = {
    "connectivity": ("preprocess", "connectivity"),
    "snps": ("genotype_qc", "impute", "eqtl_filter", "enrichment"),
}
TABLE_OF_MODALITY = {
    **dict.fromkeys(("threshold/edges", "threshold/network_pairs"), "connectivity"),
    **dict.fromkeys(("threshold/snps", "threshold/ld_blocks"), "snps"),
}
CALIBRATED = ("selected_calibrated", "q_calibrated", "direction", "stability", "q_linear")
TEXT = (
    *("participant_id", "genotype_id", "family_id", "relatives", "site", "id", "snp_id", "chrom", "gene", "array"),
    *("genotype_id_1", "genotype_id_2", "family_1", "family_2", "flag", "flags", "text"),
)
# Stage -> table -> columns the report needs (docs/artifacts.md).
TABLES = {
    "connectivity": {
        "people": ("participant_id", "n_volumes", "residual_dof"),
        "group_bold_qc": (
            *("participant_id", "route", "n_volumes", "n_scrubbed", "regressors", "residual_dof"),
            *("max_translation_mm", "mean_fd_mm", "sfnr_global", "sfnr_roi_median", "sfnr_voxel_median"),
            *("registration_dice", "t1w_gain", "included", "warnings"),
        ),
        "excluded": ("participant_id", "reason", "value", "limit"),
        "rois": ("roi", "x", "y", "z", "network", "name"),
        "qc_fc": (
            *("n_people", "n_edges", "median_abs_r", "median_abs_r_by_chance"),
            *("share_p_below_0_05", "distance_spearman", "reason"),
        ),
        "qc_fc_edges": ("distance_mm", "r", "n"),
    },
    "genotype_qc": {
        "attrition": ("step", "snps_in", "snps_out", "samples_in", "samples_out"),
        "dropped": ("kind", "id", "array", "step", "reason"),
        "harmonised": ("id", "array", "array_id", "action"),
        "samples": (
            *("genotype_id", "participant_id", "arrays", "sex", "genotype_sex", "call_rate", "heterozygosity"),
            *("group", "n_related", "flags", "kept", "reason"),
        ),
        "relatedness": (
            *("genotype_id_1", "genotype_id_2", "kinship", "ibs0", "relation", "family_1", "family_2"),
            *("declared", "flag"),
        ),
        "sex_check": ("genotype_id", "array", "fam_sex", "f", "genotype_sex"),
        "hwe_summary": ("n_snps", "threshold", "pooled", "within", "n_groups", "far_more"),
        "eigenvalues": ("component", "eigenvalue", "variance_share", "stands_out"),
        "notes": ("check", "level", "text"),
    },
    "eqtl_filter": {
        "snps": ("snp_id", "chrom", "pos", "genes", "why", "frequency", "n_imputed"),
        "attrition": ("step", "snps", "genes"),
    },
    "cohort": {
        "cohort": ("participant_id", "score", "group", "relatives"),
        "people": ("participant_id", "score", "has_connectivity", "has_genotypes", "group", "reason"),
    },
    "compare": {
        "metrics": (
            *("method", "features", "split", "permutation", "n_test", "accuracy", "sensitivity", "specificity", "f1"),
            *("balanced_accuracy", "auc", "brier"),
        ),
        "table3": (
            *("method", "features", "kind", "label", "n_splits", "n_permutations", "n_test", "interval", "confidence"),
            *("accuracy_mean", "accuracy_low", "accuracy_high", "accuracy_permuted", "accuracy_p", "brier_mean"),
            *(
                "calibration_slope",
                "calibration_intercept",
                "expected_calibration_error",
                "calibration_error_by_chance",
            ),
            *("paper_accuracy", "paper_sensitivity", "paper_specificity", "paper_f1"),
        ),
        "differences": ("method", "features", "kind", "label", "metric", "difference", "low", "high", "p", "p_holm"),
        "calibration": ("method", "features", "n", "n_people", "p_high", "observed", "low", "high"),
    },
    "activation": {
        "checks": ("method", "view", "check", "map_class", "likeness", "other", "shared", "low", "high", "verdict"),
        "curves": ("view", "method", "check", "level", "map_class", "mean", "sd"),
    },
    "threshold": {
        "edges": (  # of edges_all.parquet: edges.tsv has only the rows that are selected or significant
            *("class", "roi_a", "roi_b", "name_a", "name_b", "network_a", "network_b"),
            *("frequency", "frequency_permuted", "selected", "sign", *CALIBRATED, "t", "p", "q"),
        ),
        "network_pairs": ("network_a", "network_b", "n_edges", "n_high", "n_low", "p", "q"),
        "ld_blocks": ("chrom", "first", "last", "lead", "n_snps", "n_high", "n_low", "p", "q"),
        "snps": (
            *("class", "snp_id", "chrom", "pos", "genes"),
            *("frequency", "frequency_permuted", "selected", "sign", *CALIBRATED, "t", "p", "q"),
        ),
        "summary": ("method", "view", "class", "n_features", "n_selected", "n_selected_permuted", "n_maps", "p_any"),
    },
    "enrichment": {"difference": DIFFERENCE},
}
FILES = {  # tables not kept as <table>.tsv
    **{"edges": "edges_all.parquet", "qc_fc_edges": "qc_fc.parquet"},
    "difference": "difference/difference.tsv",
}
ENRICHMENT = ("source", "gene_set", "set_size", "contained", "p", "q", "genes", "p_candidates", "q_candidates")
NUMBERS = [
    *("frequency", "frequency_permuted", "t", "p", "q", "p_candidates", "q_candidates", "q_paper", "fold", "expected"),
    *("fold_candidates", "expected_candidates", "expected_matched", "p_matched", "odds_ratio"),
    *("q_calibrated", "direction", "stability", "q_linear", "p_any"),
    *("t1w_gain", "n_scrubbed", "residual_dof", "median_abs_r", "median_abs_r_by_chance", "share_p_below_0_05", "r"),
    *("kinship", "ibs0", "f", "call_rate", "heterozygosity", "eigenvalue", "variance_share"),
]
FLAGS = [
    *("selected", "selected_calibrated", "has_connectivity", "has_genotypes", "included"),
    *("kept", "declared", "far_more", "stands_out"),
]
STAGES = (
    *("preprocess", "connectivity", "genotype_qc", "impute", "eqtl_filter", "cohort"),
    *("train", "compare", "activation", "threshold", "enrichment"),
)


@dataclass
class Results:
    """Everything the report says something about.

    Attributes
    ----------
    folders : dict of str to Path
        Stage -> its artifact folder; stages about a modality that the study lacks are absent.
    records : dict of str to list of dict
        Stage -> the ``artifact.json`` of each of its jobs.
    tables : dict of str to DataFrame
        ``<stage>/<table>`` -> table; columns in docs/artifacts.md, ``class`` and ``group`` as low or high.
    impute : DataFrame or None
        One row a chromosome, columns the keys of ``summary.json``. None: no genotypes.
    concordance : DataFrame or None
        Masked calls of all chromosomes: source, stratum, n_masked, concordance, concordance_mode.
    enrichment, unmatched : dict of str to DataFrame
        Group of genes -> its tested gene sets; genes that none of them has.
    genes : dict of str to list of str
        Group -> its genes.
    replicates : DataFrame
        replicate, split, permutation, best_epoch, epochs, seed.
    history, predictions : DataFrame
        As left by ``train``, all shards together.
    splits : ndarray, int8 (splits, n)
        0 train, 1 validation, 2 test.
    truth : dict or None
        What was planted, of simulated studies.
    pseudonymous : bool
        Whether ids have been replaced (`gcamccl.report.pseudonyms`).
    """

    folders: dict
    records: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    impute: pd.DataFrame | None = None
    concordance: pd.DataFrame | None = None
    enrichment: dict = field(default_factory=dict)
    unmatched: dict = field(default_factory=dict)
    genes: dict = field(default_factory=dict)
    replicates: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    predictions: pd.DataFrame | None = None
    splits: np.ndarray | None = None
    truth: dict | None = None
    pseudonymous: bool = False

    def has(self, modality):
        """Whether the study has a modality: connectivity or snps."""
        return all(stage in self.folders for stage in OF_MODALITY[modality])

    def settings(self, stage):
        """Settings of `stage` as its first job recorded them; empty where no record was left."""
        records = self.records.get(stage, [])
        return (records[0].get("settings") or {}) if records else {}


def collect(folders, truth=None):
    """Read the artifacts of every stage.

    Parameters
    ----------
    folders : dict of str to Path
        A folder for each of `STAGES`; those of one modality may be left out together.
    truth : Path, optional
        ``truth.json`` of a simulated study.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        A folder or file is missing, broken, or lacks a column.
    """
    folders = {stage: Path(folders[stage]) for stage in STAGES if folders.get(stage)}
    check_complete(folders)
    results = Results(folders)
    for stage, folder in folders.items():
        if not folder.is_dir():
            raise InputError(folder, f"no such folder of stage {stage}")
        results.records[stage] = records(folder)
        for name, columns in TABLES.get(stage, {}).items():
            modality = TABLE_OF_MODALITY.get(f"{stage}/{name}")
            if modality and not results.has(modality):
                continue
            results.tables[f"{stage}/{name}"] = read_table(folder / FILES.get(name, f"{name}.tsv"), columns)
    if results.has("snps"):
        results.impute = impute_summaries(folders["impute"])
        results.concordance = impute_concordance(folders["impute"])
        tested = folders["enrichment"].glob("*/enrichment.tsv")
        for name in pathways.in_order(path.parent.name for path in tested):
            folder = folders["enrichment"] / name
            results.enrichment[name] = read_table(folder / "enrichment.tsv", ENRICHMENT)
            results.unmatched[name] = read_table(folder / "unmatched.tsv", ("gene", "maybe"))
            results.genes[name] = gene_list(folders["threshold"] / f"genes_{name}.txt")
    results.replicates = replicates(folders["train"])
    results.history = parquet_shards(folders["train"], "history.parquet")
    results.predictions = parquet_shards(folders["train"], "predictions.parquet")
    results.splits = np.load(folders["cohort"] / "splits.npy")
    results.truth = read_json(truth) if truth else None
    return results


def check_complete(folders):
    """Stages that always take part are given, and of each modality all of its stages or none."""
    some = {name: [stage for stage in stages if stage in folders] for name, stages in OF_MODALITY.items()}
    if not any(some.values()):
        raise InputError("report", "no stage of either modality is given", "give --connectivity or --genotype-qc ...")
    needed = [stage for stage in STAGES if not any(stage in stages for stages in OF_MODALITY.values())]
    needed += [stage for name, stages in OF_MODALITY.items() if some[name] for stage in stages]
    missing = [stage for stage in needed if stage not in folders]
    if missing:
        options = ", ".join(f"--{stage.replace('_', '-')}" for stage in missing)
        raise InputError("report", f"the folder of {', '.join(missing)} is not given", f"add {options}")


def inputs(results):
    """Files the report was made from, for the record."""
    files = []
    for name in results.tables:
        stage, table = name.split("/")
        files.append(results.folders[stage] / FILES.get(table, f"{table}.tsv"))
    files.append(results.folders["cohort"] / "splits.npy")
    if results.has("connectivity"):
        files += [results.folders["connectivity"] / "fc.npy", results.folders["cohort"] / "fc.npy"]
    if results.has("snps"):
        files += sorted(results.folders["impute"].glob("chr*/summary.json"))
        files += sorted(results.folders["impute"].glob("chr*/concordance.tsv"))
        for name in results.enrichment:
            files += [results.folders["enrichment"] / name / f"{table}.tsv" for table in ("enrichment", "unmatched")]
            files.append(results.folders["threshold"] / f"genes_{name}.txt")
    for stage, names in (
        ("train", ("replicates.json", "history.parquet", "predictions.parquet")),
        ("activation", ("maps.safetensors", "people.parquet")),
    ):
        files += [shard / name for shard in cover(results.folders[stage]) for name in names]
    return files


def read_table(path, columns):
    """Read a table of the contract: identifiers as text, ``class`` and ``group`` as low or high, flags as bool."""
    if path.suffix == ".parquet":
        table = read_parquet(path, columns)
    else:
        table = read_tsv(path, columns=columns, dtype=dict.fromkeys(TEXT, str), low_memory=False)
    if "genes" in table and path.name != "attrition.tsv":  # symbols, not their number
        table["genes"] = table["genes"].astype("string").astype(object)
    for column in table.columns.intersection(["class", "group"]):
        table[column] = table[column].map(class_name)
    for column in table.columns.intersection(FLAGS):
        table[column] = table[column].map(flag).astype(bool)
    for column in table.columns.intersection(NUMBERS):  # an empty column has no type of its own
        table[column] = table[column].astype(float)
    for column in table.columns.intersection(["set_size", "contained", "set_size_candidates"]):
        table[column] = table[column].astype("Int64")
    return table


def read_parquet(path, columns):
    """Read a Parquet table that must have `columns`."""
    if not path.exists():
        raise InputError(path, "no such file")
    table = pd.read_parquet(path)
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", f"found {', '.join(map(str, table.columns))}")
    return table


def class_name(value):
    """``low`` or ``high`` for a class given by name or number; other values stay as they are."""
    return {"0": "low", "1": "high", "0.0": "low", "1.0": "high"}.get(str(value), value)


def flag(value):
    """Whether a cell says yes: true, yes, 1 in any case; a missing cell says no."""
    return str(value).strip().lower() in {"true", "yes", "1", "1.0"}


def records(folder):
    """The ``artifact.json`` of a stage's jobs: of the folder itself and of those one or two levels below."""
    paths = [
        folder / "artifact.json",
        *sorted(folder.glob("*/artifact.json")),
        *sorted(folder.glob("*/*/artifact.json")),
    ]
    return [read_json(path) for path in paths if path.exists()]


def impute_summaries(folder):
    """Summaries of all chromosomes as one table, in chromosome order."""
    rows = []
    for path in folder.glob("chr*/summary.json"):
        facts = read_json(path)
        facts.pop("chromosome", None)  # the folder says it
        rows.append({"chrom": path.parent.name.removeprefix("chr"), **facts})
    if not rows:
        raise InputError(folder, "no chr<chrom>/summary.json in it")
    rows.sort(
        key=lambda row: (not row["chrom"].isdigit(), int(row["chrom"]) if row["chrom"].isdigit() else 0, row["chrom"])
    )
    return pd.DataFrame(rows)


def impute_concordance(folder):
    """Concordance of masked calls of all chromosomes, pooled; None where no chromosome has such a table."""
    paths = sorted(folder.glob("chr*/concordance.tsv"))
    tables = [table for table in (read_tsv(path) for path in paths) if len(table)]
    if not tables:
        return None
    table = pd.concat(tables, ignore_index=True)
    for name in ("concordance", "concordance_mode"):
        table[name] *= table["n_masked"]
    pooled = table.groupby(["source", "stratum"], sort=False)[["n_masked", "concordance", "concordance_mode"]].sum()
    for name in ("concordance", "concordance_mode"):
        pooled[name] /= pooled["n_masked"]
    return pooled.reset_index()


def gene_list(path):
    """Genes of a file with one symbol a line."""
    if not path.exists():
        raise InputError(path, "no such file")
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def replicates(folder):
    """Table of all replicates: replicate, split, permutation, seed, best_epoch, epochs."""
    rows = []
    for shard in cover(folder):
        found = read_json(shard / "replicates.json")
        rows += found if isinstance(found, list) else found["replicates"]
    return pd.DataFrame(rows).sort_values("replicate", ignore_index=True)


def parquet_shards(folder, name):
    """A Parquet table of all shards, one below the other."""
    return pd.concat([read_parquet(shard / name, ("replicate",)) for shard in cover(folder)], ignore_index=True)
