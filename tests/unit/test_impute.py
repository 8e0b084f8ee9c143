"""impute: only missing calls are written, better than by each SNP's most frequent call, and how much better is told."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make
from impute_fixture import (
    CHROM,
    REAL,
    Cohort,
    aligned,
    calls_by_hand,
    fill,
    map_of,
    mode_concordance,
    panel_of,
    real,
    sh,
    simulated,
    vcf_by_hand,
)

from gcamccl import impute
from gcamccl.genotype_qc import bed
from gcamccl.impute import minimac4
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

METHODS = ("beagle", "shapeit4", "minimac4", "external")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def cohort(study):
    return simulated(study)


@pytest.fixture(scope="module")
def server(study, cohort, tmp_path_factory):
    """What a server would send back: phased by Beagle, imputed by minimac4 from the panel, as its pipeline does."""
    folder = tmp_path_factory.mktemp("server")
    vcf_by_hand(aligned(study, cohort), folder / "up.vcf")
    more = [f"ref={panel_of(study)}", "impute=false", f"map={map_of(study)}"]
    subprocess.run(
        ["beagle", "gt=up.vcf", "out=phased", "seed=3", "nthreads=1", *more],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    sh("bcftools", "index", folder / "phased.vcf.gz")
    sh("minimac4", "--compress-reference", panel_of(study), "-o", folder / "panel.msav")
    sh(
        "minimac4",
        folder / "panel.msav",
        folder / "phased.vcf.gz",
        "-f",
        "GT,DS,GP",
        "-O",
        "vcf.gz",
        "-o",
        folder / "server.vcf.gz",
        "-m",
        map_of(study),
    )
    return folder / "server.vcf.gz"


@pytest.fixture(scope="module")
def results(study, cohort, server, tmp_path_factory):
    """Each method's result, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("with space") / "a b"
    files = {"reference": panel_of(study), "genetic_map": map_of(study)}
    only = {"external": {"imputed": server, "genetic_map": map_of(study)}}
    return {name: fill(cohort, folder / name, method=name, **only.get(name, files)) for name in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_observed_calls_stay_and_none_is_missing(results, cohort, method):
    result = results[method]
    observed = ~cohort.hidden
    assert (result.calls[observed] == cohort.study.calls[observed]).all()
    assert result.calls.min() == 0
    assert result.calls.dtype == np.int8
    assert result.summary["observed_changed"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_every_method_beats_the_most_frequent_call(results, cohort, method):
    assert mode_concordance(cohort) < 0.75
    assert cohort.concordance(results[method].calls) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_masked_calls_estimate_the_true_concordance(results, cohort, method):
    summary = results[method].summary
    hidden, right = cohort.hidden, results[method].calls == cohort.truth
    if method == "external":  # the server had seen the masked calls of the SNPs it knows
        own = results[method].snps["source"] == "cohort"
        hidden, right = hidden[own], right[own]
    assert summary["n_masked"] > (5 if method == "external" else 300)
    error = 3 * np.sqrt(0.1 * 0.9 * (1 / summary["n_masked"] + 1 / hidden.sum()))
    assert summary["masked_concordance"] == pytest.approx(right[hidden].mean(), abs=error)
    assert summary["masked_concordance_mode"] < 0.75


@pytest.mark.parametrize("method", METHODS)
def test_every_filled_call_is_counted_with_where_it_is_from(study, results, cohort, method):
    result = results[method]
    summary, snps = result.summary, result.snps
    sources = [summary[f"n_from_{name}"] for name in ("panel", "server", "cohort", "mode")]
    assert cohort.hidden.sum() == summary["n_missing"] == sum(sources)
    assert list(snps["n_imputed"]) == list(cohort.hidden.sum(axis=1))
    # Every 25th array SNP is not in the panel; those are filled from the cohort.
    known = set(sh("bcftools", "query", "-f", "%ID\\n", panel_of(study)).split())
    absent = set(cohort.study.bim["id"]) - known
    assert set(snps["snp_id"][snps["source"] == "cohort"]) == absent
    assert len(absent) >= 3
    assert summary["n_from_cohort"] == cohort.hidden[cohort.study.bim["id"].isin(absent)].sum()


@pytest.mark.parametrize("method", METHODS)
def test_dosages_are_of_the_filled_calls_and_better_than_the_calls(results, cohort, method):
    result = results[method]
    assert (result.row.dtype, result.person.dtype, result.dosage.dtype) == (np.int32, np.int32, np.float32)
    assert set(zip(result.row.tolist(), result.person.tolist(), strict=True)) == set(
        zip(*(index.tolist() for index in np.nonzero(cohort.hidden)), strict=True)
    )
    assert result.dosage.min() >= 0
    assert result.dosage.max() <= 2
    truth, calls = cohort.truth[result.row, result.person], result.calls[result.row, result.person]
    assert ((result.dosage - truth) ** 2).mean() <= ((calls - truth) ** 2).mean()
    assert np.corrcoef(result.dosage, truth)[0, 1] ** 2 > 0.75


def test_minimac4_and_the_server_give_a_quality(results):
    for method, source in (("minimac4", "panel"), ("external", "server")):
        snps = results[method].snps
        assert snps["r2"][snps["source"] == source].between(0, 1).all()
        assert snps["r2"][snps["source"] == "cohort"].isna().all()


def test_the_server_is_used_and_checked_against_the_observed_calls(results):
    summary = results["external"].summary
    assert summary["n_snps_from_server"] > 150
    assert summary["observed_concordance"] > 0.97
    assert summary["n_snps_not_at_server"] >= 3
    assert summary["n_people_not_at_server"] == 0


def test_a_compressed_reference_of_minimac4(study, cohort, server, tmp_path):
    """Ready-made .msav, whose sites cannot be listed: alleles are found by offering each SNP in all its forms."""
    (tmp_path / "names").write_text(f"{CHROM} chr{CHROM}\n")
    words = ["bcftools", "annotate", "--rename-chrs", tmp_path / "names", "-Ob", "-o", tmp_path / "p.bcf"]
    sh(*words, panel_of(study))
    sh("bcftools", "index", tmp_path / "p.bcf")
    sh("minimac4", "--compress-reference", tmp_path / "p.bcf", "-o", tmp_path / "chr.msav")
    assert minimac4.check_reference(server.parent / "panel.msav", CHROM, tmp_path) == str(CHROM)
    with pytest.raises(InputError, match="no variant of chromosome 9"):
        minimac4.check_reference(tmp_path / "chr.msav", 9, tmp_path)
    files = {"reference": tmp_path / "chr.msav", "genetic_map": map_of(study)}
    result = fill(cohort, tmp_path, method="minimac4", **files)
    bim = cohort.study.bim
    known = set(sh("bcftools", "query", "-f", "%ID\\n", panel_of(study)).split())
    clear = ~(bim["a1"] + bim["a2"]).isin(["AT", "TA", "CG", "GC"])
    assert set(result.snps["snp_id"][result.snps["source"] == "panel"]) == set(bim["id"][clear]) & known
    assert cohort.concordance(result.calls) > 0.9
    observed = ~cohort.hidden
    assert (result.calls[observed] == cohort.study.calls[observed]).all()


def test_the_same_seed_gives_the_same_calls_with_two_threads(study, cohort, tmp_path):
    part = cohort.part(slice(0, 60))
    first, second = (fill(part, tmp_path / str(n), reference=panel_of(study), threads=2).calls for n in (1, 2))
    assert (first == second).all()


def test_without_panel(cohort, tmp_path):
    result = fill(cohort, tmp_path, method="shapeit4")
    assert result.summary["n_from_cohort"] == result.summary["n_missing"]
    assert cohort.concordance(result.calls) > mode_concordance(cohort) + 0.15
    assert 0.7 < result.summary["shrinkage_cohort"] <= 1


def test_mode(cohort, tmp_path):
    result = fill(cohort, tmp_path, method="mode")
    assert (result.calls >= 0).all()
    assert result.summary["n_from_mode"] == cohort.hidden.sum()
    assert result.summary["masked_concordance"] == result.summary["masked_concordance_mode"]
    seen = cohort.study.calls[result.row[0]]
    hidden = result.snps["n_masked"][result.row[0]]
    assert result.dosage[0] == pytest.approx(seen[seen >= 0].mean(), abs=2 * hidden / len(seen))


def test_the_program_writes_everything_and_a_chromosome_without_snps_is_valid(study, tmp_path):
    script = ROOT / "workflow" / "scripts" / "impute.py"
    sh(sys.executable, script, "--genotypes", study.genotypes[0], "--chromosome", 3, "--out", tmp_path / "none")
    out = tmp_path / "none"
    assert (out / "imputed.bed").read_bytes() == b"\x6c\x1b\x01"
    assert (out / "imputed.bim").read_text() == ""
    assert len(bed.read_fam(out / "imputed")) == len(bed.read_fam(study.genotypes[0]))
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["n_snps"], summary["n_missing"], summary["masked_concordance"]) == (0, 0, None)
    assert (out / "imputed.snps.tsv").read_text() == "snp_id\tn_imputed\tsource\tr2\tn_masked\tmasked_concordance\n"
    with np.load(out / "imputed.dosage.npz") as arrays:
        assert {name: (a.shape, str(a.dtype)) for name, a in arrays.items()} == {
            "row": ((0,), "int32"),
            "person": ((0,), "int32"),
            "dosage": ((0,), "float32"),
        }
    (tmp_path / "mode.yaml").write_text("method: mode\n")
    words = [sys.executable, script, "--genotypes", study.genotypes[0], "--chromosome", CHROM]
    sh(*words, "--settings", tmp_path / "mode.yaml", "--out", tmp_path / "full")
    with np.load(tmp_path / "full" / "imputed.dosage.npz") as arrays:
        assert len(arrays["row"]) == json.loads((tmp_path / "full" / "summary.json").read_text())["n_missing"] > 0
    table = pd.read_csv(tmp_path / "full" / "concordance.tsv", sep="\t")
    assert list(table["stratum"][:1]) == ["all"]


@pytest.mark.skipif(not REAL.exists(), reason="the real chr20 data are not on this machine")
@pytest.mark.parametrize("method", ["beagle", "shapeit4"])
def test_real_genotypes_are_filled_as_well_as_by_the_program_alone(tmp_path, method):
    """1000 Genomes, panel of 300, the first Mb; the program is called by hand on the same VCF with the whole panel.

    It sees 2 % more calls there than ours, which hides some to score itself.
    """
    cohort = real("20:1000000-1600000", every=6)
    result = fill(
        cohort,
        tmp_path / "ours",
        method=method,
        reference=REAL / "reference.vcf.gz",
        genetic_map=REAL / "chr20.b37.gmap.gz",
    )
    vcf_by_hand(cohort, tmp_path / "hand.vcf")
    if method == "beagle":
        table = pd.read_csv(REAL / "chr20.b37.gmap.gz", sep="\t").assign(id=".")
        table[["chr", "id", "cM", "pos"]].to_csv(tmp_path / "m.map", sep=" ", header=False, index=False)
        words = ["gt=hand.vcf", "out=hand", f"ref={REAL / 'reference.vcf.gz'}", "impute=false", "map=m.map", "seed=1"]
        subprocess.run(["beagle", *words, "nthreads=1"], cwd=tmp_path, check=True, capture_output=True)
    else:
        sh("bcftools", "view", "-Ob", "-o", tmp_path / "hand.bcf", tmp_path / "hand.vcf")
        sh("bcftools", "index", tmp_path / "hand.bcf")
        sh(
            "shapeit4",
            "-I",
            tmp_path / "hand.bcf",
            "-H",
            REAL / "reference.bcf",
            "-M",
            REAL / "chr20.b37.gmap.gz",
            "-R",
            "20",
            "-O",
            tmp_path / "hand.vcf.gz",
            "--seed",
            1,
        )
    hand = calls_by_hand(tmp_path / "hand.vcf.gz", cohort)
    hidden = cohort.hidden
    ours_right, right = (result.calls == cohort.truth)[hidden], (hand == cohort.truth)[hidden]
    print(f"{method}: {hidden.sum()} hidden calls; right: ours {ours_right.mean():.4f}, by hand {right.mean():.4f}")
    # Both answer the same calls: the difference's standard error is that of the calls they answer differently.
    error = np.sqrt((ours_right != right).sum()) / len(right)
    assert ours_right.mean() > right.mean() - 3 * error
    assert ours_right.mean() > mode_concordance(cohort) + 0.15
    assert result.summary["n_from_panel"] == hidden.sum()
    assert impute.in_words(result.summary).startswith("of ")


def test_calls_masked_before_they_went_to_the_server_score_it(study, cohort, tmp_path):
    """mask_for_server hides what impute looks at; a server that fills it rightly 9 times of 10 scores 0.9."""
    bed.write_fileset(tmp_path / "qc", cohort.study.calls, cohort.study.bim, cohort.study.fam)
    script = ROOT / "workflow" / "scripts" / "mask_for_server.py"
    sh(sys.executable, script, "--genotypes", tmp_path / "qc", "--out", tmp_path / "up")
    rows = np.arange(len(cohort.study.bim))
    sent = bed.read_bed(tmp_path / "up" / "masked", len(cohort.study.fam), rows)
    hidden = (sent < 0) & ~cohort.hidden
    assert 0.015 < hidden.mean() < 0.025
    assert (sent == cohort.study.calls)[~hidden].all()
    wrong = hidden & (np.random.default_rng(1).random(hidden.shape) < 0.1)
    answer = np.where(wrong, (cohort.truth + 1) % 3, cohort.truth)
    back = Cohort(cohort.truth, impute.Study(CHROM, answer.astype(np.int8), cohort.study.bim, cohort.study.fam))
    vcf_by_hand(back, tmp_path / "back.vcf")
    for masked in (True, False):
        more = {"masked_for_server": masked, "min_r2": 0, "imputed": tmp_path / "back.vcf"}
        summary = fill(cohort, tmp_path / "run", method="external", **more).summary
        assert summary["n_from_server"] == cohort.hidden.sum()
        if masked:
            assert summary["n_masked"] == hidden.sum()
            assert summary["masked_concordance"] == 1 - wrong.sum() / hidden.sum()
            assert summary["observed_concordance"] == 1
        else:
            assert (summary["n_masked"], summary["masked_concordance"]) == (0, None)
            assert summary["observed_concordance"] < 1
