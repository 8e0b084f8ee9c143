"""Relatives: who they are, that no split parts them, and that the parts keep their sizes and classes."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

from gcamccl import cohort_remarks
from gcamccl.cohort_splits import (
    TEST,
    class_sizes,
    fewest_people,
    part_sizes,
    permuted_rows,
    relative_units,
    stratified_split,
)
from gcamccl.genotype_qc import relatedness
from gcamccl.workflow.errors import InputError

FRACTIONS = (0.7, 0.15, 0.15)


def pairs_table(*rows):
    """A relatedness.tsv of (one, other, kinship, flag)."""
    table = pd.DataFrame(rows, columns=["genotype_id_1", "genotype_id_2", "kinship", "flag"])
    return table.assign(relation=relatedness.relation(table["kinship"], 0.01))


def people(n, family=None):
    """As much of cohort.tsv as the units are made from."""
    table = pd.DataFrame({"participant_id": [f"sub-{i}" for i in range(n)], "genotype_id": [f"G{i}" for i in range(n)]})
    return table.assign(family_id=None if family is None else family)


def families(n, sizes, rng):
    """Units of the given sizes among n people, everybody else single."""
    units, order, start = np.full(n, None, object), rng.permutation(n), 0
    for number, size in enumerate(sizes):
        units[order[start : start + size]] = f"unit{number}"
        start += size
    return units


def wanted(labels):
    """People of each class that each part should have: (3, 2)."""
    return np.array([part_sizes((labels == label).sum(), FRACTIONS) for label in (0, 1)]).T


def smallest_deviation(labels, units):
    """The least that the parts' class sizes must be off, by integer programming over all assignments of units."""
    rows = pd.Series(range(len(labels))).groupby([u or f"single{i}" for i, u in enumerate(units)]).indices.values()
    counts = np.array([np.bincount(labels[own], minlength=2) for own in rows])
    n = 3 * len(counts)
    matrix, low, high = [], [], []
    for unit in range(len(counts)):
        row = np.zeros(n + 6)
        row[3 * unit : 3 * unit + 3] = 1
        matrix, low, high = [*matrix, row], [*low, 1], [*high, 1]
    for place, size in np.ndenumerate(wanted(labels)):
        for sign in (1, -1):
            row = np.zeros(n + 6)
            row[place[0] : n : 3] = sign * counts[:, place[1]]
            row[n + 2 * place[0] + place[1]] = -1
            matrix, low, high = [*matrix, row], [*low, -np.inf], [*high, sign * size]
    found = milp(
        np.r_[np.zeros(n), np.ones(6)],
        constraints=LinearConstraint(np.array(matrix), low, high),
        integrality=np.r_[np.ones(n), np.zeros(6)],
        bounds=Bounds(0, np.r_[np.ones(n), np.full(6, np.inf)]),
    )
    return round(found.fun)


def test_units_are_what_family_and_kinship_connect():
    table = people(9, ["a", None, "a", None, None, "b", None, None, None])
    pairs = pairs_table(
        ("G2", "G3", 0.25, None),  # joins sub-3 to family a
        ("G4", "G5", 0.12, None),
        ("G6", "G7", 0.06, None),  # third degree
        ("G8", "stranger", 0.25, None),  # a relative who is in no group
    )
    first, second = "unit1", "unit2"
    assert relative_units(table, pairs, 0.0884).tolist() == [first, None, first, first, second, second, *[None] * 3]
    assert relative_units(table, pairs, 0.05)[6:8].tolist() == ["unit3", "unit3"]
    assert relative_units(table, None, 0.0884).tolist() == [first, None, first, *[None] * 6]
    assert relative_units(people(3), None, 0.0884).tolist() == [None] * 3
    assert relative_units(people(3).assign(genotype_id=None), pairs, 0.0884).tolist() == [None] * 3


def test_a_mixed_sample_does_not_tie_everybody_together():
    """A sample of two people resembles everybody: only the closest pair, which is whom it is mixed with, counts."""
    mixed = [("G0", f"G{i}", 0.1 + 0.01 * i, "mixed_sample") for i in range(1, 9)]
    units = relative_units(people(12), pairs_table(*mixed, ("G9", "G10", 0.4, "same_dna")), 0.0884)
    assert [i for i, unit in enumerate(units) if unit == units[0]] == [0, 8]
    assert units[9] == units[10] == "unit2"
    assert units[11] is None
    doubles = relative_units(people(12), pairs_table(("G9", "G10", 0.4, "same_dna")), 0.5)
    assert doubles[9] == doubles[10] is not None, "the same DNA is kept together at any limit"


def plain_split(labels, rng):
    """The split of a study without relatives, written down once more: each class shuffled, then cut."""
    split = np.zeros(len(labels), np.int8)
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        _, validation, test = part_sizes(len(rows), FRACTIONS)
        split[rows[:validation]] = 1
        split[rows[validation : validation + test]] = 2
    return split


def test_nothing_changes_where_nobody_is_related():
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1], [41, 38]))
    for seed in range(20):
        plain = plain_split(labels, np.random.default_rng(seed))
        nobody = np.full(79, None, object)
        assert np.array_equal(stratified_split(labels, FRACTIONS, np.random.default_rng(seed)), plain)
        assert np.array_equal(stratified_split(labels, FRACTIONS, np.random.default_rng(seed), nobody), plain)
        alone = np.array([f"unit{i}" for i in range(79)], object)  # a unit of one is single
        assert np.array_equal(stratified_split(labels, FRACTIONS, np.random.default_rng(seed), alone), plain)


@pytest.mark.parametrize(
    ("each", "sizes"),
    [
        (171, [2] * 60),
        (171, [30, 12, 8, 5, *[2] * 20]),
        (40, [2] * 40),
        (40, [10, 7, 6, 5, 5, 4, 4, 4, 3, 3, 3, 3, 3, 2, 2, 2]),
        (39, [3] * 26),
    ],
)
def test_relatives_are_never_apart_and_parts_keep_their_sizes(each, sizes):
    """200 random splits: no unit is parted, class sizes are as near to the fractions as can be, everybody is tested."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat([0, 1], each))
    units = families(2 * each, sizes, rng)
    least, tested = smallest_deviation(labels, units), np.zeros(2 * each)
    for seed in range(200 if each < 100 else 60):
        split = stratified_split(labels, FRACTIONS, np.random.default_rng([1, 0, seed]), units)
        parts = pd.Series(split).groupby(units).nunique()
        assert (parts == 1).all()
        assert np.abs(class_sizes(split, labels) - wanted(labels)).sum() <= least
        tested += split == TEST
        assert np.array_equal(split, stratified_split(labels, FRACTIONS, np.random.default_rng([1, 0, seed]), units))
    together = np.array([unit is not None for unit in units])
    rate = tested / (200 if each < 100 else 60)
    share = wanted(labels)[TEST].sum() / (2 * each)
    # Relatives come to be tested about as often as others (units larger than a test part never can).
    assert abs(rate[together].mean() - share) < 0.05
    assert together.all() or abs(rate[~together].mean() - share) < 0.08


def test_balance_beside_scikit_learn():
    """The test part's class shares are nearer to 15 % than with scikit-learn's ways to keep groups together."""
    rng = np.random.default_rng(2)
    labels = rng.permutation(np.repeat([0, 1], 60))
    units = families(120, [*[5] * 4, *[3] * 8, *[2] * 10], rng)
    groups = np.array([unit or f"single{i}" for i, unit in enumerate(units)])
    ours, theirs, shuffled = [], [], []

    def off(test):
        return np.abs(np.bincount(labels[test], minlength=2) / 60 - 0.15).sum()

    for seed in range(30):
        split = stratified_split(labels, FRACTIONS, np.random.default_rng(seed), units)
        ours.append(off(split == TEST))
        folds = StratifiedGroupKFold(7, shuffle=True, random_state=seed)  # the nearest to 15 % that folds can be
        theirs.append(off(next(folds.split(labels, labels, groups))[1]))
        one = GroupShuffleSplit(1, test_size=0.15, random_state=seed)
        shuffled.append(off(next(one.split(labels, labels, groups))[1]))
    assert max(ours) == pytest.approx(0)
    assert np.mean(theirs) > 0
    assert np.mean(shuffled) > 0.05


def test_units_that_leave_no_room():
    labels = np.repeat([0, 1], 20)
    with pytest.raises(InputError, match=r"largest of 39 of the 40 people.*relatives_together: false"):
        stratified_split(labels, FRACTIONS, np.random.default_rng(0), ["unit1"] * 39 + [None])
    # A unit larger than train's share takes a little more than that, and the others get what is left.
    units = ["unit1"] * 17 + [None] * 23
    sizes = class_sizes(stratified_split(labels, FRACTIONS, np.random.default_rng(0), units), labels)
    assert sizes[:, 0].tolist() in ([17, 2, 1], [17, 1, 2])
    assert sizes[:, 1].tolist() == [14, 3, 3]


def test_how_many_people_splits_need():
    assert fewest_people(FRACTIONS) == 4
    for fractions in (FRACTIONS, (0.9, 0.05, 0.05), (0.2, 0.4, 0.4), (0.98, 0.01, 0.01)):
        each = fewest_people(fractions)
        stratified_split(np.repeat([0, 1], each), fractions, np.random.default_rng(0))
        with pytest.raises(InputError, match=f"each group needs {each}"):
            stratified_split(np.repeat([0, 1], [each, each - 1]), fractions, np.random.default_rng(0))
    with pytest.raises(InputError, match="high group has 0 people"):
        stratified_split(np.zeros(30, int), FRACTIONS, np.random.default_rng(0))


def test_permutations_move_units_of_relatives_whole():
    """Under permuted labels relatives are as often in one class as with the true ones: their likeness is kept."""
    rng = np.random.default_rng(3)
    labels = rng.permutation(np.repeat([0, 1], 30)).astype(np.int8)
    units = families(60, [2] * 15, rng)
    place = [np.flatnonzero(units == f"unit{i}") for i in range(15)]
    alike = sum(labels[own].min() == labels[own].max() for own in place)
    for _ in range(30):
        row = labels[permuted_rows(units, [None] * 60, rng)]
        assert sum(row[own].min() == row[own].max() for own in place) == alike
        assert row.sum() == 30


def test_doubtful_samples_are_named():
    table = people(6).assign(group=["low", "high", "low", "low", "high", "high"], family_id=None)
    pairs = pairs_table(("G0", "G1", 0.49, "same_dna"), ("G2", "G3", 0.48, "same_dna"), ("G4", "G5", 0.25, None))
    flags = pd.Series({"G4": "sex_mismatch;same_dna", "G9": "sex_mismatch", "G2": "same_dna"})
    same, sex = cohort_remarks.doubtful_samples(table, pairs, flags)
    assert "1 of 2 across the groups: sub-0 (low) and sub-1 (high), sub-2 (low) and sub-3 (low)" in same
    assert "genotypes of 1 people in the groups" in sex
    assert "sub-4 (high)" in sex
    assert cohort_remarks.doubtful_samples(table, pairs_table(), flags[[]]) == []
    assert relatedness.RELATIONS[0] == cohort_remarks.SAME_DNA


def test_permuted_labels_take_their_place_in_the_splits_with_them():
    """Every part of a permuted replicate has the balance of the true one, and units stay together."""
    rng = np.random.default_rng(4)
    labels = rng.permutation(np.repeat([0, 1], 30)).astype(np.int8)
    units = families(60, [2] * 10 + [3] * 4, rng)
    split = stratified_split(labels, FRACTIONS, rng, units)
    balance = [np.bincount(labels[split == part], minlength=2).tolist() for part in range(3)]
    for _ in range(30):
        rows = permuted_rows(units, [None] * 60, rng)
        parts = split[rows]
        assert [np.bincount(labels[rows][parts == part], minlength=2).tolist() for part in range(3)] == balance
        assert all(len(set(parts[units == unit])) == 1 for unit in set(units) if isinstance(unit, str))
    alone = [np.bincount(labels[permuted_rows(units, [None] * 60, rng)][split == 2], minlength=2)[0] for _ in range(30)]
    assert len(set(alone)) > 1  # labels moved without their places: other balances
