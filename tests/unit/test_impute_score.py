"""impute: masking, scores and VCF text against other implementations."""

import numpy as np
import pandas as pd
import pytest
from impute_fixture import family, sh
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score

from gcamccl.genotype_qc import bed
from gcamccl.impute import score, vcf


@pytest.fixture
def calls():
    rng = np.random.default_rng(1)
    frequency = rng.uniform(0.05, 0.95, 60)
    result = rng.binomial(2, frequency[:, None], (60, 37)).astype(np.int8)
    result[rng.random(result.shape) < 0.1] = -1
    return result


def test_most_frequent_call():
    rows = np.array([[0, 0, 1, -1], [2, 2, -1, 1], [1, 0, -1, -1], [-1, 2, 2, 2], [-1, -1, -1, -1]], np.int8)
    wanted = [[0, 0, 1, 0], [2, 2, 2, 1], [1, 0, 0, 0], [2, 2, 2, 2], [0, 0, 0, 0]]
    assert score.most_frequent(rows).tolist() == wanted
    assert np.isnan(score.mean_dosage(rows)[4])
    assert score.mean_dosage(rows)[:2] == pytest.approx([1 / 3, 5 / 3])


def test_hidden_calls_are_observed_ones_and_depend_on_seed_and_chromosome(calls):
    many = np.tile(calls, (10, 10))
    hidden = score.hide(many, 1, 22)
    assert not (hidden & (many < 0)).any()
    assert hidden.sum() == pytest.approx(score.MASKED_SHARE * (many >= 0).sum(), rel=0.1)
    assert (hidden == score.hide(many, 1, 22)).all()
    large = np.zeros((2000, 1000), np.int8)
    assert score.hide(large, 1, 22).sum() == pytest.approx(score.ENOUGH, rel=0.05)
    for seed, chromosome in ((2, 22), (1, 21)):
        assert (hidden != score.hide(many, seed, chromosome)).any()


@pytest.fixture
def masked():
    """Planted: the program is right in 90 % of the heterozygotes and all others; A1 is common at half of the SNPs."""
    rng = np.random.default_rng(2)
    frequency = rng.choice([0.07, 0.35, 0.8], 4000)
    truth = rng.binomial(2, frequency)
    guess = np.where((truth == 1) & (rng.random(4000) < 0.1), 0, truth)
    table = pd.DataFrame({"source": rng.choice(["panel", "cohort"], 4000), "truth": truth, "guess": guess})
    table["dosage"] = guess + rng.normal(0, 0.1, 4000)
    table["mode"] = np.select([frequency < 0.1, frequency > 0.5], [0, 2], 1)
    return table.assign(mean=2 * frequency)


def test_concordance_is_that_of_others_and_what_was_planted(masked):
    table = score.concordance_table(masked).set_index(["source", "stratum"])
    assert table.loc[("all", "all"), "concordance"] == accuracy_score(masked["truth"], masked["guess"])
    panel = masked[masked["source"] == "panel"]
    assert table.loc[("panel", "all"), "concordance_mode"] == accuracy_score(panel["truth"], panel["mode"])
    assert table.loc[("all", "heterozygous"), "concordance"] == pytest.approx(0.9, abs=0.02)
    assert table.loc[("all", "minor_homozygous"), "concordance"] == 1
    of_bin = masked[masked["mean"] == 1.6]
    assert table.loc[("all", "maf 0.1-0.2"), "n_masked"] == len(of_bin)
    r2 = pd.Series(of_bin["truth"]).corr(of_bin["dosage"]) ** 2
    assert table.loc[("all", "maf 0.1-0.2"), "dosage_r2"] == pytest.approx(r2)
    counts = table["n_masked"]
    assert counts["all", "all"] == counts["panel", "all"] + counts["cohort", "all"] == 4000
    assert counts["all"].filter(like="maf").sum() == 4000
    assert np.isnan(table.loc[("all", "maf 0.1-0.2"), "dosage_r2_mode"])


def test_knowing_frequencies_alone_scores_nothing():
    rng = np.random.default_rng(3)
    mean = 2 * rng.choice([0.1, 0.5, 0.9], 20_000)
    truth = rng.binomial(2, mean / 2)
    guess = mean + rng.normal(0, 0.1, len(mean))
    assert score.dosage_r2(truth, guess, mean) < 0.001
    assert np.corrcoef(truth, guess)[0, 1] ** 2 > 0.4


def test_shrinkage_is_the_least_squares_slope(masked):
    x, y = masked["guess"] - masked["mean"], masked["truth"] - masked["mean"]
    slope = LinearRegression(fit_intercept=False).fit(x.to_frame(), y).coef_[0]
    given = [masked[name].to_numpy(float) for name in ("truth", "guess", "mean")]
    assert score.shrinkage(*given) == pytest.approx(slope)
    assert 0.8 < slope < 1
    assert score.shrinkage(*(values[:50] for values in given)) == 1
    random = [np.random.default_rng(1).permutation(given[0]), given[1], np.full(4000, given[0].mean())]
    assert score.shrinkage(*random) < 0.1


def test_calls_written_are_what_plink_reads_and_back(calls, tmp_path):
    """A1 as alt: PLINK 2 reads the same calls from our VCF as from our .bed."""
    n_snps, n_people = calls.shape
    bim = pd.DataFrame({"chrom": "22", "id": [f"s{i}" for i in range(n_snps)], "cm": 0.0})
    bim = bim.assign(pos=np.arange(n_snps) * 10 + 1, a1="C", a2="A")
    vcf.write_calls(tmp_path / "x.vcf", "22", bim["pos"], bim["a2"], bim["a1"], calls)
    sh("plink2", "--vcf", tmp_path / "x.vcf", "--make-bed", "--out", tmp_path / "theirs")
    assert (bed.read_bed(tmp_path / "theirs", n_people, np.arange(n_snps)) == calls).all()
    sites, copies = vcf.read_calls(tmp_path / "x.vcf", n_people)
    assert (copies == calls).all()
    assert sites["pos"].tolist() == bim["pos"].tolist()
    # And what others write: phased, gzipped, more fields after the call.
    bed.write_fileset(tmp_path / "ours", calls, bim, family([f"p{i}" for i in range(n_people)]))
    sh(
        "plink2",
        "--bfile",
        tmp_path / "ours",
        "--export",
        "vcf",
        "bgz",
        "vcf-dosage=DS-force",
        "--out",
        tmp_path / "theirs",
    )
    assert b":" in vcf.open_vcf(tmp_path / "theirs.vcf.gz").read().splitlines()[-1]
    assert (vcf.read_calls(tmp_path / "theirs.vcf.gz", n_people)[1] == calls).all()


def test_dosages_with_gaps(tmp_path):
    (tmp_path / "d.tsv").write_text("5\tA\t.\t0.5\t.\n6\tC\t1.5\t2\t1e-3\n")
    heads, values = vcf.read_dosages(tmp_path / "d.tsv", 2, 3)
    assert heads == [("5", "A"), ("6", "C")]
    np.testing.assert_array_equal(values, np.array([[np.nan, 0.5, np.nan], [1.5, 2, 1e-3]], np.float32))
