"""Simulated relatives, X and Y, faults of people: planted as the truth says."""

import numpy as np
import pytest
from genetics_fixture import make_people

from gcamccl.genotype_qc import bed
from gcamccl.simulate import arrays, relatives


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_people(tmp_path_factory.mktemp("people"))


def pair_of(study, kind):
    return next(pair for pair in study.pairs if pair.kind == kind)


def test_pairs_are_disjoint_and_of_one_population(study):
    people = [person for pair in study.pairs for person in (pair.one, pair.other)]
    assert len(people) == len(set(people)) == 2 * len(relatives.PLAN)
    assert len(study.people) - 1 not in people
    for pair in study.pairs:
        assert study.populations[pair.one] == study.populations[pair.other]
    assert [pair.kind for pair in relatives.choose_pairs(np.zeros(30), np.random.default_rng(0))] == [
        *("parent and child", "full siblings")
    ]


def test_transmission_is_mendelian():
    """Every haplotype has a value of its own, so that a gamete shows whose it is and where it crossed."""
    rng = np.random.default_rng(0)
    chrom, pos = np.repeat([1, 2], 2000), np.tile(np.linspace(1, 200_000_000, 2000), 2).astype(int)
    haplotypes = np.tile(np.arange(8, dtype=np.int8), (4000, 1))
    pairs = [relatives.Pair("parent and child", 0, 1, "f"), relatives.Pair("full siblings", 2, 3, None)]
    shared, crossovers = [], []
    for _ in range(60):
        result = relatives.transmit(haplotypes, chrom, pos, pairs, rng)
        assert (result[:, [0, 1, 3]] == haplotypes[:, [0, 1, 3]]).all()
        assert set(np.unique(result[:, 2])) == {0, 1}
        for person in (2, 3):
            assert set(np.unique(result[:, 2 * person])) <= {4, 5}
            assert set(np.unique(result[:, 2 * person + 1])) <= {6, 7}
        same = (result[:, 4] == result[:, 6]).astype(int) + (result[:, 5] == result[:, 7])
        shared.append([(same == n).mean() for n in range(3)])
        crossovers.append(sum((np.diff(result[chrom == c, 2]) != 0).sum() for c in (1, 2)))
    # Full siblings: identical by descent 0, 1, 2 with 1/4, 1/2, 1/4; 2 chromosomes of 2 Morgan: 4 crossovers a gamete.
    assert np.mean(shared, axis=0) == pytest.approx([0.25, 0.5, 0.25], abs=0.08)
    assert np.mean(crossovers) == pytest.approx(4, abs=0.8)
    assert (haplotypes == np.arange(8)).all()


def test_relatives_share_what_they_should_on_the_arrays(study):
    copies = study.background.copies[study.background.variants["chrom"] < 23]
    parent = pair_of(study, "parent and child")
    assert not (np.abs(copies[:, parent.one] - copies[:, parent.other]) == 2).any()
    same = pair_of(study, "same DNA")
    assert (study.background.copies[:, same.one] == study.background.copies[:, same.other]).all()
    siblings = pair_of(study, "full siblings")
    opposite = (np.abs(copies[:, siblings.one] - copies[:, siblings.other]) == 2).mean()
    strangers = pair_of(study, "strangers")
    assert 0 < opposite < 0.5 * (np.abs(copies[:, strangers.one] - copies[:, strangers.other]) == 2).mean()
    where = study.faults["arrays"].groupby("genotype_id")["array"].agg(set)
    assert not where[study.people[same.one]] & where[study.people[same.other]]


def test_people_apart_stay_apart_whatever_the_draw():
    for seed in range(30):
        pairs = [(0, 1), (2, 3)]
        groups = arrays._people_of_arrays(40, np.random.default_rng(seed), pairs)
        assert sorted(np.concatenate(groups)) == list(range(40))
        assert [len(group) for group in groups] == [20, 10, 10]
        assert not any(one in group and other in group for group in groups for one, other in pairs)
        plain = arrays._people_of_arrays(40, np.random.default_rng(seed))
        assert len(set(np.concatenate(plain)[:20]) ^ set(groups[0])) <= 4


def test_x_and_y_follow_the_true_sex(study):
    male = study.table["sex"].to_numpy() == "M"
    for name in study.faults["people"].query("fault == 'wrong_sex'")["genotype_id"]:
        row = study.people.index(name)
        male[row] = ~male[row]
    chrom = study.background.variants["chrom"].to_numpy()
    x, y = study.background.copies[chrom == 23], study.background.copies[chrom == 24]
    assert not (x[:, male] == 1).any()
    assert (x[:, ~male] == 1).mean() > 0.2
    assert (y[:, ~male] == -1).all()
    assert (y[:, male] >= 0).all()
    assert study.background.variants.loc[chrom == 23, "pos"].between(2_699_521, 154_931_043).all()
    fam = bed.read_fam(study.genotypes[0]).set_index("iid")["sex"].map({"1": "M", "2": "F"})
    table = study.table.set_index("genotype_id")["sex"]
    differs = set(fam.index[fam != table[fam.index]])
    assert differs == set(study.faults["people"].query("fault == 'wrong_fam_sex'")["genotype_id"]) & set(fam.index)
