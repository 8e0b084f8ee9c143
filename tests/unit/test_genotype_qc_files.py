"""PLINK files: read and written as others do, and every way in which they can be broken is one clear line."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed
from genetics_fixture import make

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import ToolError, run
from gcamccl.genotype_qc.validate import read_fileset, read_wanted
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture
def fileset(study, tmp_path):
    """A sound fileset of 39 people (one of four slots of each record's last byte is free) that a test may break."""
    bim, fam = bed.read_bim(study.genotypes[0]), bed.read_fam(study.genotypes[0])
    calls = bed.read_bed(study.genotypes[0], len(fam), np.arange(len(bim)))
    bed.write_fileset(tmp_path / "array", calls[:, :39], bim, fam.iloc[:39])
    read_fileset(tmp_path / "array")
    return tmp_path / "array"


def lines_of(fileset, suffix):
    return bed.path(fileset, suffix).read_text().splitlines()


def put(fileset, suffix, lines):
    bed.path(fileset, suffix).write_text("".join(f"{line}\n" for line in lines))


def test_reading_agrees_with_bed_reader(study):
    for prefix in study.genotypes:
        fam = bed.read_fam(prefix)
        with open_bed(f"{prefix}.bed", count_A1=True) as file:
            other = file.read(dtype="int8").T
        other[other == -127] = bed.MISSING
        rows = np.arange(len(other))
        assert (bed.read_bed(prefix, len(fam), rows) == other).all()
        assert (bed.read_bed(prefix, len(fam), rows[::-7]) == other[::-7]).all()
        assert (bed.read_people(prefix, len(other), len(fam), [4, 1], snps_at_once=100) == other[:, [4, 1]]).all()
        assert np.allclose(bed.missing_share(prefix, len(other), len(fam), snps_at_once=100), (other < 0).mean(axis=1))


@pytest.mark.parametrize("n_people", [1, 4, 5, 6, 7])
def test_plink_reads_what_is_written(n_people, tmp_path):
    rng = np.random.default_rng(n_people)
    calls = rng.integers(-1, 3, (30, n_people)).astype(np.int8)
    bim = pd.DataFrame({"chrom": 1, "id": [f"rs{i}" for i in range(30)], "cm": 0, "pos": range(1, 31)})
    bim["a1"], bim["a2"] = "A", "G"
    names = [f"p{i}" for i in range(n_people)]
    fam = pd.DataFrame({"fid": names, "iid": names, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
    bed.write_fileset(tmp_path / "x", calls, bim, fam)
    words = ["plink2", "--bfile", tmp_path / "x", "--export", "A", "--export-allele", tmp_path / "count", "--out", "y"]
    (tmp_path / "count").write_text("".join(f"rs{i}\tA\n" for i in range(30)))
    subprocess.run(list(map(str, words)), check=True, capture_output=True, cwd=tmp_path)
    table = pd.read_csv(tmp_path / "y.raw", sep="\t").iloc[:, 6:]
    assert (calls == table.fillna(-1).to_numpy().T).all()
    read_fileset(tmp_path / "x")


def test_a_fileset_without_snps(tmp_path):
    names = ["a", "b"]
    fam = pd.DataFrame({"fid": names, "iid": names, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
    bed.write_fileset(tmp_path / "x", np.zeros((0, 2), np.int8), pd.DataFrame(columns=bed.BIM), fam)
    assert (tmp_path / "x.bed").read_bytes() == b"\x6c\x1b\x01"
    assert len(bed.read_bim(tmp_path / "x")) == 0
    assert bed.read_bed(tmp_path / "x", 2, []).shape == (0, 2)
    assert len(read_fileset(tmp_path / "x", allow_empty=True)[0]) == 0
    with pytest.raises(InputError, match=r"x\.bim: the file is empty"):
        read_fileset(tmp_path / "x")
    (tmp_path / "x.bed").write_bytes(b"\x6c\x1b\x01\x00")
    with pytest.raises(InputError, match=r"x\.bed: too long: 4 bytes, but 0 SNPs"):
        read_fileset(tmp_path / "x", allow_empty=True)


def test_names_and_alleles_are_normalised(fileset):
    rows = [line.split("\t") for line in lines_of(fileset, ".bim")]
    put(fileset, ".bim", ["\t".join(["chr" + r[0], *r[1:4], r[4].lower(), r[5].lower()]) for r in rows])
    bim, _ = read_fileset(fileset)
    assert list(bim["chrom"]) == [r[0] for r in rows]
    assert list(bim["a1"]) == [r[4] for r in rows]
    code = {"A": "1", "C": "2", "G": "3", "T": "4"}
    put(fileset, ".bim", ["\t".join([*r[:4], code[r[4]], code[r[5]]]) for r in rows])
    assert list(read_fileset(fileset)[0]["a2"]) == [r[5] for r in rows]
    bed.path(fileset, ".bim").write_text("".join("\t".join(r) + "\r\n" for r in rows), newline="")
    assert list(read_fileset(fileset)[0]["a2"]) == [r[5] for r in rows]


@pytest.mark.parametrize("code", ["12", "10", "12DI"])
def test_alleles_one_and_two_are_no_bases(fileset, code):
    """What plink --recode12 writes: reading it as A and C would pass every later check."""
    rows = [line.split("\t") for line in lines_of(fileset, ".bim")]
    put(fileset, ".bim", ["\t".join([*row[:4], code[0], code[1]]) for row in rows])
    if len(code) > 2:
        bim_line(1, slice(4, 6), list(code[2:]))(fileset)
    line = 2 if len(code) > 2 else 1
    message = rf"array\.bim: line {line}: alleles {code[0]} {code[1]}; 1/2 coding .* does not say which base"
    with pytest.raises(InputError, match=message):
        read_fileset(fileset)


def broken_bed(change):
    def apply(fileset):
        path = bed.path(fileset, ".bed")
        path.write_bytes(change(path.read_bytes()))

    return apply


def fam_lines(change):
    return lambda fileset: put(fileset, ".fam", change(lines_of(fileset, ".fam")))


def bim_line(number, field, value):
    def apply(fileset):
        lines = lines_of(fileset, ".bim")
        fields = lines[number - 1].split("\t")
        fields[field] = value
        lines[number - 1] = "\t".join(fields)
        put(fileset, ".bim", lines)

    return apply


STRANGERS = [f"X{number} X{number} 0 0 1 -9" for number in range(9)]
BROKEN = {
    "truncated": (broken_bed(lambda data: data[:-7]), r"array\.bed: truncated: \d+ bytes, but \d+ SNPs"),
    "padded": (broken_bed(lambda data: data + b"\0"), r"array\.bed: too long"),
    "empty": (broken_bed(lambda data: b""), r"array\.bed: the file is empty"),
    "magic": (broken_bed(lambda data: b"\0\0" + data[2:]), r"array\.bed: not a PLINK 1 \.bed: it starts with bytes 00"),
    "sample major": (broken_bed(lambda data: data[:2] + b"\0" + data[3:]), r"not SNP-major.*plink1\.9"),
    "fam short": (fam_lines(lambda lines: lines[:-1]), r"more calls than the \.fam has people"),
    "fam long": (fam_lines(lambda lines: [*lines, STRANGERS[0]]), r"array\.fam: the last 1 of 40 lines have no calls"),
    "fam longer": (fam_lines(lambda lines: [*lines, *STRANGERS]), r"size fits 37 to 40"),
    "fam twice": (fam_lines(lambda lines: [*lines[:2], *lines[1:-1]]), r"array\.fam: individual id .* lines 2, 3"),
    "fam fields": (fam_lines(lambda lines: [*lines[:4], "a b", *lines[5:]]), r"array\.fam: line 5 has 2 fields, not 6"),
    "bim short": (lambda f: put(f, ".bim", lines_of(f, ".bim")[:-1]), r"array\.bed: too long.*size fits"),
    "bim position": (bim_line(3, 3, "12x"), r"array\.bim: line 3: position '12x'"),
    "bim chromosome": (bim_line(2, 0, "chr99"), r"array\.bim: line 2: unknown chromosome '99'"),
    "bim alleles": (bim_line(4, 4, "B"), r"array\.bim: line 4: alleles B . are not A, C, G, T"),
    "no fam": (lambda f: bed.path(f, ".fam").unlink(), r"array\.fam: no such file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_filesets(fileset, name):
    change, message = BROKEN[name]
    with pytest.raises(InputError, match=message):
        change(fileset)
        read_fileset(fileset)


def test_participants_table(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("participant_id\tgenotype_id\na\tG1\nb\tn/a\nc\tG2\n")
    assert read_wanted(path) == {"G1": "a", "G2": "c"}
    path.write_text("participant_id\tgenotype_id\na\tG1\nb\tG1\n")
    with pytest.raises(InputError, match="line 3: genotype_id G1 is already that of a"):
        read_wanted(path)
    path.write_text("participant_id\nx\n")
    with pytest.raises(InputError, match="no column genotype_id"):
        read_wanted(path)
    path.write_text("participant_id\tgenotype_id\na\tn/a\n")
    with pytest.raises(InputError, match="nobody has a genotype_id"):
        read_wanted(path)


def test_a_tools_own_error_line_is_shown(fileset):
    with pytest.raises(ToolError, match=r"plink1\.9 .* ended with status \d+: Error: .*nowhere"):
        run(["plink1.9", "--bfile", "nowhere", "--freq", "--out", fileset])
    with pytest.raises(InputError, match="not installed"):
        run(["no-such-program"])


def test_the_program_stops_with_one_line_and_no_results(study, fileset, tmp_path):
    bed.path(fileset, ".bed").write_bytes(bed.path(fileset, ".bed").read_bytes()[:-7])
    script = ROOT / "workflow" / "scripts" / "genotype_qc.py"
    words = [sys.executable, script, "--genotypes", fileset, "--out", tmp_path / "out"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ERROR: {fileset}.bed: truncated")
    assert len(done.stderr.splitlines()) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_the_program_writes_what_the_contract_says(study, tmp_path):
    script = ROOT / "workflow" / "scripts" / "genotype_qc.py"
    words = [sys.executable, script, "--genotypes", *study.genotypes, "--participants", study.participants]
    subprocess.run([*map(str, words), "--out", str(tmp_path)], check=True, capture_output=True)
    pcs = ["pc1", "pc2", "pc3", "pc4", "pc5"]
    header = {path.name: path.read_text().splitlines()[0].split("\t") for path in tmp_path.glob("*.tsv")}
    assert header == {
        "attrition.tsv": ["step", "snps_in", "snps_out", "samples_in", "samples_out"],
        "dropped.tsv": ["kind", "id", "array", "step", "reason"],
        "harmonised.tsv": ["id", "array", "array_id", "action"],
        "typed_twice.tsv": ["genotype_id", "array", "call_rate", "concordance", "n_compared", "keep"],
        "pca.tsv": ["genotype_id", *pcs],
        "eigenvalues.tsv": ["component", "eigenvalue", "variance_share", "stands_out"],
        "samples.tsv": [
            *("genotype_id", "participant_id", "arrays", "sex", "fam_sex", "genotype_sex", "call_rate"),
            *("heterozygosity", "f", "heterozygosity_z", "group", "n_related", "flags", "kept", "dropped_at", "reason"),
            *pcs,
        ],
        "relatedness.tsv": [
            *("genotype_id_1", "genotype_id_2", "kinship", "ibs0", "n_snps", "relation"),
            *("family_1", "family_2", "declared", "flag"),
        ],
        "sex_check.tsv": [
            *("genotype_id", "array", "fam_sex", "f", "n_x_snps", "y_call_rate", "n_y_snps", "genotype_sex")
        ],
        "hwe.tsv": ["id", "heterozygosity", "expected_heterozygosity", "p", "p_group1"],
        "hwe_summary.tsv": ["n_snps", "threshold", "pooled", "within", "both", "n_groups", "far_more"],
        "notes.tsv": ["check", "level", "text"],
    }
    assert sorted(path.suffix for path in tmp_path.glob("qc.*")) == [".bed", ".bim", ".fam"]
