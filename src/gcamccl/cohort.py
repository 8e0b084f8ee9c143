"""Who is in the study's low and high group, and the splits and permuted labels that every model shares."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.cohort_splits import (  # noqa: F401 (the parts are known by this module's name everywhere)
    PARTS,
    TEST,
    TRAIN,
    VALIDATION,
    fewest_people,
    halving,
    permuted_rows,
    relative_units,
    stratified_split,
)
from gcamccl.workflow.errors import InputError

MIDDLE = "score between the groups"
COMPONENTS = tuple(f"pc{number}" for number in range(1, 6))
# What a network's replicates are numbered by.
SPLITS, HALVINGS = "splits", "halvings"
CONFOUNDS = ("mean_fd_mm", "max_translation_mm")
COHORT_COLUMNS = (
    "participant_id",
    "genotype_id",
    "score",
    "group",
    "age",
    "sex",
    "site",
    "family_id",
    "relatives",
    *CONFOUNDS,
    *COMPONENTS,
)


@dataclass(frozen=True)
class Cohort:
    """The joined study.

    Attributes
    ----------
    table : DataFrame
        Columns `COHORT_COLUMNS`, one row a person in the low or the high group, in the order of the participants
        table. ``relatives``: unit that the splits keep together, missing where there is none. Confounds that the
        study's modalities cannot tell are missing.
    fc : ndarray of float32 (n, R, R), or None
        NaN: ROI missing. None: a study without scans.
    dosage : ndarray of float32 (n, L), or None
        None: a study without genotypes.
    labels : ndarray of int8 (1 + permutations, n)
        0 low, 1 high; row 0 the labels, the others permuted.
    splits : ndarray of int8 (splits, n)
        `TRAIN`, `VALIDATION` or `TEST`, for the labels of row 0.
    permutations : ndarray of int32 (1 + permutations, n)
        ``labels[p]`` is ``labels[0][permutations[p]]``; its parts are ``splits[s][permutations[p]]``.
        Row 0 is 0 to n - 1.
    people : DataFrame
        participant_id, score, has_connectivity, has_genotypes, group, reason: everybody.
    halvings : ndarray of int8 (2 x halvings, n), or None
        As ``splits``: TRAIN and VALIDATION are the half that nominates features, TEST the one that confirms them
        (`gcamccl.cohort_splits.halving`); rows 2h and 2h + 1 are the two sides of one halving. None: not read.
    """

    table: pd.DataFrame
    fc: np.ndarray | None
    dosage: np.ndarray | None
    labels: np.ndarray
    splits: np.ndarray
    permutations: np.ndarray
    people: pd.DataFrame
    halvings: np.ndarray | None = None

    @property
    def parts(self):
        """`HALVINGS` where they stand in for the splits (`gcamccl.cohort_files.for_confirmation`), else `SPLITS`."""
        return HALVINGS if self.splits is self.halvings else SPLITS

    @property
    def n_rois(self):
        """Number of ROIs; None without scans."""
        return None if self.fc is None else self.fc.shape[1]

    @property
    def n_loci(self):
        """Number of loci; None without genotypes."""
        return None if self.dosage is None else self.dosage.shape[1]


def relatives(table):
    """Who is related: people of one number are.

    Parameters
    ----------
    table : DataFrame (n rows)
        The cohort's; its column ``relatives`` counts, where there is none ``family_id``.

    Returns
    -------
    ndarray of int (n,)
    """
    named = "relatives" in table and table["relatives"].notna().any()
    unit = pd.factorize(table["relatives" if named else "family_id"])[0]  # -1: missing
    return np.where(unit < 0, len(table) + np.arange(len(table)), unit)


def availability(participants, scanned, genotyped, excluded=None, dropped=None):
    """What there is of everybody, and why somebody cannot be used.

    Parameters
    ----------
    participants : list of dict
        Rows of `gcamccl.workflow.study.read_participants`.
    scanned : list of str or None
        participant_id of everybody with connectivity. None: a study without scans, where nobody needs any.
    genotyped : list of str or None
        genotype_id of everybody with dosages. None: a study without genotypes.
    excluded, dropped : dict of str to str, optional
        Reasons known from the connectivity stage (by participant_id) and from genotype quality control (by
        genotype_id).

    Returns
    -------
    DataFrame
        participant_id, genotype_id, score, has_connectivity, has_genotypes (bool), reason (None: usable).

    Raises
    ------
    InputError
        Connectivity of somebody not in the table, no id in common at all, nobody with both, or a genotype_id that two
        people share.
    """
    excluded, dropped = excluded or {}, dropped or {}
    known = {row["participant_id"] for row in participants}
    strangers = [name for name in scanned or () if name not in known]
    if strangers:
        raise InputError(
            "connectivity people.tsv", f"{strangers[0]} is not in the participants table", "use the same table"
        )
    if genotyped is not None:
        _distinct_genotypes(participants)
    has_scan, has_genotype, rows = set(scanned or ()), set(genotyped or ()), []
    for row in participants:
        name, genotype = row["participant_id"], row["genotype_id"]
        reasons = []
        if row["score"] is None or not np.isfinite(row["score"]):
            reasons.append("no score")
        if scanned is not None and name not in has_scan:
            reasons.append(f"no connectivity: {excluded.get(name, 'no scan')}")
        if genotyped is not None and genotype is None:
            reasons.append("no genotypes: no genotype_id")
        elif genotyped is not None and genotype not in has_genotype:
            reasons.append(f"no genotypes: {dropped.get(genotype, 'not among the samples after quality control')}")
        rows.append(
            {
                "participant_id": name,
                "genotype_id": genotype,
                "score": np.nan if row["score"] is None else row["score"],
                "has_connectivity": name in has_scan,
                "has_genotypes": genotype is not None and genotype in has_genotype,
                "reason": "; ".join(reasons) or None,
            }
        )
    table = pd.DataFrame(rows)
    _something_in_common(table, scanned, genotyped)
    return table


def _distinct_genotypes(participants):
    """Two people with one genotype_id are an InputError."""
    owner = {}
    for row in participants:
        name, genotype = row["participant_id"], row["genotype_id"]
        if genotype is not None and owner.setdefault(genotype, name) != name:
            raise InputError(
                "participants table", f"{owner[genotype]} and {name} share genotype_id {genotype}", "keep one of them"
            )


def _something_in_common(table, scanned, genotyped):
    """Ids that differ everywhere are not missing data but a mistake: say what they look like on either side."""
    for what, column, ids, source, todo in (
        ("participant_id", "has_connectivity", scanned, "connectivity", "give the table that the scans were named by"),
        (
            "genotype_id",
            "has_genotypes",
            genotyped,
            "genotypes",
            "write into the column genotype_id the ids (IID) that the people have in the genotype files",
        ),
    ):
        if ids is not None and not table[column].any():
            raise InputError(
                "participants table",
                f"no {what} matches {source}: here e.g. {_some(table[what])}, there e.g. {_some(ids)}",
                todo,
            )
    both = table["has_connectivity"] & table["has_genotypes"]
    if scanned is not None and genotyped is not None and not both.any():
        ends = [
            _some(table.loc[table[column], "participant_id"] + " (" + table.loc[table[column], "genotype_id"] + ")")
            for column in ("has_connectivity", "has_genotypes")
        ]
        raise InputError(
            "participants table",
            f"nobody has both connectivity and genotypes: connectivity have e.g. {ends[0]}, genotypes e.g. {ends[1]}",
            "correct the column genotype_id so that it names each person's own sample",
        )


def _some(ids, number=3):
    """The first few ids, for a message."""
    return ", ".join([str(name) for name in ids if isinstance(name, str)][:number]) or "none"


def tails(scores, names, tail_fraction):
    """Top and bottom of the score (paper, section III-C).

    People are ordered by score, those with equal scores by participant_id, so that ties never depend on the order of
    a file. Each group has ``floor(tail_fraction * n)`` people.

    Parameters
    ----------
    scores : ndarray of float (n,)
        None missing.
    names : list of str
    tail_fraction : float
        In (0, 0.5].

    Returns
    -------
    ndarray of int8 (n,)
        0 low, 1 high, -1 middle.

    Raises
    ------
    InputError
        A group would be empty, or a score is in both groups.
    """
    count = int(np.floor(tail_fraction * len(scores) + 1e-9))
    if count < 1:
        raise InputError(
            "cohort",
            f"{tail_fraction:g} of {len(scores)} people with score and modalities leaves an empty group",
            "add people or raise cohort.tail_fraction",
        )
    order = sorted(range(len(scores)), key=lambda row: (scores[row], names[row]))
    low, high = order[:count], order[-count:]
    if scores[low[-1]] >= scores[high[0]]:
        raise InputError(
            "participants table",
            f"the low and the high group share the score {scores[high[0]]:g}",
            "lower cohort.tail_fraction or use a score that differs between people",
        )
    group = np.full(len(scores), -1, np.int8)
    group[low], group[high] = 0, 1
    return group


def join(participants, connectivity, loci, settings, excluded=None, dropped=None, pairs=None):
    """The cohort, its splits and permuted labels.

    Split s depends on the seed and s only, as do halving and permutation: asking for more of them keeps the first ones
    as they are.

    Parameters
    ----------
    participants : list of dict
        Rows of `gcamccl.workflow.study.read_participants`.
    connectivity : tuple or None
        ``(names, fc, quality)``: participant_id of the rows of ``fc`` (people, R, R), and a DataFrame indexed by
        participant_id with the columns `CONFOUNDS`. None: a study without scans.
    loci : tuple or None
        ``(samples, dosage, components)``: genotype_id of the rows of ``dosage`` (samples, L), and a DataFrame indexed
        by genotype_id with the columns `COMPONENTS`. None: a study without genotypes.
    settings : dict
        The config section ``cohort``.
    excluded, dropped : dict of str to str, optional
        As in `availability`.
    pairs : DataFrame, optional
        ``genotype_qc/relatedness.tsv``, for `gcamccl.cohort_splits.relative_units`.

    Returns
    -------
    Cohort

    Raises
    ------
    InputError
        Ids that do not fit together, too few people, or relatives that leave a part without one of the groups.
    """
    names, fc, quality = connectivity or (None, None, pd.DataFrame())
    samples, dosage, components = loci or (None, None, pd.DataFrame())
    people = availability(participants, names, samples, excluded, dropped)
    usable = np.flatnonzero(people["reason"].isna())
    fractions = tuple(settings[f"{part}_fraction"] for part in PARTS)
    _enough(len(usable), len(people), settings["tail_fraction"], fractions)
    scores = people["score"].to_numpy()[usable]
    group = tails(scores, people["participant_id"].to_numpy()[usable], settings["tail_fraction"])
    words = np.array(["low", "high", "middle"])[group]  # -1 is the last
    people["group"] = None
    people.loc[usable, "group"] = words
    people.loc[usable[group < 0], "reason"] = MIDDLE

    chosen = usable[group >= 0]
    labels = group[group >= 0]
    by_id = {row["participant_id"]: row for row in participants}
    table = people.loc[chosen, ["participant_id", "genotype_id", "score", "group"]].reset_index(drop=True)
    for column in ("age", "sex", "site", "family_id"):
        table[column] = [by_id[name][column] for name in table["participant_id"]]
    together = settings["relatives_together"]
    table["relatives"] = relative_units(table, pairs, settings["max_kinship"]) if together else None
    table = table.join(quality.reindex(columns=CONFOUNDS), on="participant_id")
    table = table.join(components.reindex(columns=COMPONENTS), on="genotype_id")

    seed = settings["seed"]
    splits = [
        stratified_split(labels, fractions, np.random.default_rng([seed, 0, number]), table["relatives"])
        for number in range(settings["splits"])
    ]
    # Of those who learn, the share that the paper gives validation beside training.
    share = fractions[1] / (fractions[0] + fractions[1])
    halvings = [
        halving(labels, share, np.random.default_rng([seed, 2, number]), table["relatives"])
        for number in range(settings["halvings"])
    ]
    unit = table["relatives" if together else "family_id"]
    permuted = [
        permuted_rows(unit, table["site"], np.random.default_rng([seed, 1, number]))
        for number in range(settings["permutations"])
    ]
    rows = np.stack([np.arange(len(labels), dtype=np.int32), *permuted])
    return Cohort(
        table[list(COHORT_COLUMNS)],
        _rows(fc, names, table["participant_id"]),
        _rows(dosage, samples, table["genotype_id"]),
        labels[rows],
        np.stack(splits),
        rows,
        people[["participant_id", "score", "has_connectivity", "has_genotypes", "group", "reason"]],
        np.concatenate([np.empty((0, len(labels)), np.int8), *halvings]),
    )


def _enough(usable, total, tail_fraction, fractions):
    """Fewer people than the splits need is an InputError that says how many that is."""
    each = fewest_people(fractions)
    needed = int(np.ceil(each / tail_fraction - 1e-9))
    if usable < needed:
        raise InputError(
            "cohort",
            f"{usable} of {total} people have score and modalities, so {int(tail_fraction * usable + 1e-9)} come into "
            f"each group; splits of {', '.join(f'{share:g}' for share in fractions)} need {each}, that is {needed} "
            f"people at a cohort.tail_fraction of {tail_fraction:g}",
            "add people, raise cohort.tail_fraction or change the fractions",
        )


def _rows(array, names, wanted):
    """Rows of a view's array in the order of the cohort, float32; None stays None."""
    if array is None:
        return None
    place = {name: row for row, name in enumerate(names)}
    return np.ascontiguousarray(array[[place[name] for name in wanted]], dtype=np.float32)
