"""Matched draws of loci: by hand, where long genes are selected more easily, planted truth; low against high."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gcamccl.enrichment.difference import difference_table
from gcamccl.enrichment.gmt import GeneSet
from gcamccl.enrichment.matched import STRATUM, draw, locus_groups, matched_p, strata
from gcamccl.enrichment.overrepresentation import overrepresentation


def study(rng, n_genes=200):
    """Loci of genes, long ones with more of them, and a set of the longest genes beside random sets."""
    length = np.sort(rng.lognormal(10, 1.5, n_genes))
    n_loci = 1 + rng.poisson(length / length.mean() * 3)
    names = [f"G{i}" for i in range(n_genes)]
    rows = [(f"{gene}_{k}", gene) for gene, count in zip(names, n_loci, strict=True) for k in range(count)]
    snp_gene = pd.DataFrame(rows, columns=["snp_id", "gene"])
    sets = [GeneSet("s", "long", frozenset(names[-40:]))]
    sets += [GeneSet("s", f"set{i}", frozenset(rng.choice(names, 30, replace=False))) for i in range(5)]
    return snp_gene, dict(zip(names, length, strict=True)), sets


def test_locus_groups_by_hand():
    pairs = [("rs1", "B"), ("rs1", "A"), ("rs2", "A"), ("rs2", "B"), ("rs3", "B"), ("rs4", "C")]
    groups, of_snp = locus_groups(pd.DataFrame(pairs, columns=["snp_id", "gene"]), {"A": 10.0, "B": 30.0, "C": 5.0})
    of_snp = {snp: groups.loc[number, "genes"] for snp, number in of_snp.items()}
    assert of_snp == {"rs1": ("A", "B"), "rs2": ("A", "B"), "rs3": ("B",), "rs4": ("C",)}
    assert sorted(groups.itertuples(index=False, name=None)) == [
        (("A", "B"), 2, 30.0),
        (("B",), 1, 30.0),
        (("C",), 1, 5.0),
    ]


def test_draws_keep_how_many_of_each_stratum_are_selected():
    rng = np.random.default_rng(1)
    snp_gene, lengths, _ = study(rng)
    groups, _ = locus_groups(snp_gene, lengths)
    parts = strata(groups)
    assert sorted(np.concatenate(parts)) == list(range(len(groups)))
    assert all(len(part) >= STRATUM for part in parts)
    spans = [(groups.loc[part, "n_loci"].min(), groups.loc[part, "n_loci"].max()) for part in parts]
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[rng.choice(len(groups), 80, replace=False)] = True
    drawn = [draw(chosen, parts, rng) for _ in range(300)]
    for part in parts:
        assert {int(np.isin(one, part).sum()) for one in drawn} == {int(chosen[part].sum())}
    times = np.bincount(np.concatenate(drawn), minlength=len(groups)) / 300
    for part in parts:
        assert np.abs(times[part] - chosen[part].mean()).max() < 0.15, "each as likely as the other"
    few = strata(groups.iloc[:3])
    assert draw(np.ones(3, bool), few, rng).tolist() == [0, 1, 2]


def test_p_is_that_of_counting_draws_one_by_one():
    rng = np.random.default_rng(2)
    snp_gene, lengths, sets = study(rng, 60)
    selected = snp_gene["snp_id"].sample(15, random_state=1).tolist()
    found = matched_p(selected, snp_gene, lengths, sets, 130, 7)
    groups, of_snp = locus_groups(snp_gene, lengths)
    chosen, parts, again = np.zeros(len(groups), bool), strata(groups), np.random.default_rng(7)
    chosen[[of_snp[snp] for snp in selected]] = True
    counts = []
    for _ in range(130):
        genes = {gene for group in draw(chosen, parts, again) for gene in groups.loc[group, "genes"]}
        counts.append([len(genes & one.genes) for one in sets])
    own = snp_gene.loc[snp_gene["snp_id"].isin(selected), "gene"]
    contained = np.array([len(set(own) & one.genes) for one in sets])
    assert found["contained"].tolist() == contained.tolist()
    np.testing.assert_allclose(found["expected_matched"], np.mean(counts, axis=0))
    np.testing.assert_allclose(found["p_matched"], (1 + (np.array(counts) >= contained).sum(axis=0)) / 131)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.65])
def test_long_genes_are_enriched_by_the_plain_test_and_not_by_the_matched_one(share):
    rng = np.random.default_rng(3)
    plain, own = [], []
    for _ in range(30):
        snp_gene, lengths, sets = study(rng)
        # Any SNP is as likely: long genes are not.
        selected = rng.choice(snp_gene["snp_id"], round(share * len(snp_gene)), replace=False)
        genes = set(snp_gene.loc[snp_gene["snp_id"].isin(selected), "gene"])
        plain.append(overrepresentation(genes, sets, set(lengths))["p"][0])
        own.append(matched_p(selected, snp_gene, lengths, sets, 99, 1)["p_matched"][0])
    assert np.mean(np.array(plain) < 0.05) > 0.5
    assert np.sum(np.array(own) <= 0.05) <= 4, "the upper 2 % of 30 at a rate of 5 %"


def test_planted_set_is_found_by_matched_draws():
    rng = np.random.default_rng(4)
    snp_gene, lengths, sets = study(rng)
    planted = snp_gene[snp_gene["gene"].isin(sets[1].genes)].drop_duplicates("gene")["snp_id"].tolist()[:12]
    other = snp_gene[~snp_gene["gene"].isin(sets[1].genes)]["snp_id"].sample(8, random_state=0).tolist()
    found = matched_p(planted + other, snp_gene, lengths, sets, 200, 1)
    assert found["p_matched"][1] == pytest.approx(1 / 201)
    assert (found["p_matched"][[0, 2, 3, 4, 5]] > 0.01).all()


# --- low against high -------------------------------------------------------------------------------------------------


def test_difference_equals_fisher_on_genes_of_one_group_alone():
    rng = np.random.default_rng(5)
    names = [f"G{i}" for i in range(120)]
    sets = [GeneSet("s", f"set{i}", frozenset(rng.choice(names, 20, replace=False))) for i in range(15)]
    sets += [GeneSet("s", "tiny", frozenset({"G1"})), GeneSet("s", "nobody", frozenset({"X", "Y", "Z"}))]
    both = set(names[:5])
    low, high = both | set(names[5:30]) | {"NO_SET"}, both | set(sets[0].genes) | set(names[90:100])
    table = difference_table(low, high, sets, min_size=2)
    known = set().union(*(one.genes for one in sets))
    own_low, own_high = (low - high) & known, (high - low) & known
    p = {}
    for one in sets[:15]:
        a, b = len(one.genes & own_high), len(one.genes & own_low)
        p[one.name] = stats.fisher_exact([[a, len(own_high) - a], [b, len(own_low) - b]]).pvalue
        row = table.set_index("gene_set").loc[one.name]
        assert (row["contained_high"], row["contained_low"]) == (a, b)
        assert row["p"] == pytest.approx(p[one.name], rel=1e-12)
        assert row["genes_low"] == ",".join(sorted(one.genes & own_low))
    q = stats.false_discovery_control([*p.values(), 1.0])  # "nobody" is tested too, "tiny" is too small
    assert dict(zip(table["gene_set"], table["q"], strict=True)) == pytest.approx(dict(zip(p, q[:-1], strict=True)))
    assert table["gene_set"][0] == "set0" and table["odds_ratio"][0] > 1
    assert "tiny" not in set(table["gene_set"]) and "nobody" not in set(table["gene_set"])


def test_nothing_to_compare():
    sets = [GeneSet("s", "a", frozenset({"A", "B"}))]
    for low, high in (({"A"}, {"A"}), (set(), {"A"}), ({"X"}, {"A"}), ({"A"}, set())):
        assert difference_table(low, high, sets).empty
    assert difference_table({"A"}, {"B"}, []).empty
