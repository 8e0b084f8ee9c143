"""Groups, splits, permuted labels, and that nobody is lost without a reason."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from cohort_fixture import LOCI, ROIS, SETTINGS, study

from gcamccl.cohort import (
    COHORT_COLUMNS,
    MIDDLE,
    TEST,
    TRAIN,
    VALIDATION,
    availability,
    join,
    permuted_rows,
    stratified_split,
    tails,
)
from gcamccl.cohort_files import (
    input_files,
    read_cohort,
    require_views,
    summary,
    write_cohort,
)
from gcamccl.cohort_remarks import remarks
from gcamccl.workflow.errors import InputError


def test_tails_are_the_extremes_and_ties_go_by_name():
    scores = np.array([5.0, 1, 1, 1, 9, 9, 9, 4, 6, 5])
    names = [f"p{number}" for number in (9, 3, 1, 2, 7, 8, 6, 5, 4, 0)]
    group = tails(scores, names, 0.2)
    assert [names[row] for row in np.flatnonzero(group == 0)] == ["p1", "p2"]  # of p1, p2, p3 with score 1
    assert sorted(names[row] for row in np.flatnonzero(group == 1)) == ["p7", "p8"]  # of p6, p7, p8 with score 9
    order = np.random.default_rng(0).permutation(10)
    assert np.array_equal(tails(scores[order], [names[row] for row in order], 0.2), group[order])
    assert (tails(np.arange(854.0), [f"{n:04d}" for n in range(854)], 0.2) == 0).sum() == 170
    assert (tails(np.arange(7.0), list("abcdefg"), 0.5) >= 0).sum() == 6  # an odd one out stays in the middle


def test_tails_that_cannot_be():
    with pytest.raises(InputError, match="empty group"):
        tails(np.arange(4.0), list("abcd"), 0.2)
    with pytest.raises(InputError, match="share the score 7"):
        tails(np.full(10, 7.0), list("abcdefghij"), 0.2)


@pytest.mark.parametrize(("low", "high"), [(40, 40), (170, 170), (13, 31)])
def test_splits_are_stratified(low, high):
    labels = np.repeat([0, 1], [low, high])
    split = stratified_split(labels, (0.7, 0.15, 0.15), np.random.default_rng(1))
    for label, size in ((0, low), (1, high)):
        counts = np.bincount(split[labels == label], minlength=3)
        assert counts[VALIDATION] == counts[TEST] == np.floor(0.15 * size + 0.5)
        assert counts.sum() == size
        assert counts[TRAIN] == size - 2 * counts[TEST]


def test_too_few_people_to_split():
    with pytest.raises(InputError, match=r"high group has 3 people, too few.*each group needs 4"):
        stratified_split(np.repeat([0, 1], [40, 3]), (0.7, 0.15, 0.15), np.random.default_rng(0))


def test_permutations_are_permutations():
    labels, nobody = np.repeat([0, 1], 30).astype(np.int8), [None] * 60
    rows = [labels[permuted_rows(nobody, nobody, np.random.default_rng(seed))] for seed in range(400)]
    assert all(row.sum() == 30 and len(row) == 60 for row in rows)
    assert len({row.tobytes() for row in rows}) == 400
    # Every position is as often high as a fair permutation makes it: 200 +- 10 of 400, here within 4 SD.
    assert np.abs(np.sum(rows, axis=0) - 200).max() < 40


def test_permutations_stay_within_sites_and_move_families_whole():
    rng = np.random.default_rng(0)
    site = ["a"] * 20 + ["b"] * 20
    family = [f"f{row // 2}" if row < 12 else None for row in range(40)]
    labels = np.r_[np.zeros(14), np.ones(26)].astype(np.int8)
    labels[[0, 1]] = 1  # a family of two highs
    pairs = sorted(tuple(sorted(labels[[row, row + 1]])) for row in range(0, 12, 2))
    moved = 0
    for _ in range(50):
        row = labels[permuted_rows(family, site, rng)]
        assert row[:20].sum() == labels[:20].sum()
        assert row[20:].sum() == labels[20:].sum()
        assert sorted(tuple(sorted(row[[i, i + 1]])) for i in range(0, 12, 2)) == pairs
        moved += row[0] != labels[0]
    assert moved > 10


def test_join_aligns_everything():
    participants, connectivity, loci = study()
    cohort = join(participants, connectivity, loci, SETTINGS)
    assert len(cohort.table) == 40
    assert tuple(cohort.table.columns) == COHORT_COLUMNS
    for row, person in cohort.table.iterrows():
        assert np.array_equal(cohort.fc[row], connectivity[1][connectivity[0].index(person["participant_id"])])
        assert np.array_equal(cohort.dosage[row], loci[1][loci[0].index(person["genotype_id"])])
        assert person["mean_fd_mm"] == connectivity[2].loc[person["participant_id"], "mean_fd_mm"]
        assert person["pc1"] == loci[2].loc[person["genotype_id"], "pc1"]
    assert cohort.table["pc2"].isna().all()  # known of nobody
    assert list(cohort.labels[0]) == [("low", "high").index(group) for group in cohort.table["group"]]
    low, high = (cohort.table.loc[cohort.table["group"] == group, "score"] for group in ("low", "high"))
    middle = cohort.people.loc[cohort.people["group"] == "middle", "score"]
    assert low.max() <= middle.min()
    assert middle.max() <= high.min()
    assert cohort.splits.shape == (3, 40)
    assert cohort.labels.shape == (5, 40)
    assert cohort.splits.dtype == cohort.labels.dtype == np.int8
    assert cohort.fc.dtype == cohort.dosage.dtype == np.float32
    assert all(not np.array_equal(a, b) for a, b in pairwise(cohort.splits))


def test_more_splits_and_permutations_keep_the_first_ones():
    few = join(*study(), SETTINGS)
    many = join(*study(), {**SETTINGS, "splits": 5, "permutations": 7})
    assert np.array_equal(many.splits[:3], few.splits)
    assert np.array_equal(many.labels[:5], few.labels)
    other = join(*study(), {**SETTINGS, "seed": 2})
    assert not np.array_equal(other.splits, few.splits)


def test_everybody_is_accounted_for():
    participants, (names, fc, quality), (samples, dosage, components) = study()
    participants[0]["score"] = None
    participants[1]["score"] = float("nan")
    participants[2]["genotype_id"] = None
    keep = [row for row, name in enumerate(names) if name not in ("sub-003", "sub-004")]
    have = [row for row, name in enumerate(samples) if name not in ("G004", "G005")]
    cohort = join(
        participants,
        ([names[row] for row in keep], fc[keep], quality),
        ([samples[row] for row in have], dosage[have], components),
        SETTINGS,
        excluded={"sub-003": "max_translation_mm"},
        dropped={"G005": "missing calls: 0.2"},
    )
    people = cohort.people.set_index("participant_id")
    assert len(people) == len(participants)
    assert people.loc["sub-000", "reason"] == people.loc["sub-001", "reason"] == "no score"
    assert people.loc["sub-002", "reason"] == "no genotypes: no genotype_id"
    assert people.loc["sub-003", "reason"] == "no connectivity: max_translation_mm"
    assert people.loc["sub-004", "reason"].startswith("no connectivity: no scan; no genotypes: not among")
    assert people.loc["sub-005", "reason"] == "no genotypes: missing calls: 0.2"
    assert people["group"].isna().sum() == 6
    in_cohort = people["group"].isin(["low", "high"])
    assert in_cohort.sum() == len(cohort.table) == 2 * int(0.2 * 94)
    assert people.loc[in_cohort, "reason"].isna().all()
    assert (people.loc[people["group"] == "middle", "reason"] == MIDDLE).all()
    counts = summary(cohort.people)
    assert sum(counts.values()) == len(participants)
    assert counts["no score"] == 2


def test_ids_that_cannot_be():
    participants, (names, _, _), (samples, _, _) = study(10)
    with pytest.raises(InputError, match="ghost is not in the participants table"):
        availability(participants, ["ghost"], samples)
    with pytest.raises(InputError, match="no participant_id matches connectivity"):
        availability(participants, [], samples)
    with pytest.raises(InputError, match=r"here e\.g\. G000, G001, G002, there e\.g\. 0_G003, 0_.*column genotype_id"):
        availability(participants, names, [f"0_{name}" for name in samples])
    with pytest.raises(
        InputError, match=r"nobody has both.*e\.g\. sub-000 \(G000\), genotypes e\.g\. sub-003 \(G003\)"
    ):
        availability(participants, names[:1], samples[:1])
    participants[3]["genotype_id"] = "G000"
    with pytest.raises(InputError, match="sub-000 and sub-003 share genotype_id G000"):
        availability(participants, names, samples)


def test_a_family_of_a_unique_size_is_permuted_within():
    """Siblings of one site exchange their labels also where no other family could exchange with theirs."""
    labels = np.array([0, 1, 1, 0, 1, 0], np.int8)
    family = ["a", "a", "a", "b", "b", None]
    seen = {
        tuple(labels[permuted_rows(family, [None] * 6, np.random.default_rng(seed))].tolist()) for seed in range(200)
    }
    assert len(seen) == 6  # 3 places of the low one among a's three, 2 among b's two
    assert all(row[5] == 0 and sum(row[:3]) == 2 and sum(row[3:5]) == 1 for row in seen)


def kin(*pairs):
    """A relatedness.tsv of pairs of numbers."""
    rows = [(f"G{a:03d}", f"G{b:03d}", 0.25, "full siblings", None) for a, b in pairs]
    return pd.DataFrame(rows, columns=["genotype_id_1", "genotype_id_2", "kinship", "relation", "flag"])


def test_relatives_of_the_cohort_stay_together():
    participants, connectivity, loci = study()
    plain = join(participants, connectivity, loci, {**SETTINGS, "splits": 40})
    assert plain.table["relatives"].isna().all()
    rows = plain.people.index[plain.people["group"].isin(["low", "high"])].tolist()
    for row in rows[:3]:
        participants[row]["family_id"] = "f1"
    middle = plain.people.index[plain.people["group"] == "middle"][0]
    participants[middle]["family_id"] = "f2"  # a relative in no group ties nobody
    participants[rows[9]]["family_id"] = "f2"
    pairs = kin((rows[2], rows[5]), (rows[7], rows[8]), (rows[9], middle))
    cohort = join(participants, connectivity, loci, {**SETTINGS, "splits": 40}, pairs=pairs)
    unit = cohort.table["relatives"]
    assert [list(own) for own in unit.groupby(unit).indices.values()] == [[0, 1, 2, 5], [7, 8]]
    for split in cohort.splits:
        assert len(set(split[[0, 1, 2, 5]])) == len(set(split[[7, 8]])) == 1
    counts = [np.bincount(split, minlength=3).tolist() for split in cohort.splits]
    assert counts == [[28, 6, 6]] * 40
    # Off: as if there were no relatives, but for the families of the label permutations.
    off = join(participants, connectivity, loci, {**SETTINGS, "splits": 40, "relatives_together": False}, pairs=pairs)
    assert np.array_equal(off.splits, plain.splits)
    assert off.table["relatives"].isna().all()
    labels = off.labels[:, [0, 1, 2]]
    assert not np.array_equal(off.labels, cohort.labels)
    assert (np.sort(labels[1:], axis=1) == np.sort(labels[0])).all(), "the only family of three keeps its labels"
    assert "6 people in 2 units of relatives" in " ".join(remarks(cohort, pairs))


def test_relatives_that_are_never_tested_are_told():
    participants, connectivity, loci = study()
    rows = join(participants, connectivity, loci, SETTINGS).people.query("group == 'low'").index
    for row in rows[:9]:
        participants[row]["family_id"] = "f"
    cohort = join(participants, connectivity, loci, SETTINGS)
    assert any(line.startswith("9 people are never tested") for line in remarks(cohort))


def test_fewer_people_than_the_splits_need():
    with pytest.raises(InputError, match=r"19 of 19 people.*3 come into each group; splits of .* need 4, that is 20"):
        join(*study(19), SETTINGS)
    with pytest.raises(InputError, match=r"halves need 6 people of each group, one has 4; .* set cohort.halvings: 0"):
        join(*study(20), SETTINGS)
    assert len(join(*study(20), {**SETTINGS, "halvings": 0}).table) == 8
    participants, connectivity, loci = study(40)
    for row in participants:
        row["score"] = None
    with pytest.raises(InputError, match="0 of 40 people have score"):
        join(participants, connectivity, loci, SETTINGS)


@pytest.mark.parametrize("view", ["connectivity", "snps"])
def test_a_study_with_one_modality(tmp_path, view):
    participants, connectivity, loci = study()
    if view == "connectivity":
        participants = [{**row, "genotype_id": None} for row in participants]
        cohort = join(participants, connectivity, None, SETTINGS)
    else:
        cohort = join(participants, None, loci, SETTINGS)
    both = join(*study(), SETTINGS)
    assert list(cohort.table["participant_id"]) == list(both.table["participant_id"])
    assert np.array_equal(cohort.splits, both.splits)
    assert np.array_equal(cohort.halvings, both.halvings)
    assert tuple(cohort.table.columns) == COHORT_COLUMNS
    assert cohort.table["pc1" if view == "connectivity" else "mean_fd_mm"].isna().all()
    assert cohort.table["mean_fd_mm" if view == "connectivity" else "pc1"].notna().all()
    assert not cohort.people["has_genotypes" if view == "connectivity" else "has_connectivity"].any()
    assert cohort.people["reason"].dropna().eq(MIDDLE).all()
    write_cohort(cohort, lambda name: tmp_path / name)
    again = read_cohort(tmp_path)
    names = [path.name for path in input_files(tmp_path)]
    array = "fc.npy" if view == "connectivity" else "dosage.npy"
    assert names == ["cohort.tsv", array, "splits.npy", "labels.npy", "permutations.npy"]
    assert (again.n_rois, again.n_loci) == ((ROIS, None) if view == "connectivity" else (None, LOCI))
    require_views(again, [view])
    other = "snps" if view == "connectivity" else "connectivity"
    with pytest.raises(InputError, match=rf"train\.views: names {other}, which this cohort lacks; it has {view}"):
        require_views(again, ["connectivity", "snps"])
    for path in input_files(tmp_path)[1:2]:
        path.unlink()
    with pytest.raises(InputError, match=r"neither fc\.npy nor dosage\.npy"):
        read_cohort(tmp_path)


def test_missing_connections_are_allowed_and_told():
    participants, (names, fc, quality), loci = study()
    assert remarks(join(participants, (names, fc, quality), loci, SETTINGS)) == []
    fc[:, 2, :] = fc[:, :, 2] = np.nan
    cohort = join(participants, (names, fc, quality), loci, SETTINGS)
    assert np.isnan(cohort.fc).any()
    assert remarks(cohort)[0].startswith("40 people lack connections, 33.33% of all")
