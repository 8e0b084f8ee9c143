"""Strand by frequency: right where it decides, silent where it cannot know, on simulated and on real people."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import SHARED, settings
from scipy.stats import chi2, chi2_contingency

from gcamccl.genotype_qc import array_strand, strand

DATA = SHARED / "genotypes" / "chr20_1kg"


def drawn(rng, p, n):
    """Observed frequency of alleles drawn on n chromosomes."""
    return rng.binomial(n, p) / n


def two_arrays(rng, n_snps, n1, n2, spread=0.0):
    """Observed frequencies on two arrays whose people differ by `spread` (Balding and Nichols' model: beta)."""
    p = rng.uniform(0.05, 0.95, n_snps)
    if spread:
        scale = 2 / spread - 1  # either group's F_ST is spread / 2
        q = [rng.beta(p * scale, (1 - p) * scale) for _ in range(2)]
    else:
        q = [p, p]
    return drawn(rng, q[0], n1), np.full(n_snps, n1), drawn(rng, q[1], n2), np.full(n_snps, n2)


def test_allele_sets():
    code = {name: sum(strand.BITS[letter] for letter in name) for name in ("A", "T", "AG", "CT", "AC", "AT", "CG", "G")}

    def related(one, other):
        return tuple(bool(x) for x in strand.relation(np.array([code[one]]), np.array([code[other]])))

    assert related("AG", "AG") == (True, False)
    assert related("AG", "CT") == (False, True)
    assert related("AG", "AC") == (False, False)
    assert related("AG", "AT") == (False, False)
    assert related("AT", "AT") == related("CG", "CG") == related("A", "AT") == related("A", "T") == (True, True)
    assert related("AG", "T") == (False, True)
    assert related("A", "G") == (False, False)
    assert related("A", "A") == (True, False)


def test_constants_are_those_of_chi_square():
    assert chi2.ppf(0.5, 1) == pytest.approx(strand.CHI2_MEDIAN)
    assert chi2.ppf(0.95, 1) == pytest.approx(strand.CHI2_95)
    assert chi2.sf(strand.GROSS_Z**2, 1) == pytest.approx(5e-8, rel=0.02)


def test_allele_test_equals_scipys():
    rng = np.random.default_rng(0)
    n1, n2 = rng.integers(20, 400, (2, 50))
    copies = rng.binomial(n1, 0.3), rng.binomial(n2, 0.4)
    z = strand.allele_z(copies[0], n1, copies[1], n2)
    for row in range(50):
        table = [[c[row], n[row] - c[row]] for c, n in zip(copies, (n1, n2), strict=True)]
        assert z[row] ** 2 == pytest.approx(chi2_contingency(table, correction=False)[0])


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.05])
def test_spread_between_people_is_found(spread):
    found = strand.estimate_spread(*two_arrays(np.random.default_rng(1), 20_000, 400, 200, spread))
    assert found == pytest.approx(spread, abs=0.1 * spread + 0.0005)
    few = strand.estimate_spread(*two_arrays(np.random.default_rng(1), 40, 400, 200))
    assert few == strand.DEFAULT_SPREAD


@pytest.mark.parametrize(("n1", "n2", "spread"), [(600, 400, 0.0), (100, 60, 0.0), (600, 400, 0.01), (400, 400, 0.05)])
def test_planted_strands(n1, n2, spread):
    """Nearly all that are not near a half are told, and at most 1 in 1,000 wrongly."""
    rng = np.random.default_rng(2)
    p1, n1, p2, n2 = two_arrays(rng, 20_000, n1, n2, spread)
    known = strand.estimate_spread(p1, n1, p2, n2)
    flipped = rng.random(len(p1)) < 0.4
    found = strand.decide(p1, n1, np.where(flipped, 1 - p2, p2), n2, known, max_maf=0.4)
    told = found >= 0
    assert (found[told] == flipped[told]).mean() > 1 - strand.MAX_WRONG
    rare = np.minimum(p1, 1 - p1) < 0.2
    assert told[rare].mean() > (0.97 if n1[0] > 100 and spread < 0.05 else 0.8)
    middle = np.minimum(p1, 1 - p1) > 0.4
    assert not told[middle].any()
    assert middle.sum() > 1000


def test_what_fits_neither_strand_or_has_no_calls_is_left_open():
    p1, p2 = np.array([0.02, np.nan, 0.1, 0.1]), np.array([0.35, 0.3, np.nan, 0.1])
    n1, n2 = np.array([400, 0, 400, 400]), np.array([400, 400, 0, 400])
    assert strand.decide(p1, n1, p2, n2, 0.0, 0.4).tolist() == [-1, -1, -1, 0]


def test_the_arrays_convention_counts_only_if_the_ambiguous_snps_keep_it():
    same, mixed = np.zeros(300, np.int8), np.repeat([0, 1, -1], 100).astype(np.int8)
    assert strand.convention(0, 10_000, same) == strand.PRIOR_LIMIT
    assert strand.convention(10_000, 10_000, 1 - same) == 1 - strand.PRIOR_LIMIT
    # All others were put on one strand with --flip: their letters cannot speak for these.
    assert strand.convention(0, 10_000, mixed) == strand.NO_CONVENTION
    assert strand.convention(4_000, 10_000, same) == strand.NO_CONVENTION
    assert strand.convention(0, 10, same) == strand.NO_CONVENTION
    assert strand.convention(0, 10_000, np.full(9, -1)) == strand.NO_CONVENTION
    # 20 people: 0.3 and 0.4 leave it open, the convention tells; a clear frequency against it leaves it open.
    weak = (np.array([0.3, 0.05]), np.array([40, 400]), np.array([0.4, 0.95]), np.array([40, 400]), 0.0, 0.4)
    assert strand.decide(*weak).tolist() == [-1, 1]
    assert strand.decide(*weak, 1e-3)[0] == 0
    assert strand.decide(*weak, 1e-6).tolist() == [0, -1]


def test_frequencies_that_are_no_guide_decide_nothing():
    """Arrays of unlike people, whose frequencies tell the wrong strand of SNPs that letters tell."""
    rng = np.random.default_rng(5)
    n = 2000
    bits = np.array([strand.BITS["A"]] * n), np.array([strand.BITS["G"]] * n)
    bits[1][:200] = strand.BITS["T"]
    unclear = np.arange(n) < 200
    p1 = rng.uniform(0.05, 0.3, n)
    p2 = p1 + rng.normal(0, 0.01, n)
    odd = rng.choice(np.arange(200, n), 60, replace=False)
    first, other = (
        pd.DataFrame({"bits1": bits[0], "bits2": bits[1], "frequency": p, "n": 500}) for p in (p1, p2.clip(0.01))
    )
    letter = array_strand.counted_allele(bits[0] | bits[1])
    tell = np.where(unclear, -1, 0).astype(np.int8)
    arguments = (letter, tell, unclear, settings("genotype_qc"), ("one", "two"))
    good = array_strand.other_array(other, first, *arguments)
    assert good.undecided.sum() == 0
    assert not good.flip.any()
    assert "200 are on the same strand" in good.lines[-1]
    other.loc[odd, "frequency"] = 1 - other.loc[odd, "frequency"]
    bad = array_strand.other_array(other, first, *arguments)
    assert (bad.undecided == unclear).all()
    assert any(line.startswith("WARNING two: frequencies tell the wrong strand of 60 of") for line in bad.lines)
    assert bad.evidence["rule_wrong"] == 60
    assert bad.differs.sum() == 60


@pytest.mark.skipif(not DATA.exists(), reason=f"needs the 1000 Genomes test data in {DATA}")
def test_real_people_of_several_populations():
    """300 and 203 people of 1000 Genomes as two arrays, a quarter of all SNPs read on the other strand."""
    frequencies = []
    for name in ("reference.vcf.gz", "unphased.vcf.gz"):
        query = ["bcftools", "query", "-r", "20:1000000-2000000", "-f", "%POS:%REF:%ALT[\\t%GT]\\n", str(DATA / name)]
        lines = subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()
        calls = pd.DataFrame([line.replace("/", "|").split("\t") for line in lines]).set_index(0)
        known = calls != ".|."
        copies = calls.apply(lambda column: column.str.count("1")).where(known, 0)
        n = 2 * known.sum(axis=1)
        frequencies.append(pd.DataFrame({"p": copies.sum(axis=1) / n, "n": n}))
    one, two = frequencies
    one, two = one.loc[one.index.intersection(two.index)], two.loc[one.index.intersection(two.index)]
    common = (
        (one["p"].clip(upper=1 - one["p"]) > 0.01).to_numpy() & (one["n"] > 0).to_numpy() & (two["n"] > 0).to_numpy()
    )
    p1, n1, p2, n2 = (values.to_numpy()[common] for values in (one["p"], one["n"], two["p"], two["n"]))
    assert len(p1) > 2000
    flipped = np.random.default_rng(0).random(len(p1)) < 0.25
    spread = strand.estimate_spread(p1, n1, p2, n2)
    found = strand.decide(p1, n1, np.where(flipped, 1 - p2, p2), n2, spread, 0.4)
    assert (found[found >= 0] == flipped[found >= 0]).all()
    assert (found >= 0).mean() > 0.8
    assert not strand.gross(p1, n1, p2, n2, spread, 0.2).any()
    # A probe that measures another SNP.
    wrong = strand.gross(p1, n1, np.roll(p2, 501), n2, spread, 0.2)
    assert wrong.mean() > 0.3
