"""Who is in the study's low and high group, and the splits and permuted labels that every model shares."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.workflow.errors import InputError

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")
MIDDLE = "score between the groups"
COMPONENTS = tuple(f"pc{number}" for number in range(1, 6))
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
        table.
    fc : ndarray of float32 (n, R, R)
        NaN: ROI missing.
    dosage : ndarray of float32 (n, L)
    labels : ndarray of int8 (1 + permutations, n)
        0 low, 1 high; row 0 the labels, the others permuted.
    splits : ndarray of int8 (splits, n)
        `TRAIN`, `VALIDATION` or `TEST`.
    people : DataFrame
        participant_id, score, has_connectivity, has_genotypes, group, reason: everybody.
    """

    table: pd.DataFrame
    fc: np.ndarray
    dosage: np.ndarray
    labels: np.ndarray
    splits: np.ndarray
    people: pd.DataFrame


def availability(participants, scanned, genotyped, excluded=None, dropped=None):
    """What there is of everybody, and why somebody cannot be used.

    Parameters
    ----------
    participants : list of dict
        Rows of `gcamccl.workflow.study.read_participants`.
    scanned : list of str
        participant_id of everybody with connectivity.
    genotyped : list of str
        genotype_id of everybody with dosages.
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
        Connectivity of somebody not in the table, no id in common at all, or a genotype_id that two people share.
    """
    excluded, dropped = excluded or {}, dropped or {}
    known = {row["participant_id"] for row in participants}
    strangers = [name for name in scanned if name not in known]
    if strangers:
        raise InputError(
            "connectivity people.tsv", f"{strangers[0]} is not in the participants table", "use the same table"
        )
    owner = {}
    for row in participants:
        name, genotype = row["participant_id"], row["genotype_id"]
        if genotype is not None and owner.setdefault(genotype, name) != name:
            raise InputError(
                "participants table", f"{owner[genotype]} and {name} share genotype_id {genotype}", "keep one of them"
            )
    has_scan, has_genotype, rows = set(scanned), set(genotyped), []
    for row in participants:
        name, genotype = row["participant_id"], row["genotype_id"]
        reasons = []
        if row["score"] is None or not np.isfinite(row["score"]):
            reasons.append("no score")
        if name not in has_scan:
            reasons.append(f"no connectivity: {excluded.get(name, 'no scan')}")
        if genotype is None:
            reasons.append("no genotypes: no genotype_id")
        elif genotype not in has_genotype:
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
    for column, what, ids in (
        ("has_connectivity", "participant_id", scanned),
        ("has_genotypes", "genotype_id", genotyped),
    ):
        if not table[column].any():
            here = next((value for value in table[what] if value is not None), "none")
            raise InputError(
                "participants table",
                f"no {what} matches {column.removeprefix('has_')}",
                f"here e.g. {here}, there e.g. {next(iter(ids), 'none')}",
            )
    return table


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
            f"{tail_fraction:g} of {len(scores)} people with score, connectivity and genotypes leaves an empty group",
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


def stratified_split(labels, fractions, rng):
    """One random split that keeps the share of each class in each part (paper, section III-C).

    Parameters
    ----------
    labels : ndarray of int (n,)
        0 and 1.
    fractions : tuple of float
        Train, validation, test. Of each class, validation and test get their share rounded to the nearest whole
        person, train the others.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int8 (n,)

    Raises
    ------
    InputError
        A part would lack a class, or train have fewer than two people of it.
    """
    split = np.full(len(labels), TRAIN, np.int8)
    for label, name in enumerate(("low", "high")):
        rows = np.flatnonzero(labels == label)
        validation, test = (int(np.floor(share * len(rows) + 0.5)) for share in fractions[1:])
        if min(validation, test) < 1 or len(rows) - validation - test < 2:
            raise InputError(
                "cohort",
                f"the {name} group has {len(rows)} people, too few for train, validation and test parts of "
                f"{', '.join(f'{share:g}' for share in fractions)}",
                "add people or change cohort.tail_fraction or the fractions",
            )
        rows = rng.permutation(rows)
        split[rows[:validation]] = VALIDATION
        split[rows[validation : validation + test]] = TEST
    return split


def permuted_labels(labels, family, site, rng):
    """Labels permuted where people are exchangeable.

    A family is a unit (people without one are families of one). Units exchange their labels as a whole with units of
    the same size at the same sites; within a unit, people of one site exchange theirs. With no family and no site
    given, this is a plain permutation. Counts of the two classes never change.

    Parameters
    ----------
    labels : ndarray of int8 (n,)
    family, site : sequence of str or None, length n
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int8 (n,)
    """
    units = {}
    for row in range(len(labels)):
        units.setdefault((0, family[row]) if isinstance(family[row], str) else (1, row), []).append(row)
    place = [value if isinstance(value, str) else "" for value in site]
    alike = {}
    for rows in units.values():
        # Two independent orders within each site, one to give labels from and one to take them in.
        giving, taking = (sorted(rng.permutation(rows), key=lambda row: place[row]) for _ in range(2))
        alike.setdefault(tuple(place[row] for row in giving), []).append((giving, taking))
    result = labels.copy()
    for members in alike.values():
        giving, taking = (np.array(rows) for rows in zip(*members, strict=True))
        result[taking] = labels[giving[rng.permutation(len(giving))]]
    return result


def join(participants, connectivity, loci, settings, excluded=None, dropped=None):
    """The cohort, its splits and permuted labels.

    Split s depends on the seed and s only, permutation p on the seed and p only: asking for more of either keeps the
    first ones as they are.

    Parameters
    ----------
    participants : list of dict
        Rows of `gcamccl.workflow.study.read_participants`.
    connectivity : tuple
        ``(names, fc, quality)``: participant_id of the rows of ``fc`` (people, R, R), and a DataFrame indexed by
        participant_id with the columns `CONFOUNDS`.
    loci : tuple
        ``(samples, dosage, components)``: genotype_id of the rows of ``dosage`` (samples, L), and a DataFrame indexed
        by genotype_id with the columns `COMPONENTS`.
    settings : dict
        The config section ``cohort``.
    excluded, dropped : dict of str to str, optional
        As in `availability`.

    Returns
    -------
    Cohort
    """
    names, fc, quality = connectivity
    samples, dosage, components = loci
    people = availability(participants, names, samples, excluded, dropped)
    usable = np.flatnonzero(people["reason"].isna())
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
    table = table.join(quality.reindex(columns=CONFOUNDS), on="participant_id")
    table = table.join(components.reindex(columns=COMPONENTS), on="genotype_id")

    scan_row = {name: row for row, name in enumerate(names)}
    sample_row = {name: row for row, name in enumerate(samples)}
    fractions = tuple(settings[f"{part}_fraction"] for part in PARTS)
    seed = settings["seed"]
    splits = [
        stratified_split(labels, fractions, np.random.default_rng([seed, 0, number]))
        for number in range(settings["splits"])
    ]
    permuted = [
        permuted_labels(labels, table["family_id"], table["site"], np.random.default_rng([seed, 1, number]))
        for number in range(settings["permutations"])
    ]
    return Cohort(
        table[list(COHORT_COLUMNS)],
        np.ascontiguousarray(fc[[scan_row[name] for name in table["participant_id"]]], dtype=np.float32),
        np.ascontiguousarray(dosage[[sample_row[name] for name in table["genotype_id"]]], dtype=np.float32),
        np.stack([labels, *permuted]),
        np.stack(splits),
        people[["participant_id", "score", "has_connectivity", "has_genotypes", "group", "reason"]],
    )
