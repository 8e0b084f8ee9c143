"""The cohort's files: what it is made from, and reading it back with every shape and value checked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.cohort import COHORT_COLUMNS, COMPONENTS, CONFOUNDS, Cohort
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

ARRAYS = {"connectivity": "fc.npy", "snps": "dosage.npy"}  # view -> its array; a study may have one only
TEXT = ("participant_id", "genotype_id", "sex", "site", "family_id", "relatives")
PAIR_COLUMNS = ("genotype_id_1", "genotype_id_2", "kinship", "relation", "flag")


def input_files(folder):
    """Files of a cohort that others read: the tables, and the arrays of the views it has."""
    folder = Path(folder)
    views = [folder / name for name in ARRAYS.values() if (folder / name).exists()]
    return [folder / "cohort.tsv", *views, *(folder / f"{name}.npy" for name in ("splits", "labels", "permutations"))]


def load_array(path, dimensions):
    """An array of a ``.npy`` file; a missing, broken or oddly shaped one is an InputError."""
    try:
        array = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(path, f"not a NumPy array file: {error}") from None
    if array.ndim != dimensions:
        raise InputError(path, f"expected {dimensions} dimensions, found {array.ndim}")
    return array


def check_connectivity(path, fc):
    """FC of every person is square, symmetric, finite or NaN, with a diagonal of 0 and nobody all missing."""
    if fc.shape[1] != fc.shape[2] or fc.shape[1] < 2:
        raise InputError(path, f"expected square matrices of at least 2 ROIs, found {fc.shape[1]} x {fc.shape[2]}")
    above = np.triu_indices(fc.shape[1], 1)
    for row, matrix in enumerate(fc):
        if np.isinf(matrix).any():
            raise InputError(path, f"row {row} has infinite values", "run the connectivity stage again")
        if np.isnan(matrix[above]).all():
            raise InputError(path, f"row {row} has no connection at all", "exclude this person")
        if not np.allclose(matrix, matrix.T, atol=1e-5, equal_nan=True):
            raise InputError(path, f"row {row} is not symmetric", "run the connectivity stage again")
        if np.nan_to_num(np.diagonal(matrix)).any():
            raise InputError(path, f"row {row} has a diagonal other than 0", "run the connectivity stage again")


def check_dosage(path, dosage, samples=None):
    """No dosage is missing, and all are between 0 and 2; `samples` name the rows."""
    if not dosage.shape[1]:
        raise InputError(path, "no loci", "loosen the eqtl_filter settings")
    bad = ~((dosage >= 0) & (dosage <= 2))  # NaN is bad too
    if bad.any():
        row, locus = np.argwhere(bad)[0]
        name = f" ({samples[row]})" if samples is not None else ""
        raise InputError(
            path,
            f"row {row}{name}, locus {locus} is {dosage[row, locus]}, not a dosage from 0 to 2; {int(bad.sum())} such "
            "values (rows and loci count from 0)",
            "impute first",
        )


def read_connectivity(folder):
    """Names, FC and quality of the connectivity stage's people.

    Returns
    -------
    connectivity : tuple
        As `gcamccl.cohort.join` takes it.
    excluded : dict of str to str
        participant_id -> reasons, joined by ``;``.
    files : list of Path
    """
    folder = Path(folder)
    files = [folder / name for name in ("fc.npy", "people.tsv", "group_bold_qc.tsv", "excluded.tsv")]
    fc = load_array(files[0], 3)
    names = read_tsv(files[1], columns=["participant_id"], dtype={"participant_id": str})["participant_id"].tolist()
    _same_length(files[0], len(fc), files[1], len(names))
    check_connectivity(files[0], fc)
    quality = read_tsv(files[2], columns=["participant_id"], dtype={"participant_id": str})
    quality = quality.set_index("participant_id").reindex(columns=CONFOUNDS)
    excluded = read_tsv(files[3], columns=["participant_id", "reason"], dtype=str)
    return (names, fc, quality), _reasons(excluded["participant_id"], excluded["reason"]), files


def read_loci(folder, genotype_qc):
    """Samples, dosages and ancestry components.

    Returns
    -------
    loci : tuple
        As `gcamccl.cohort.join` takes it.
    dropped : dict of str to str
        genotype_id -> step and reason of quality control, joined by ``;``.
    files : list of Path
    """
    folder, genotype_qc = Path(folder), Path(genotype_qc)
    files = [folder / "dosage.npy", folder / "samples.tsv", genotype_qc / "pca.tsv", genotype_qc / "dropped.tsv"]
    dosage = load_array(files[0], 2)
    samples = read_tsv(files[1], columns=["genotype_id"], dtype=str)["genotype_id"].tolist()
    _same_length(files[0], len(dosage), files[1], len(samples))
    check_dosage(files[0], dosage, samples)
    components = read_tsv(files[2], columns=["genotype_id"], dtype={"genotype_id": str})
    components = components.set_index("genotype_id").reindex(columns=COMPONENTS)
    dropped = read_tsv(files[3], columns=["kind", "id", "step", "reason"], dtype=str)
    dropped = dropped[dropped["kind"] == "sample"]
    return (samples, dosage, components), _reasons(dropped["id"], dropped["step"] + ": " + dropped["reason"]), files


def read_relatives(genotype_qc):
    """Pairs of relatives, and who has which flag.

    Returns
    -------
    pairs : DataFrame
        ``relatedness.tsv``: at least `PAIR_COLUMNS`.
    flags : Series of str
        ``samples.tsv``: flags joined by ``;``, by genotype_id; those without one left out.
    files : list of Path
    """
    files = [Path(genotype_qc) / name for name in ("relatedness.tsv", "samples.tsv")]
    text = dict.fromkeys(("genotype_id_1", "genotype_id_2", "relation", "flag"), str)
    pairs = read_tsv(files[0], columns=PAIR_COLUMNS, dtype={**text, "kinship": float})
    samples = read_tsv(files[1], columns=["genotype_id", "flags"], dtype={"genotype_id": str, "flags": str})
    return pairs, samples.set_index("genotype_id")["flags"].dropna(), files


def _same_length(array_path, rows, table_path, lines):
    """Rows of an array and of the table that names them agree."""
    if rows != lines:
        raise InputError(array_path, f"{rows} rows, but {table_path} has {lines}", "they must come from one run")


def _reasons(names, reasons):
    """Dict of name to its reasons, joined by ``;``."""
    result = {}
    for name, reason in zip(names, reasons.fillna("excluded"), strict=True):
        result[name] = f"{result[name]}; {reason}" if name in result else reason
    return result


def write_cohort(cohort, path):
    """Write a cohort's files.

    Parameters
    ----------
    cohort : Cohort
    path : callable
        Name of a file -> where to write it (`gcamccl.workflow.job.Job.path`).
    """
    write_tsv(path("cohort.tsv"), cohort.table)
    write_tsv(path("people.tsv"), cohort.people)
    for name in ("fc", "dosage", "splits", "labels", "permutations", "halvings"):
        if getattr(cohort, name) is not None:
            np.save(path(f"{name}.npy"), getattr(cohort, name), allow_pickle=False)


def read_cohort(folder):
    """Read a cohort back (all but ``people.tsv``, which is for people to read).

    Returns
    -------
    Cohort
        With ``people`` None; ``fc`` or ``dosage`` None where the study has one modality.

    Raises
    ------
    InputError
        A file is missing or broken, shapes disagree, or a value is out of its range.
    """
    folder = Path(folder)
    paths = {path.name: path for path in input_files(folder)}
    table = read_tsv(paths["cohort.tsv"], columns=COHORT_COLUMNS, dtype=dict.fromkeys(TEXT, str))
    fc = load_array(paths["fc.npy"], 3) if "fc.npy" in paths else None
    dosage = load_array(paths["dosage.npy"], 2) if "dosage.npy" in paths else None
    if fc is None and dosage is None:
        raise InputError(folder, "neither fc.npy nor dosage.npy is there", "run the cohort stage again")
    splits, labels, permutations = (
        load_array(paths[f"{name}.npy"], 2) for name in ("splits", "labels", "permutations")
    )
    for name, count in (
        ("fc.npy", None if fc is None else len(fc)),
        ("dosage.npy", None if dosage is None else len(dosage)),
        ("splits.npy", splits.shape[1]),
        ("labels.npy", labels.shape[1]),
        ("permutations.npy", permutations.shape[1]),
    ):
        if count is not None:
            _same_length(paths[name], count, paths["cohort.tsv"], len(table))
    if fc is not None:
        check_connectivity(paths["fc.npy"], fc)
    if dosage is not None:
        check_dosage(paths["dosage.npy"], dosage)
    if not np.isin(splits, (0, 1, 2)).all():
        raise InputError(paths["splits.npy"], "has values other than 0 train, 1 validation, 2 test")
    if not np.isin(labels, (0, 1)).all():
        raise InputError(paths["labels.npy"], "has values other than 0 low, 1 high")
    if list(table["group"]) != [("low", "high")[label] for label in labels[0]]:
        raise InputError(paths["labels.npy"], "row 0 is not the group of cohort.tsv")
    if not (np.sort(permutations, axis=1) == np.arange(len(table))).all():
        raise InputError(paths["permutations.npy"], "a row is not a permutation of the people", "make the cohort again")
    if not np.array_equal(labels[0][permutations], labels):
        raise InputError(paths["permutations.npy"], "does not lead to labels.npy", "they must come from one run")
    return Cohort(table, fc, dosage, labels, splits, permutations, None)


def for_confirmation(folder, cohort, permutations):
    """The cohort with its halvings for splits, so that everything that works on splits works on them.

    Parameters
    ----------
    folder : Path
        Of the cohort.
    cohort : Cohort
        As `read_cohort` returns it.
    permutations : int
        Label permutations that are used with the halvings: the first ones, at most those that the cohort has.

    Returns
    -------
    Cohort
        ``splits`` are its ``halvings``.

    Raises
    ------
    InputError
        No such file, or one of another cohort.
    """
    path = Path(folder) / "halvings.npy"
    halvings = load_array(path, 2)
    _same_length(path, halvings.shape[1], Path(folder) / "cohort.tsv", len(cohort.table))
    if len(halvings) % 2 or not np.isin(halvings, (0, 1, 2)).all():
        raise InputError(path, "is not pairs of rows of 0 train, 1 validation, 2 confirm", "make the cohort again")
    rows = 1 + permutations
    return replace(
        cohort, splits=halvings, labels=cohort.labels[:rows], permutations=cohort.permutations[:rows], halvings=halvings
    )


def require_views(cohort, views):
    """Stop if a view of ``train.views`` is not among the cohort's: InputError that says which there are."""
    arrays = {"connectivity": cohort.fc, "snps": cohort.dosage}
    absent = [view for view in views if arrays[view] is None]
    if absent:
        there = [view for view, array in arrays.items() if array is not None]
        raise InputError(
            "train.views", f"names {', '.join(absent)}, which this cohort lacks", f"it has {', '.join(there)}"
        )


def replicate_parts(cohort, replicate):
    """Split and label row of a replicate (docs/artifacts.md, The replicates).

    Permuted labels take their place in the split with them, so that every part has the balance of the true ones.

    Parameters
    ----------
    cohort : Cohort
    replicate : int
        From 0 to splits x (1 + permutations) - 1.

    Returns
    -------
    split, permutation : int
    parts : ndarray of int8 (n,)
    labels : ndarray of int8 (n,)

    Raises
    ------
    InputError
        There is no such replicate.
    """
    total = len(cohort.splits) * len(cohort.labels)
    if not 0 <= replicate < total:
        raise InputError("replicates", f"there is no replicate {replicate}", f"this cohort has 0 to {total - 1}")
    split, permutation = divmod(replicate, len(cohort.labels))
    return split, permutation, cohort.splits[split][cohort.permutations[permutation]], cohort.labels[permutation]


def summary(people):
    """Counts of people by group and reason, for the log and the report.

    Parameters
    ----------
    people : DataFrame
        As ``people.tsv``.

    Returns
    -------
    dict of str to int
    """
    outside = people[people["group"].isna()]
    counts = {group: int((people["group"] == group).sum()) for group in ("low", "middle", "high")}
    return {**counts, **pd.Series(outside["reason"]).value_counts().to_dict()}
