"""Who is related, random splits that keep relatives together, and permuted labels."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gcamccl.workflow.errors import InputError

TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")
CLASSES = ("low", "high")
FEWEST = {TRAIN: 2, VALIDATION: 1, TEST: 1}  # people of each class; batch normalisation needs two
DRAWS = 20  # of a split with relatives, while the parts' sizes are not met (docs/decisions: more gain nothing)


def relative_units(table, pairs, max_kinship):
    """Who must stay together: people of one family, or of kinship above a limit, and so on from each to the next.

    Parameters
    ----------
    table : DataFrame
        participant_id, genotype_id, family_id of the people looked at.
    pairs : DataFrame or None
        ``genotype_qc/relatedness.tsv``: genotype_id_1, genotype_id_2, kinship (KING-robust), flag. None: no genotypes.
    max_kinship : float
        0.0884: second degree or closer is together (Manichaikul et al. 2010). Of a mixed sample, which resembles
        everybody, only its closest pair counts; the same DNA under two ids always does.

    Returns
    -------
    ndarray of object (n,)
        ``unit1``, ``unit2`` ... in the order of the table; None: nobody is related to this person.
    """
    links = []
    for members in table.groupby("family_id", sort=False).indices.values():  # a missing family is none
        links += [(members[0], other) for other in members[1:]]
    if pairs is not None:
        place = {name: row for row, name in enumerate(table["genotype_id"]) if isinstance(name, str)}
        links += [
            (place[row.genotype_id_1], place[row.genotype_id_2])
            for row in _close(pairs, max_kinship).itertuples()
            if row.genotype_id_1 in place and row.genotype_id_2 in place
        ]
    n = len(table)
    one, other = np.array(links, dtype=int).reshape(-1, 2).T
    _, component = connected_components(coo_array((np.ones(len(one)), (one, other)), shape=(n, n)), directed=False)
    sizes = np.bincount(component, minlength=1)
    names, units = {}, np.full(n, None, object)
    for row, number in enumerate(component):
        if sizes[number] > 1:
            units[row] = names.setdefault(number, f"unit{len(names) + 1}")
    return units


def _close(pairs, max_kinship):
    """Rows of ``relatedness.tsv`` that keep two people together."""
    mixed = pairs["flag"] == "mixed_sample"
    ends = pd.concat([pairs.loc[mixed, "genotype_id_1"], pairs.loc[mixed, "genotype_id_2"]]).value_counts()
    # Each pair of a mixed sample has the mixed one at one end: the one with more such pairs.
    owner = [
        max((row.genotype_id_1, row.genotype_id_2), key=lambda name: ends[name]) for row in pairs[mixed].itertuples()
    ]
    closest = pairs[mixed].assign(owner=owner).sort_values("kinship", ascending=False).drop_duplicates("owner")
    kept = (~mixed & (pairs["kinship"] > max_kinship)) | (pairs["flag"] == "same_dna")
    return pd.concat([pairs[kept], closest.loc[closest["kinship"] > max_kinship, pairs.columns]])


def part_sizes(n, fractions):
    """People of a class of `n` in the train, validation and test parts: the latter two rounded, train the others."""
    validation, test = (int(np.floor(share * n + 0.5)) for share in fractions[1:])
    return n - validation - test, validation, test


def fewest_people(fractions):
    """The smallest class that gives every part its `FEWEST`."""
    n = sum(FEWEST.values())
    while any(size < FEWEST[part] for part, size in enumerate(part_sizes(n, fractions))):
        n += 1
    return n


def stratified_split(labels, fractions, rng, units=None):
    """One random split that keeps the share of each class in each part (paper, section III-C), and units together.

    Units are drawn first, the largest foremost, each into a part in which its people of both classes still have
    places, with a probability in proportion to the places left there; single people fill what is left, so that the
    parts have the wanted sizes exactly wherever enough are single. Where they do not, the best of `DRAWS` draws counts.
    Without units this is a plain stratified split.

    Parameters
    ----------
    labels : ndarray of int (n,)
        0 and 1.
    fractions : tuple of float
        Train, validation, test. Of each class, validation and test get their share rounded to the nearest whole
        person, train the others.
    rng : numpy.random.Generator
    units : sequence of str or None, length n, optional
        People of one unit come into one part; None: single.

    Returns
    -------
    ndarray of int8 (n,)

    Raises
    ------
    InputError
        A part would lack a class, or train have fewer than two people of it.
    """
    labels = np.asarray(labels)
    sizes = np.array([part_sizes((labels == label).sum(), fractions) for label in (0, 1)]).T
    for label, name in enumerate(CLASSES):
        if any(sizes[part, label] < FEWEST[part] for part in FEWEST):
            raise InputError(
                "cohort",
                f"the {name} group has {(labels == label).sum()} people, too few for train, validation and test parts "
                f"of {', '.join(f'{share:g}' for share in fractions)}: each group needs {fewest_people(fractions)}",
                "add people or change cohort.tail_fraction or the fractions",
            )
    members = _members(units)
    best, least = None, np.inf
    for _ in range(DRAWS if members else 1):
        split = _draw(labels, sizes, members, rng)
        off = np.abs(class_sizes(split, labels) - sizes).sum()
        if off < least:
            best, least = split, off
        if off == 0:
            break
    found = class_sizes(best, labels)
    if any((found[part] < fewest).any() for part, fewest in FEWEST.items()):
        _too_large(members, len(labels), fractions)
    return best


def halving(labels, validation_share, rng, units=None):
    """One random halving of the people, seen from both sides: each half learns what the other one confirms.

    Parameters
    ----------
    labels : ndarray of int (n,)
    validation_share : float
        Of each learning half, for early stopping; the others of it train. Relatives may come into both: this part is
        judged by nobody.
    rng : numpy.random.Generator
    units : sequence of str or None, length n, optional
        People of one unit come into one half; None: single.

    Returns
    -------
    ndarray of int8 (2, n)
        `TRAIN` and `VALIDATION`: the half that learns, `TEST`: the half that confirms. In the second row the halves
        have exchanged their tasks.

    Raises
    ------
    InputError
        A half would have too few people of a class, or relatives cannot be kept in one half.
    """
    labels = np.asarray(labels)
    needed = FEWEST[TRAIN] + FEWEST[VALIDATION]
    fewest = min((labels == label).sum() for label in (0, 1))
    todo = "add people or set cohort.halvings: 0 (no calibrated selection)"
    if fewest < 2 * needed:
        raise InputError("cohort", f"halves need {2 * needed} people of each group, one has {fewest}", todo)
    try:
        side = stratified_split(labels, (0.375, 0.125, 0.5), rng, units) == TEST
    except InputError as error:
        raise InputError(error.where, f"halving: {error.what}", todo) from None
    rows = np.full((2, len(labels)), TEST, np.int8)
    for row, learns in zip(rows, (~side, side), strict=True):
        for label in (0, 1):
            people = rng.permutation(np.flatnonzero(learns & (labels == label)))
            if len(people) < needed:
                raise InputError("cohort", "relatives leave a half with too few people of one group", todo)
            validation = max(FEWEST[VALIDATION], round(validation_share * len(people)))
            validation = min(validation, len(people) - FEWEST[TRAIN])
            row[people], row[people[:validation]] = TRAIN, VALIDATION
    return rows


def class_sizes(split, labels):
    """People of each class in each part: int (3, 2)."""
    return np.array([[((split == part) & (labels == label)).sum() for label in (0, 1)] for part in range(len(PARTS))])


def _members(units):
    """Rows of every unit of several people, in the order of their first."""
    rows = {}
    for row, unit in enumerate([] if units is None else units):
        if isinstance(unit, str):
            rows.setdefault(unit, []).append(row)
    return [np.array(own) for own in rows.values() if len(own) > 1]


def _draw(labels, sizes, members, rng):
    """One draw of `stratified_split`: units first, then everybody else."""
    split, left = np.full(len(labels), TRAIN, np.int8), sizes.copy()
    single = np.ones(len(labels), bool)
    order = [members[place] for place in rng.permutation(len(members))] if members else []
    for rows in sorted(order, key=len, reverse=True):
        counts = np.bincount(labels[rows], minlength=2)
        over = np.clip(counts - left, 0, None).sum(axis=1)
        room = np.where(over == 0, left[:, counts > 0].sum(axis=1), 0)
        # Where it fits nowhere, the part that it overfills least, of equals the one with most places.
        part = _choose(room, rng) if room.any() else min(range(len(PARTS)), key=lambda p: (over[p], -left[p].sum()))
        split[rows], left[part] = part, left[part] - counts
        single[rows] = False
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero((labels == label) & single))
        places = np.clip(left[:, label], 0, None)
        while places.sum() > len(rows):  # a unit took more than its part's share: the others do without
            places[places.argmax()] -= 1
        split[rows[: places[VALIDATION]]] = VALIDATION
        split[rows[places[VALIDATION] : places[VALIDATION] + places[TEST]]] = TEST
    return split


def _choose(weights, rng):
    """An index with a probability in proportion to its weight."""
    return int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))


def _too_large(members, n, fractions):
    """Say which unit leaves no room for the others."""
    largest = max(map(len, members))
    raise InputError(
        "cohort",
        f"relatives cannot be kept together: {len(members)} units of relatives, the largest of {largest} of the {n} "
        f"people, leave a part of {', '.join(f'{share:g}' for share in fractions)} without one of the groups",
        "raise cohort.max_kinship, correct family_id, or set cohort.relatives_together: false",
    )


def permuted_rows(unit, site, rng):
    """Whose label, and whose place in every split, each person takes: a permutation where people are exchangeable.

    Relatives are a unit (people without one are units of one). Units exchange places as a whole with units of the
    same size at the same sites; within a unit, people of one site exchange theirs. With no unit and no site given,
    this is a plain permutation. A label moves together with its place in the splits, so that the parts of permuted
    labels are as balanced as those of the true ones: the same procedure is repeated on permuted data, which makes
    the permutation test exact. With the labels moved alone, a class that is rarer in a training part is the more
    frequent one in its test part, and permuted labels score below chance.

    Parameters
    ----------
    unit, site : sequence of str or None, length n
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int32 (n,)
        ``labels[rows]`` are the permuted labels, ``split[rows]`` the parts that go with them.
    """
    units = {}
    for row in range(len(unit)):
        units.setdefault((0, unit[row]) if isinstance(unit[row], str) else (1, row), []).append(row)
    place = [value if isinstance(value, str) else "" for value in site]
    alike = {}
    for rows in units.values():
        # Two independent orders within each site, one to give labels from and one to take them in.
        giving, taking = (sorted(rng.permutation(rows), key=lambda row: place[row]) for _ in range(2))
        alike.setdefault(tuple(place[row] for row in giving), []).append((giving, taking))
    result = np.arange(len(unit), dtype=np.int32)
    for members in alike.values():
        giving, taking = (np.array(rows) for rows in zip(*members, strict=True))
        result[taking] = giving[rng.permutation(len(giving))]
    return result
