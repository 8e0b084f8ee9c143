"""Positions of another build and ids that do not match are found, and what is likely wrong is named."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import SHARED, make, quiet, settings

from gcamccl.genotype_qc import bed, build, genome_builds, inputs, known_positions, people_matching, pipeline, validate
from gcamccl.workflow.errors import InputError

REAL = SHARED / "genotypes" / "chr20_1kg"
BEDTOOLS = Path("/usr/share/bedtools/genomes")


def bim_of(*rows):
    table = pd.DataFrame(rows, columns=["chrom", "id", "pos"]).assign(cm=0.0, a1="A", a2="G")
    return table[bed.BIM]


@pytest.mark.skipif(not BEDTOOLS.exists(), reason="bedtools' genome files are not on this machine")
@pytest.mark.parametrize("name, number", [("GRCh36", 18), ("GRCh37", 19), ("GRCh38", 38)])
def test_chromosome_lengths_are_those_of_bedtools(name, number):
    table = pd.read_csv(BEDTOOLS / f"human.hg{number}.genome", sep=r"\s+", header=None, comment="#", usecols=[0, 1])
    lengths = dict(zip(validate.chromosome_names(table[0].astype(str)), table[1], strict=True))
    assert genome_builds.LENGTHS[name] == {str(c): int(lengths[str(c)]) for c in range(1, 25)}


def test_landmarks_lie_within_their_chromosomes():
    for chrom, *places in genome_builds.LANDMARKS.values():
        for name, pos in zip(genome_builds.LENGTHS, places, strict=True):
            assert 0 < pos < genome_builds.LENGTHS[name][chrom]
        assert len(set(places)) == 3


def landmarks_at(name, number=5):
    column = 1 + list(genome_builds.LENGTHS).index(name)
    return [(row[0], rs, row[column]) for rs, row in list(genome_builds.LANDMARKS.items())[:number]]


@pytest.mark.parametrize("name", ["GRCh36", "GRCh38"])
def test_landmarks_tell_the_build(name):
    assert len(build.check_build("a", bim_of(*landmarks_at("GRCh37")), say=quiet)) == 0
    with pytest.raises(InputError, match=rf"a: positions are not GRCh37: 5 of 5 .* they look like {name} \(hg"):
        build.check_build("a", bim_of(*landmarks_at(name)), say=quiet)
    mixed = landmarks_at("GRCh37", 6)[:4] + landmarks_at(name, 6)[4:]
    build.check_build("a", bim_of(*mixed), say=quiet)


@pytest.mark.parametrize("name, chrom", [("GRCh36", "19"), ("GRCh38", "17")])
def test_positions_beyond_the_end_of_a_chromosome_are_proof(name, chrom):
    end = genome_builds.LENGTHS[name][chrom]
    rows = [(chrom, f"x{n}", end - n) for n in range(5)]
    assert min(row[2] for row in rows) > genome_builds.LENGTHS["GRCh37"][chrom]
    with pytest.raises(InputError, match=rf"5 SNPs lie beyond the end .* they look like {name}"):
        build.check_build("a", bim_of(*rows), say=quiet)
    few = build.check_build("a", bim_of(*rows[:4], ("1", "y", 5)), say=quiet)
    assert list(few["why"]) == ["beyond_chromosome_end"] * 4
    assert set(few["known_pos"]) == {genome_builds.LENGTHS["GRCh37"][chrom]}


def test_single_moved_snps_are_listed_and_most_are_an_error():
    rows = [("1", f"rs{n}", 1000 * n) for n in range(1, 101)]
    known = bim_of(*rows)[["id", "chrom", "pos"]]
    moved = bim_of(*[(chrom, rs, pos + 137 * (n < 3)) for n, (chrom, rs, pos) in enumerate(rows)])
    table = build.check_build("a", moved, known, "panel", say=quiet)
    assert table.to_numpy().tolist() == [
        ["a", f"rs{n}", "1", 1000 * n + 137, "1", 1000 * n, "position_differs"] for n in (1, 2, 3)
    ]
    far = bim_of(*[(chrom, rs, pos + 9) for chrom, rs, pos in rows])
    with pytest.raises(
        InputError, match=r"100 of 100 SNPs with an rsID of panel lie elsewhere, such as rs1, here 1:1009, there 1:1000"
    ):
        build.check_build("a", far, known, "panel", say=quiet)
    # Too few in common, or an id at two places of which one is right, tell nothing.
    assert len(build.check_build("a", far, known[:20], "panel", say=quiet)) == 20
    two = pd.concat([known, known.assign(pos=known["pos"] + 9)])
    assert len(build.check_build("a", far, two, "panel", say=quiet)) == 0


def test_the_header_of_a_vcf_counts_where_nothing_else_tells():
    lengths = {"1": 248956422, "2": 242193529}
    assert build.stated_build(lengths) == "GRCh38"
    assert build.stated_build({"1": 5}) is None
    with pytest.raises(InputError, match=r"header of its VCF states.*they look like GRCh38"):
        build.check_build("a", bim_of(("1", "x", 5)), header=lengths, say=quiet)
    said = []
    build.check_build("a", bim_of(*landmarks_at("GRCh37")), header=lengths, say=said.append)
    assert said == ["WARNING: a: its header states the lengths of GRCh38, but its positions are GRCh37"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


def panels(study, scratch, *options):
    """The study's panels, re-written with bcftools view where options are given."""
    files = []
    for chrom in (21, 22):
        files.append(study.folder / "reference" / f"panel.chr{chrom}.vcf.gz")
        if options:
            new = scratch / f"panel{chrom}.bcf"
            subprocess.run(["bcftools", "view", "-Ob", *options, "-o", new, files[-1]], check=True)
            files[-1] = new
    return files


def shifted(bim, by):
    return bim.assign(pos=bim["pos"] + by)


def test_a_sample_of_an_indexed_panel_is_enough(study, tmp_path, monkeypatch):
    files = panels(study, tmp_path)
    scanned = []
    scan = known_positions._scan
    monkeypatch.setattr(known_positions, "_scan", lambda *words: scanned.append(words) or scan(*words))
    bims = [validate.read_fileset(prefix)[0] for prefix in study.genotypes]
    names = ["hh610", "hh550", "omni"]
    inputs.check_positions(names, bims, [{}] * 3, tmp_path, panel_files=files, say=quiet)
    assert scanned == []
    with pytest.raises(
        InputError, match=r"omni: positions are not GRCh37: (\d+) of (\d+) SNPs with an rsID of the reference panel"
    ):
        tables = [*bims[:2], shifted(bims[2], 4321)]
        inputs.check_positions(names, tables, [{}] * 3, tmp_path, panel_files=files, say=quiet)
    assert len(scanned) == 1


def test_a_panel_without_an_index_or_without_rs_ids(study, tmp_path):
    bim = validate.read_fileset(study.genotypes[0])[0]
    said = []
    files = panels(study, tmp_path, "--no-version")
    inputs.check_positions(["a"], [bim], [{}], tmp_path, panel_files=files, say=said.append)
    assert said[0].startswith("panel21.bcf: no index (bcftools index); its first 200000 records")
    assert said[-1].endswith("SNPs with an rsID of the reference panel lie elsewhere")
    assert int(said[-1].split()[1]) < 5  # planted
    with pytest.raises(InputError, match="positions are not GRCh37"):
        inputs.check_positions(["a"], [shifted(bim, 4321)], [{}], tmp_path, panel_files=files, say=quiet)
    for file in files:
        subprocess.run(
            ["bcftools", "annotate", "--set-id", "%CHROM:%POS", "-Ob", "-o", f"{file}.bcf", file], check=True
        )
    said = []
    none = [f"{file}.bcf" for file in files]
    inputs.check_positions(["a"], [shifted(bim, 4321)], [{}], tmp_path, panel_files=none, say=said.append)
    assert said[0] == "panel21.bcf.bcf: no rsIDs in it; positions are not compared with it"
    assert said[-1] == "a: too few known SNPs on it to tell the genome build; it is taken for GRCh37"


@pytest.mark.parametrize("kind", ["vcf", "bim", "tsv"])
def test_known_positions_are_read_in_full(study, tmp_path, kind):
    """All of omni's planted moves and taken ids are listed, and nothing else."""
    bim = validate.read_fileset(study.genotypes[2])[0]
    base = validate.read_fileset(study.genotypes[0])[0]
    if kind == "vcf":
        files = panels(study, tmp_path)
    elif kind == "bim":
        files = [f"{study.genotypes[0]}.bim"]
    else:
        files = [tmp_path / "known.tsv"]
        base.assign(chrom="chr" + base["chrom"]).to_csv(files[0], sep="\t", index=False)
    table, _ = inputs.check_positions(["omni"], [bim], [{}], tmp_path, known_files=files, say=quiet)
    planted = study.ids("moved", "omni") | study.ids("id_clash", "omni")
    if kind != "vcf":
        planted |= study.ids("moved", "hh610")  # the file of known positions is itself wrong about these
    if kind == "vcf":  # the panel lacks some SNPs
        assert len(set(table["id"])) > 0.8 * len(planted)
        assert set(table["id"]) <= planted
    else:
        assert set(table["id"]) == planted
    moved = table[table["id"].isin(study.ids("moved", "omni") - study.ids("moved", "hh610"))]
    assert set(moved["pos"] - moved["known_pos"]) == {137}
    (tmp_path / "known.tsv").write_text("name\tchrom\tpos\nrs1\t1\t5\n")
    with pytest.raises(InputError, match="no column id"):
        inputs.check_positions(["omni"], [bim], [{}], tmp_path, known_files=[tmp_path / "known.tsv"], say=quiet)


@pytest.mark.skipif(not REAL.exists(), reason="the real chr20 data are not on this machine")
def test_real_positions(tmp_path):
    made = tmp_path / "real"
    subprocess.run(
        ["plink2", "--bcf", REAL / "unphased.bcf", "--double-id", "--make-bed", "--out", made],
        check=True,
        capture_output=True,
    )
    bim = validate.read_fileset(made)[0]
    for panel in ("reference.bcf", "reference.vcf.gz"):
        said = []
        inputs.check_positions(["real"], [bim], [{}], tmp_path, panel_files=[REAL / panel], say=said.append)
        assert said == ["real: 0 of 100 SNPs with an rsID of the reference panel lie elsewhere"]
        with pytest.raises(InputError, match=r"real: positions are not GRCh37: 24942 of 24942"):
            inputs.check_positions(
                ["real"], [shifted(bim, 12477)], [{}], tmp_path, panel_files=[REAL / panel], say=quiet
            )


def fam_of(*people):
    return pd.DataFrame(people, columns=["fid", "iid"])


def table_of(path, *ids):
    rows = "".join(f"sub-{number}\t{name}\n" for number, name in enumerate(ids, start=1))
    path.write_text(f"participant_id\tgenotype_id\n{rows}")
    return path


SPELLINGS = {
    "case": (["ab1", "ab2"], [("F1", "AB1"), ("F2", "AB2")], "in upper or lower case only"),
    "zeros": (["12", "13"], [("0", "0012"), ("0", "0013")], "by leading zeros"),
    "prefix": (["sub-a1", "sub-a2"], [("0", "a1"), ("0", "a2")], "by a sub- prefix"),
    "other prefix": (["a1", "a2"], [("0", "sub-a1"), ("0", "sub-a2")], "by a sub- prefix"),
    "numbers": (["1001.0", "1002.0"], [("0", "1001"), ("0", "1002")], "by a trailing .0"),
    "hyphens": (["A-1", "A-2"], [("0", "A_1"), ("0", "A_2")], "by white space, dots, hyphens"),
    "family": (["F1", "F2"], [("F1", "1"), ("F2", "2")], "genotype_id is the family id"),
    "joined here": (["F1_a", "F2_a"], [("F1", "a"), ("F2", "b")], "genotype_id joins family and individual id"),
    "joined there": (["a", "b"], [("0", "F1_a"), ("0", "F2_b")], "the fileset's id joins"),
    "doubled": (["a", "b"], [("a_a", "a_a"), ("b_b", "b_b")], "the fileset's id is doubled"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_difference_of_spelling_is_named(tmp_path, name):
    ids, people, words = SPELLINGS[name]
    path = table_of(tmp_path / "p.tsv", *ids)
    with pytest.raises(InputError, match=r"the genotype_id of 2 of 2 participants is in no fileset") as caught:
        people_matching.match(path, [fam_of(*people)], ["a"], 0.5, quiet)
    assert words in str(caught.value)
    assert f"genotype_id {ids[0]}, in the fileset {people[0][1]}" in str(caught.value)


def test_no_suggestion_where_two_people_fit():
    hint, suggestions = people_matching.spelling(["ab"], fam_of(("0", "AB"), ("0", "Ab")), {"AB", "Ab"})
    assert (hint, suggestions) == (None, {})
    assert people_matching.spelling(["x"], fam_of(("0", "y")), {"y"}) == (None, {})


def test_ids_are_matched_both_ways(tmp_path):
    path = table_of(tmp_path / "p.tsv", "a", " b ", "n/a", "C", "e", "f", "g")
    fams = [fam_of(("a", "a"), ("b", "b"), ("c", "c"), ("e", "e")), fam_of(("a", "a"), ("x", "x"), ("f", "f"))]
    said = []
    table = people_matching.match(path, fams, ["one", "two"], 0.5, said.append)
    assert table.where(table.notna(), None).to_numpy().tolist() == [
        ["sub-1", "a", "one,two", "found", None],
        ["sub-2", "b", "one", "found", None],
        ["sub-3", None, None, "no_genotype_id", None],
        ["sub-4", "C", None, "no_genotypes", "c"],
        ["sub-5", "e", "one", "found", None],
        ["sub-6", "f", "two", "found", None],
        ["sub-7", "g", None, "no_genotypes", None],
        [None, "c", "one", "not_a_participant", None],
        [None, "x", "two", "not_a_participant", None],
    ]
    assert said == [
        "4 of 6 participants with a genotype_id are in a fileset",
        "WARNING: 2 are in none: sub-4: C, sub-7: g",
        "2 people of the filesets are no participants: c, x",
        "WARNING: 1 of them differ in upper or lower case only: genotype_id C, in the fileset c",
    ]


def test_ids_that_match_nobody_show_ten_of_each(tmp_path):
    path = table_of(tmp_path / "p.tsv", *[f"P{n}" for n in range(30)])
    fam = fam_of(*[("0", f"Q{n:02d}x") for n in range(25)])
    with pytest.raises(InputError) as caught:
        people_matching.match(path, [fam], ["a"], 0.0, quiet)
    text = str(caught.value)
    assert "30 of 30 participants" in text
    assert "sub-10: P9 and 20 more" in text and "P10" not in text
    assert "Q09x and 15 more" in text and "Q10x" not in text


def test_a_fam_of_another_array_is_seen_by_people_typed_twice(study, tmp_path):
    """The same people on two arrays, one with its .fam shifted by a line: nothing in the bytes tells."""
    prefix = study.genotypes[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    for name, table in (("right", fam), ("shifted", pd.concat([fam.iloc[1:], fam.iloc[:1]]))):
        bed.write_fileset(tmp_path / name, calls, bim, table)
        validate.read_fileset(tmp_path / name)
    with pytest.raises(InputError, match=r"right and shifted: \d+ of \d+ people who are on both have different calls"):
        pipeline.prepare(
            [tmp_path / "right", tmp_path / "shifted"], settings("genotype_qc"), tmp_path, tmp_path / "qc", say=quiet
        )


def test_few_people_who_disagree_everywhere(study, tmp_path):
    prefix = study.genotypes[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix).iloc[:2]
    calls = bed.read_bed(prefix, len(bed.read_fam(prefix)), np.arange(len(bim)))[:, :2]
    bed.write_fileset(tmp_path / "one", calls, bim, fam)
    bed.write_fileset(tmp_path / "two", calls, bim, fam.iloc[::-1])
    with pytest.raises(InputError, match=r"one \+ two: everybody is on several arrays, with different calls"):
        pipeline.prepare(
            [tmp_path / "one", tmp_path / "two"], settings("genotype_qc"), tmp_path, tmp_path / "q", say=quiet
        )


def test_an_empty_or_monomorphic_array_says_so(study, tmp_path):
    fam = bed.read_fam(study.genotypes[0])
    bim = bim_of(*[("1", f"x{n}", 1000 * n) for n in range(1, 300)])
    calls = np.ones((len(bim), len(fam)), np.int8)
    calls[:] = np.random.default_rng(1).integers(0, 3, calls.shape)
    bed.write_fileset(tmp_path / "x", calls[:0], bim.iloc[:0], fam)
    with pytest.raises(InputError, match=r"x\.bim: the file is empty"):
        pipeline.prepare([tmp_path / "x"], settings("genotype_qc"), tmp_path, tmp_path / "qc", say=quiet)
    calls[:] = 2
    calls[:, 0] = 1
    bed.write_fileset(tmp_path / "x", calls, bim, fam)
    with pytest.raises(InputError, match="step maf: nothing is left"):
        pipeline.prepare([tmp_path / "x"], settings("genotype_qc", hwe_p=0), tmp_path, tmp_path / "qc", say=quiet)
