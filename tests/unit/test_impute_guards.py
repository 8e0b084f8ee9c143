"""impute where programs would hang, stop or answer for the wrong SNP; and that masked calls are really hidden."""

import gzip
import importlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make, settings
from impute_fixture import CHROM, Cohort, fill, map_of, panel_of, sh, simulated
from test_impute_external import server_file
from test_impute_odd import cut, rewritten

from gcamccl import impute
from gcamccl.genotype_qc.plink import ToolError
from gcamccl.impute import alleles, genetic_map, panel, score, vcf
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def cohort(study):
    return simulated(study)


def with_bim(cohort, **columns):
    old = cohort.study
    return Cohort(cohort.truth, impute.Study(CHROM, old.calls, old.bim.assign(**columns), old.fam))


# Panels


def test_two_snps_of_the_study_that_are_one_of_the_panel(study, cohort, tmp_path):
    """The second one at the same place with the complementary letters: one of them gets it, and all others stay."""
    usual = cut(panel_of(study), cohort, tmp_path / "usual")
    row = int(usual.found.index[usual.found["flipped"]][3])
    other = row + 1
    bim = cohort.study.bim.copy()
    bim.loc[other, "pos"] = bim.loc[row, "pos"]
    for column in ("a1", "a2"):
        bim.loc[other, column] = bim.loc[row, column].translate(alleles.COMPLEMENT)
    calls = cohort.study.calls.copy()
    calls[other] = calls[row]
    doubled = Cohort(cohort.truth, impute.Study(CHROM, calls, bim, cohort.study.fam))
    result = cut(panel_of(study), doubled, tmp_path / "doubled")
    assert set(result.found.index) == set(usual.found.index) - {row}  # the same strand is the better match
    assert result.found.loc[other, "pos"] == bim.loc[row, "pos"]
    assert result.facts["n_snps_in_panel"] == len(result.found)
    sites, _ = vcf.read_calls(result.path, len(vcf.samples(panel_of(study))))
    assert list(sites["pos"]) == sorted(result.found["pos"])


def test_names_and_letters_in_other_cases(study, cohort, tmp_path):
    usual = cut(panel_of(study), cohort, tmp_path / "usual")

    def other_case(lines):
        fields = [line.split("\t") for line in lines]
        return ["\t".join([f"CHR{CHROM}", *f[1:3], f[3].lower(), f[4].lower(), *f[5:]]) for f in fields]

    result = cut(rewritten(panel_of(study), tmp_path / "p.vcf", other_case), cohort, tmp_path / "other")
    pd.testing.assert_frame_equal(result.found, usual.found)
    assert result.path.read_bytes() == usual.path.read_bytes()
    # A server's file as well.
    names = list(cohort.study.fam["iid"])
    path = server_file(tmp_path / "s.vcf", study, cohort, names)
    gzip_path = tmp_path / "s.vcf.gz"
    gzip_path.write_bytes(gzip.compress(path.read_bytes()))
    path = rewritten(gzip_path, tmp_path / "other.vcf", other_case)
    result = fill(cohort, tmp_path / "run", method="external", imputed=path)
    assert (result.calls == cohort.truth).all() and result.summary["n_snps_not_at_server"] == 0


def test_the_strand_of_a_servers_ambiguous_snps_is_told_by_the_observed_calls(study, cohort, tmp_path):
    """A/T SNPs, on the study's strand and on the other."""
    bim = cohort.study.bim.copy()
    same, other = [2, 4, 8], [6, 12, 14]  # A1 is alt at these
    bim.loc[same, ["a1", "a2"]] = ["T", "A"]
    bim.loc[other, ["a1", "a2"]] = ["A", "T"]
    place = set(bim["pos"].iloc[same + other].astype(str))
    path = server_file(tmp_path / "s.vcf", study, cohort, list(cohort.study.fam["iid"]))
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    lines = [[*line[:3], "A", "T", *line[5:]] if len(line) > 5 and line[1] in place else line for line in lines]
    path.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    mixed = Cohort(cohort.truth, impute.Study(CHROM, cohort.study.calls, bim, cohort.study.fam))
    result = fill(mixed, tmp_path / "run", method="external", imputed=path)
    assert result.summary["n_snps_disagree"] == 0
    assert (result.snps["source"].iloc[same + other] == "server").all()
    assert (result.calls[same + other] == cohort.truth[same + other]).all()


@pytest.mark.parametrize(("call", "message"), [("0/1", "is not phased"), (".|.", None), ("1", None)])
def test_a_single_odd_call_late_in_the_panel(study, cohort, tmp_path, call, message):
    """Beagle would wait for ever. An unphased panel is an error, a site with a missing or haploid call is left out."""
    usual = cut(panel_of(study), cohort, tmp_path / "usual")
    last = str(usual.found["pos"].max())

    def spoil(lines):
        fields = [line.split("\t") for line in lines]
        return ["\t".join([*f[:-1], call] if f[1] == last else f) for f in fields]

    path = rewritten(panel_of(study), tmp_path / "p.vcf", spoil)
    if message:
        with pytest.raises(InputError, match=f"position {last}: .*{message}"):
            cut(path, cohort, tmp_path / "out")
    else:
        result = cut(path, cohort, tmp_path / "out")
        assert set(usual.found["pos"]) - set(result.found["pos"]) == {int(last)}
        assert result.facts["n_panel_sites_incomplete"] == 1


def test_neighbours_that_are_copies_of_one_another_do_not_tell_a_strand():
    """Correlations by chance with one block are all alike or all opposite; a real one tells the strand."""
    rng = np.random.default_rng(0)

    def block(n):
        first = rng.binomial(2, 0.4, n)
        return first, np.where(rng.random((20, n)) < 0.03, rng.binomial(2, 0.4, (20, n)), first).astype(np.int8)

    for _ in range(20):
        signs = {}
        for kind in ("alone", "linked"):
            here, there = block(850), block(2504)
            snps = [
                np.where(rng.random(len(one[0])) < 0.5, one[0], rng.binomial(2, 0.45, len(one[0])))
                if kind == "linked"
                else rng.binomial(2, 0.45, len(one[0]))
                for one in (here, there)
            ]
            signs[kind] = alleles.orient_by_ld(snps[0], here[1], snps[1], there[1])
            if kind == "linked":
                signs["turned"] = alleles.orient_by_ld(2 - snps[0], here[1], snps[1], there[1])
        assert signs == {"alone": 0, "linked": 1, "turned": -1}


# Maps and sparse chromosomes


@pytest.mark.parametrize("text", ["{0} . 5 1\n{0} . 5 90000000\n", "{0} . 0 100\n{0} . 1 1000\n"])
def test_a_map_that_puts_all_snps_at_one_place_is_not_used(cohort, tmp_path, text):
    """Flat (Beagle never ends on it) or of another place; the first is no map at all over so many bases."""
    path = tmp_path / "m.map"
    path.write_text(text.format(CHROM))
    said, part = [], cohort.part(slice(0, 30))
    if "90000000" in text:
        with pytest.raises(InputError, match="0 cM over 90 Mb is no genetic map"):
            fill(part, tmp_path / "a", genetic_map=path)
        path.write_text(text.format(CHROM).replace(" 1\n", " 85000000\n"))
    result = fill(part, tmp_path / "b", said.append, genetic_map=path)
    assert any("has all SNPs" in line and "not used" in line for line in said)
    assert (result.calls == fill(part, tmp_path / "c").calls).all()


@pytest.mark.parametrize(
    ("cm", "message"),
    [(0.2, r"0\.2 cM over 20 Mb"), (5000, "5000 cM"), (250, "250 cM over 20 Mb"), (21, None), (4, None)],
)
def test_numbers_that_cannot_be_centimorgans(tmp_path, cm, message):
    """Morgans, base pairs, ten times too much; what a human chromosome has is fine."""
    (tmp_path / "m").write_text(f"22 . 0 1000000\n22 . {cm / 2} 9000000\n22 . {cm} 21000000\n")
    if message:
        with pytest.raises(InputError, match=f"{message}.* is no genetic map of a human chromosome"):
            genetic_map.read_map(tmp_path / "m", 22)
    else:
        assert list(genetic_map.read_map(tmp_path / "m", 22)["cm"]) == [0, cm / 2, cm]
    (tmp_path / "short").write_text(f"22 . 0 1\n22 . {cm / 10} 2000000\n")
    assert len(genetic_map.read_map(tmp_path / "short", 22)) == 2


def test_a_damaged_map(tmp_path):
    data = bytearray(gzip.compress("".join(f"22 . {n / 7} {n * 9999}\n" for n in range(500)).encode()))
    data[len(data) // 2] ^= 255
    (tmp_path / "m.gz").write_bytes(data)
    with pytest.raises(InputError, match="not a readable genetic map"):
        genetic_map.read_map(tmp_path / "m.gz", 22)
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbf22 . 0 1\n22 . 1 9\n")
    assert len(genetic_map.read_map(tmp_path / "bom", 22)) == 2


def test_places_on_a_map():
    table = pd.DataFrame({"pos": [100, 200, 400], "cm": [1.0, 2.0, 2.0]})
    assert list(genetic_map.centimorgans([50, 150, 300, 900], table)) == [1, 1.5, 2, 2]
    assert list(genetic_map.centimorgans([1_000_000, 3_000_000])) == [1, 3]


@pytest.mark.parametrize("reference", [True, False])
def test_snps_further_apart_than_beagles_window(study, cohort, tmp_path, reference):
    """Beagle stops where a window holds a single position."""
    rows = np.linspace(0, len(cohort.truth) - 1, 4).astype(int)
    part = cohort.part(rows)
    old = part.study.bim["pos"].tolist()
    new = dict(zip(map(str, old), ["1000000", "61000000", "121000000", "200000000"], strict=True))
    far = with_bim(part, pos=[int(pos) for pos in new.values()])

    def moved(lines):
        fields = [line.split("\t") for line in lines]
        return ["\t".join([f[0], new[f[1]], *f[2:]]) for f in fields if f[1] in new]

    path = rewritten(panel_of(study), tmp_path / "p.vcf", moved)
    result = fill(far, tmp_path / "out", **({"reference": path} if reference else {}))
    assert result.summary["n_missing"] > 0 == result.summary["n_from_mode"]
    assert (result.summary["n_from_panel"] > 0) == reference


# Masked calls


@pytest.mark.parametrize("method", ["beagle", "minimac4", "mode"])
def test_masked_calls_are_hidden_from_everything(study, cohort, tmp_path, method):
    """Turned into other calls they change no filled one, no choice of SNPs and no expected value by frequency."""
    part = cohort.part(slice(0, 60))
    calls = part.study.calls
    hidden = score.hide(calls, 1, CHROM)
    assert hidden.sum() > 50
    lied = np.where(hidden, (calls + 1) % 3, calls).astype(np.int8)
    liar = Cohort(part.truth, impute.Study(CHROM, lied, part.study.bim, part.study.fam))
    files = {} if method == "mode" else {"reference": panel_of(study), "genetic_map": map_of(study)}
    true, false = (
        fill(one, tmp_path / name, method=method, seed=1, **files) for one, name in ((part, "a"), (liar, "b"))
    )
    missing = calls < 0
    assert (true.calls[missing] == false.calls[missing]).all()
    assert true.summary["n_masked"] == false.summary["n_masked"] == hidden.sum()
    assert true.summary["masked_concordance"] > false.summary["masked_concordance"]
    names = [name for name in true.summary if name.startswith(("n_", "observed"))]
    assert [true.summary[name] for name in names] == [false.summary[name] for name in names]
    if method == "beagle":  # expected copies lie between the call and the mean of the calls it was shown
        slope, mean = true.summary["shrinkage_panel"], score.mean_dosage(np.where(hidden, -1, calls))[true.row]
        from_panel = (true.snps["source"] == "panel").to_numpy()[true.row]
        expected = mean + slope * (true.calls[true.row, true.person] - mean)
        assert 0 < slope < 1 and from_panel.sum() > 100
        np.testing.assert_allclose(true.dosage[from_panel], expected[from_panel], atol=1e-6)
    by_mode = true.snps["source"] == "mode"
    if by_mode.any():
        same = np.isin(true.row, np.flatnonzero(by_mode))
        assert (true.dosage[same] == false.dosage[same]).all()


def test_the_panel_is_compared_without_the_masked_calls(study, cohort, tmp_path, monkeypatch):
    """Frequencies and linkage disequilibrium decide on strand and use of a SNP: masked calls must not."""
    module, given = importlib.import_module("gcamccl.impute.run"), []

    def listening(path, chromosome, calls, *others):
        given.append(calls)
        return panel.read_panel(path, chromosome, calls, *others)

    monkeypatch.setattr(module, "read_panel", listening)
    part = cohort.part(slice(0, 30))
    fill(part, tmp_path, seed=1, reference=panel_of(study))
    hidden = score.hide(part.study.calls, 1, CHROM)
    assert hidden.any() and (given[0] == np.where(hidden, -1, part.study.calls)).all()


def test_masked_calls_of_snps_filled_by_mode_count(cohort, tmp_path):
    """A second SNP at a place is filled by mode: its masked calls are part of how good filled calls are."""
    part = cohort.part(slice(0, 40))
    bim = part.study.bim
    doubled = with_bim(part, pos=np.where(np.arange(40) % 2, bim["pos"].shift(1, fill_value=0), bim["pos"]).astype(int))
    result = fill(doubled, tmp_path)
    table = result.concordance.set_index(["source", "stratum"])["n_masked"]
    assert table["mode", "all"] > 5 and table["cohort", "all"] > 5
    assert table["all", "all"] == table["mode", "all"] + table["cohort", "all"]
    untouched = result.snps["n_imputed"] == 0
    assert table["all", "all"] == result.snps["n_masked"][~untouched | (result.snps["source"] == "cohort")].sum()


# The program


def test_a_chromosome_that_is_not_there(study, tmp_path):
    script = ROOT / "workflow" / "scripts" / "impute.py"
    words = [sys.executable, script, "--genotypes", study.genotypes[0], "--out", tmp_path / "out", "--chromosome"]
    text = sh(*words, 3)
    assert f"has no SNP of chromosome 3 ({CHROM}, 22): nothing to fill" in text
    done = subprocess.run(list(map(str, [*words, 23])), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "invalid choice: 23" in done.stderr


def test_a_program_that_takes_too_long_is_ended(cohort, tmp_path):
    with pytest.raises(ToolError, match=r"beagle .* was ended after 0 minutes"):
        impute.impute(cohort.study, settings("impute"), tmp_path, say=lambda text: None, limit_s=0.3)
