"""impute: only missing calls are written, and better than by each SNP's most frequent call."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import CHROMOSOMES, SHARED, make, quiet, settings

from gcamccl import impute
from gcamccl.genotype_qc import bed
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

CHROM = CHROMOSOMES[0]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A simulated study; 3 % of the calls of its array SNPs on one chromosome are hidden (`cohort`)."""
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def cohort(study):
    """(true calls, calls with 3 % missing, bim, fam); A1 is alt at every other SNP; some are turned."""
    rng = np.random.default_rng(2)
    variants = study.genome.variants
    rows = np.flatnonzero(variants["core"] & (variants["chrom"] == CHROM))
    table = variants.iloc[rows].reset_index(drop=True)
    alt_first = np.arange(len(rows)) % 2 == 0
    bim = pd.DataFrame({"chrom": str(CHROM), "id": table["id"], "cm": 0.0, "pos": table["pos"]})
    bim["a1"] = np.where(alt_first, table["alt"], table["ref"])
    bim["a2"] = np.where(alt_first, table["ref"], table["alt"])
    clear = ~(table["ref"] + table["alt"]).isin(["AT", "TA", "CG", "GC"]).to_numpy()
    turned = clear & (np.arange(len(rows)) % 5 == 0)
    for column in ("a1", "a2"):
        bim[column] = np.where(turned, bim[column].str.translate(impute.FLIP), bim[column])
    copies = study.genome.dosage[:, rows].T
    truth = np.where(alt_first[:, None], copies, 2 - copies).astype(np.int8)
    calls = np.where(rng.random(truth.shape) < 0.03, -1, truth).astype(np.int8)
    fam = pd.DataFrame({"fid": study.people, "iid": study.people, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
    return truth, calls, bim, fam


def panel_of(study, chrom=CHROM):
    return impute.read_panel(study.folder / "reference" / f"panel.chr{chrom}.vcf.gz", chrom)


def map_of(study, chrom=CHROM):
    return study.folder / "reference" / f"map.chr{chrom}.map"


@pytest.fixture(scope="module")
def filled(study, cohort, tmp_path_factory):
    _, calls, bim, fam = cohort
    folder = tmp_path_factory.mktemp("beagle")
    more = {"panel": panel_of(study), "genetic_map": map_of(study), "say": quiet}
    return impute.impute(calls, bim, fam, settings("impute"), folder, **more)


def concordance(calls, cohort):
    truth, observed, _, _ = cohort
    return (calls == truth)[observed < 0].mean()


def test_observed_calls_stay_and_none_is_missing(filled, cohort):
    calls, summary, _ = filled
    observed = cohort[1] >= 0
    assert (calls[observed] == cohort[1][observed]).all()
    assert calls.min() == 0
    assert calls.dtype == np.int8
    assert summary["observed_changed"] == 0


def test_the_panel_beats_the_most_frequent_call(filled, cohort):
    by_mode = concordance(impute.most_frequent(cohort[1]), cohort)
    by_panel = concordance(filled[0], cohort)
    assert by_mode < 0.75
    assert by_panel > 0.9


def test_masked_concordance_estimates_the_true_one(filled, cohort):
    _, summary, _ = filled
    assert summary["n_masked"] > 300
    error = 3 * np.sqrt(0.07 * 0.93 * (1 / summary["n_masked"] + 1 / summary["n_missing"]))
    assert summary["masked_concordance"] == pytest.approx(concordance(filled[0], cohort), abs=error)
    assert summary["masked_concordance_mode"] < 0.75


def test_everything_is_counted(study, filled, cohort):
    _, summary, snps = filled
    missing = cohort[1] < 0
    assert summary["n_missing"] == missing.sum() == summary["n_from_panel"] + summary["n_from_cohort"]
    assert list(snps["n_imputed"]) == list(missing.sum(axis=1))
    # Every 25th array SNP is not in the panel; those are filled from the cohort.
    absent = set(cohort[2]["id"]) - set(_panel_ids(study))
    assert set(snps["snp_id"][snps["source"] == "cohort"]) == absent
    assert len(absent) >= 3
    assert summary["n_from_cohort"] == missing[cohort[2]["id"].isin(absent)].sum()


def _panel_ids(study):
    words = ["bcftools", "query", "-f", "%ID\\n", str(study.folder / "reference" / f"panel.chr{CHROM}.vcf.gz")]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def test_the_panel_is_matched_by_position_and_alleles(study):
    sites = pd.DataFrame(
        [(10, "A", "G"), (20, "A", "G"), (30, "A", "G"), (40, "C", "T"), (40, "C", "G"), (50, "A", "G")],
        columns=["pos", "ref", "alt"],
    )
    bim = pd.DataFrame(
        [(10, "G", "A"), (20, "T", "C"), (30, "A", "C"), (40, "C", "T"), (50, "0", "G"), (60, "A", "G")],
        columns=["pos", "a1", "a2"],
    )
    found = impute.match_panel(bim, sites)
    # 30: other alleles; 40: two alternatives in the panel; 60: not there.
    assert list(found.index) == [0, 1, 4]
    assert list(found["a1_is_alt"]) == [True, False, False]
    assert list(found["flipped"]) == [False, True, False]


def test_most_frequent_call(cohort):
    calls = np.array([[0, 0, 1, -1], [2, 2, -1, 1], [1, 0, -1, -1], [-1, 2, 2, 2]], np.int8)
    assert impute.most_frequent(calls).tolist() == [[0, 0, 1, 0], [2, 2, 2, 1], [1, 0, 0, 0], [2, 2, 2, 2]]


def test_method_mode(cohort, tmp_path):
    _, calls, bim, fam = cohort
    result, summary, _ = impute.impute(calls, bim, fam, settings("impute", method="mode"), tmp_path, say=quiet)
    assert (result >= 0).all()
    assert summary["n_from_cohort"] == (calls < 0).sum()
    assert summary["masked_concordance"] == summary["masked_concordance_mode"]


def test_a_panel_with_chr_in_its_names(study, cohort, tmp_path):
    """And a map without: Beagle itself would stop."""
    (tmp_path / "names").write_text(f"{CHROM} chr{CHROM}\n")
    source = study.folder / "reference" / f"panel.chr{CHROM}.vcf.gz"
    words = ["bcftools", "annotate", "--rename-chrs", tmp_path / "names", "-Oz", "-o", tmp_path / "p.vcf.gz", source]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    panel = impute.read_panel(tmp_path / "p.vcf.gz", CHROM)
    assert panel.chrom == f"chr{CHROM}"
    _, calls, bim, fam = cohort
    few = np.arange(0, len(bim), 4)
    more = {"panel": panel, "genetic_map": map_of(study), "say": quiet}
    _, summary, _ = impute.impute(
        calls[few][:, :30], bim.iloc[few], fam.iloc[:30], settings("impute"), tmp_path, **more
    )
    assert summary["n_from_panel"] > 0


def test_a_chromosome_without_snps_is_empty_but_valid(study, tmp_path):
    script = ROOT / "workflow" / "scripts" / "impute.py"
    words = [sys.executable, script, "--genotypes", study.genotypes[0], "--chromosome", 3, "--out", tmp_path]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    assert (tmp_path / "imputed.bed").read_bytes() == b"\x6c\x1b\x01"
    assert (tmp_path / "imputed.bim").read_text() == ""
    assert len(bed.read_fam(tmp_path / "imputed")) == len(bed.read_fam(study.genotypes[0]))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["n_snps"], summary["n_missing"], summary["masked_concordance"]) == (0, 0, None)
    assert (tmp_path / "imputed.snps.tsv").read_text() == "snp_id\tn_imputed\tsource\n"


def test_one_snp_is_filled_without_beagle(cohort, tmp_path):
    _, calls, bim, fam = cohort
    one = int((calls < 0).any(axis=1).argmax())
    result, summary, _ = impute.impute(calls[[one]], bim.iloc[[one]], fam, settings("impute"), tmp_path, say=quiet)
    assert (result == impute.most_frequent(calls[[one]])).mean() > 0.99
    assert summary["n_from_cohort"] == summary["n_missing"] > 0


def test_bad_panels(study, tmp_path):
    panel = study.folder / "reference" / f"panel.chr{CHROM}.vcf.gz"
    with pytest.raises(InputError, match="no such file"):
        impute.read_panel(tmp_path / "none.vcf.gz", CHROM)
    with pytest.raises(InputError, match="no variant of chromosome 5"):
        impute.read_panel(panel, 5)
    head = "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n"
    (tmp_path / "u.vcf").write_text(head + "1\t10\t.\tA\tG\t.\t.\t.\tGT\t0/1\n")
    with pytest.raises(InputError, match="'0/1' is not phased"):
        impute.read_panel(tmp_path / "u.vcf", 1)
    (tmp_path / "x.vcf.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="not a readable VCF"):
        impute.read_panel(tmp_path / "x.vcf.gz", 1)


def test_bad_maps(study, cohort, tmp_path):
    _, calls, bim, fam = cohort
    few = {"panel": panel_of(study), "genetic_map": tmp_path / "m.map", "say": quiet}
    with pytest.raises(InputError, match="no such file"):
        impute.impute(calls[:50], bim[:50], fam, settings("impute"), tmp_path, **few)
    for text, message in (("pos chr cM\n", "line 1 is not"), ("7 . 0.1 100\n", "no line of chromosome")):
        (tmp_path / "m.map").write_text(text)
        with pytest.raises(InputError, match=message):
            impute.impute(calls[:50], bim[:50], fam, settings("impute"), tmp_path, **few)


@pytest.mark.skipif(not (SHARED / "genotypes").exists(), reason="the real chr20 data are not on this machine")
def test_real_genotypes(tmp_path):
    """1000 Genomes chr20, 203 people with 3 % of their calls hidden, panel of 300 others; the first 0.7 Mb."""
    data = SHARED / "genotypes" / "chr20_1kg"
    region = "20:1000000-1700000"
    panel = tmp_path / "thousand_genomes.vcf.gz"
    cut = ["bcftools", "view", "-r", region, "-v", "snps", "-m2", "-M2"]
    subprocess.run([*cut, "-Oz", "-o", str(panel), str(data / "reference.vcf.gz")], check=True)
    # Array-like: every third common SNP.
    common = [*cut, "-q", "0.05:minor", str(data / "unphased.vcf.gz")]
    text = subprocess.run(common, check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][::3]
    truth = np.array([[-1 if "." in c[:3] else (c[0] == "1") + (c[2] == "1") for c in r[9:]] for r in rows], np.int8)
    bim = pd.DataFrame({"chrom": "20", "id": [f"s{i}" for i in range(len(rows))], "cm": 0.0})
    bim["pos"], bim["a1"], bim["a2"] = [int(r[1]) for r in rows], [r[4] for r in rows], [r[3] for r in rows]
    fam = pd.DataFrame({"iid": [f"p{i}" for i in range(truth.shape[1])]})
    gmap = pd.read_csv(data / "chr20.b37.gmap.gz", sep="\t")
    gmap.assign(id=".")[["chr", "id", "cM", "pos"]].to_csv(tmp_path / "m.map", sep=" ", header=False, index=False)
    hidden = (np.random.default_rng(4).random(truth.shape) < 0.03) & (truth >= 0)
    calls = np.where(hidden, -1, truth).astype(np.int8)
    more = {"panel": impute.read_panel(panel, 20), "genetic_map": tmp_path / "m.map", "say": quiet}
    result, summary, _ = impute.impute(calls, bim, fam, settings("impute"), tmp_path, **more)
    right, by_mode = (result == truth)[hidden].mean(), (impute.most_frequent(calls) == truth)[hidden].mean()
    print(f"chr20: {len(bim)} SNPs, {hidden.sum()} hidden calls; right: panel {right:.3f}, mode {by_mode:.3f}")
    assert right > by_mode + 0.15
    assert right > 0.9
    assert summary["masked_concordance"] == pytest.approx(right, abs=0.02)
