"""PLINK files: read and written as others do, and every way in which they can be broken is one clear line."""

import gzip
import os
import subprocess

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed
from genetics_fixture import make

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.people_matching import read_wanted
from gcamccl.genotype_qc.plink import run
from gcamccl.genotype_qc.validate import chromosome_names, read_fileset
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
        counts = [(other == copies).sum(axis=1) for copies in (2, 1, 0, bed.MISSING)]
        assert (bed.count_calls(prefix, len(other), len(fam), snps_at_once=100) == np.array(counts).T).all()


@pytest.mark.parametrize("padding", [0b01, 0b10, 0b11])
def test_calls_are_counted_whatever_the_unused_bits_hold(padding, tmp_path):
    calls = np.random.default_rng(1).integers(-1, 3, (40, 5))
    bed.write_bed(calls, tmp_path / "a.bed")
    content = bytearray((tmp_path / "a.bed").read_bytes())
    for last in range(4, len(content), 2):  # after three magic bytes, two bytes a SNP; the second holds one person
        content[last] |= padding << 2 | padding << 4 | padding << 6
    (tmp_path / "a.bed").write_bytes(content)
    expected = [(calls == copies).sum(axis=1) for copies in (2, 1, 0, bed.MISSING)]
    assert (bed.count_calls(tmp_path / "a", 40, 5) == np.array(expected).T).all()


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
    "fam header": (
        fam_lines(lambda lines: ["FID IID PAT MAT SEX PHENOTYPE", *lines[1:]]),
        r"array\.fam: line 1 is a header",
    ),
    "bim header": (
        lambda f: put(f, ".bim", ["CHR\tSNP\tCM\tBP\tA1\tA2", *lines_of(f, ".bim")]),
        r"array\.bim: line 1 is a header .*remove the first line",
    ),
    "fam blank": (fam_lines(lambda lines: [*lines[:3], "", *lines[3:]]), r"array\.fam: line 4 is blank"),
    "fam not utf-8": (
        lambda f: bed.path(f, ".fam").write_bytes(b"a b 0 0 1 -9\n\xe9 c 0 0 1 -9\n"),
        r"array\.fam: line 2 is not UTF-8",
    ),
    "bim utf-16": (
        lambda f: bed.path(f, ".bim").write_text(bed.path(f, ".bim").read_text(), encoding="utf-16"),
        r"array\.bim: not plain text \(UTF-16",
    ),
    "bim gzip'ed": (
        lambda f: bed.path(f, ".bim").write_bytes(gzip.compress(bed.path(f, ".bim").read_bytes())),
        r"array\.bim: this file is gzip-compressed; unpack it",
    ),
    "bim a folder": (
        lambda f: (bed.path(f, ".bim").unlink(), bed.path(f, ".bim").mkdir()),
        r"array\.bim: this is a folder",
    ),
    "fam within-family ids": (
        fam_lines(lambda lines: [f"F{n // 2} {n % 2 + 1} 0 0 1 -9" for n in range(len(lines))]),
        r"individual id 1 is on lines 1, 3,.*such as family and individual id joined",
    ),
    "no fam": (lambda f: bed.path(f, ".fam").unlink(), r"array\.fam: no such file"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_filesets(fileset, name):
    change, message = BROKEN[name]
    with pytest.raises(InputError, match=message):
        change(fileset)
        read_fileset(fileset)


def part_of(study, folder, n_people, extra=None):
    """A fileset of the first people of an array; its .bed may have more people than its .fam, or fewer."""
    bim, fam = bed.read_bim(study.genotypes[0]), bed.read_fam(study.genotypes[0])
    calls = bed.read_bed(study.genotypes[0], len(fam), np.arange(len(bim)))
    bed.write_fileset(folder / "part", calls[:, :n_people], bim, fam.iloc[:n_people])
    if extra:
        lines = lines_of(folder / "part", ".fam")
        put(folder / "part", ".fam", [*lines, *STRANGERS[:extra]] if extra > 0 else lines[:extra])
    return folder / "part"


@pytest.mark.parametrize("n_people", [40, 41, 42, 43])
@pytest.mark.parametrize("extra", [-3, -2, -1, 1, 2, 3, 4])
def test_a_fam_some_lines_off_is_always_seen(study, tmp_path, n_people, extra):
    """Four people share a byte: of these the size tells about a quarter."""
    read_fileset(part_of(study, tmp_path, n_people))
    with pytest.raises(InputError, match=r"part\.(fam|bed): .*(have no calls|more calls|size fits)"):
        read_fileset(part_of(study, tmp_path, n_people, extra))


@pytest.mark.parametrize("code", [0b01, 0b10, 0b11])
@pytest.mark.parametrize("n_people", [41, 42, 43])
def test_padding_of_other_programs_is_accepted(study, tmp_path, n_people, code):
    prefix = part_of(study, tmp_path, n_people)
    calls = bed.read_bed(prefix, n_people, np.arange(len(bed.read_bim(prefix))))
    data = np.frombuffer(bed.path(prefix, ".bed").read_bytes(), np.uint8).copy()
    records = data[3:].reshape(len(calls), -1)
    for slot in range(n_people % 4, 4):
        records[:, -1] |= code << (2 * slot)
    bed.path(prefix, ".bed").write_bytes(data.tobytes())
    said = []
    _, fam = read_fileset(prefix, say=said.append)
    assert f"{code:02b} throughout, not 00" in said[-1]
    assert (bed.read_bed(prefix, len(fam), np.arange(len(calls))) == calls).all()
    # Padding that varies looks like a lost line; what the message advises mends it.
    records[::2, -1] &= (1 << (2 * (n_people % 4))) - 1
    bed.path(prefix, ".bed").write_bytes(data.tobytes())
    with pytest.raises(InputError, match=r"more calls than the \.fam has people.*plink1\.9 --bfile PREFIX --make-bed"):
        read_fileset(prefix)
    run(
        [
            "plink1.9",
            "--bfile",
            prefix,
            "--make-bed",
            "--keep-allele-order",
            "--allow-no-sex",
            "--out",
            tmp_path / "new",
        ]
    )
    read_fileset(tmp_path / "new")


def test_people_who_may_well_be_alike_are_no_line_too_many(tmp_path):
    """Sequenced rare variants: the last person carries none of them, whichever allele is A1."""
    rng = np.random.default_rng(3)
    bim = pd.DataFrame({"chrom": 1, "id": [f"rs{i}" for i in range(400)], "cm": 0, "pos": range(1, 401)})
    bim["a1"], bim["a2"] = "A", "G"
    names = [f"p{i}" for i in range(50)]
    fam = pd.DataFrame({"fid": names, "iid": names, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
    rare = (rng.random((400, 50)) < 0.004).astype(np.int8)
    rare[:, -1] = 0
    for calls in (rare, 2 - rare):
        bed.write_fileset(tmp_path / "x", calls, bim, fam)
        read_fileset(tmp_path / "x")
    rare[:, -1] = -1
    said = []
    bed.write_fileset(tmp_path / "x", rare, bim, fam)
    read_fileset(tmp_path / "x", say=said.append)
    assert said == ["x.fam: the last 1 of 50 lines have no call at any SNP: failed, or a line too many"]


def test_a_bim_of_another_fileset_is_seen_where_it_names_one_allele(study, fileset):
    """Without such SNPs nothing tells: as many lines from elsewhere fit any .bed."""
    bim = bed.read_bim(fileset)
    calls = bed.read_bed(fileset, 39, np.arange(len(bim)))
    calls[::10] = np.where(calls[::10] < 0, -1, 0)
    rest = pd.Series(np.arange(len(bim)) % 10 == 0)
    one = bim.assign(a1=bim["a1"].where(~rest, "0"))
    bed.write_fileset(fileset, calls, one, bed.read_fam(fileset))
    said = []
    read_fileset(fileset, say=said.append)
    assert said == ["array.bim: 10 SNPs whose position is on several lines"]  # planted second probes
    shifted = pd.concat([one.iloc[3:], one.iloc[:3]])
    bed.write_bim(shifted, bed.path(fileset, ".bim"))
    with pytest.raises(
        InputError, match=r"array\.bim: of \d+ SNPs for which it names one allele, \d+ have calls of two"
    ):
        read_fileset(fileset)


def test_what_is_odd_about_a_bim_is_said_not_refused(fileset):
    rows = [line.split("\t") for line in lines_of(fileset, ".bim")]
    rows[1][1] = rows[0][1]
    rows[3][3] = rows[2][3]
    rows[4][1] = "."
    rows[5][4:] = ["I", "D"]
    rows[6][4] = rows[6][4].lower()
    rows[7][0] = "chr6_apd_hap1"
    rows[8][0] = "chr0" + rows[8][0] if len(rows[8][0]) == 1 else rows[8][0]
    rows[9][3] = "1e+06"
    rows[-1][0] = "chrX"
    put(fileset, ".bim", ["\t".join(row) for row in rows])
    bed.path(fileset, ".bim").write_bytes(b"\xef\xbb\xbf" + bed.path(fileset, ".bim").read_bytes())
    said = []
    bim, _ = read_fileset(fileset, say=said.append)
    assert len(said) == 1
    assert said[0].removeprefix("array.bim: ").split(", ") == [
        "2 SNPs whose id is on several lines",
        "12 SNPs whose position is on several lines",  # with the planted second probes of the simulated array
        "1 SNPs without an id",
        "1 SNPs on contigs beside the chromosomes",
        "1 SNPs insertions or deletions",
        "1 SNPs with lower-case alleles",
        "read as upper case",
        "not in order of position",
    ]
    assert (bim["chrom"][0], bim["chrom"][7], bim["chrom"].iloc[-1], bim["pos"][9]) == ("21", "0", "23", 1_000_000)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(fileset):
    bed.path(fileset, ".bim").chmod(0)
    with pytest.raises(InputError, match=r"array\.bim: cannot be read: Permission denied"):
        read_fileset(fileset)


def test_chromosome_names():
    names = pd.Series(["chr1", "CHR01", "Chr10", "x", "chrXY", "PAR1", "chrM", "MT", "0", "00", "chr23", "chrUn", "Z"])
    wanted = ["1", "1", "10", "23", "25", "25", "26", "26", "0", "0", "23", "0", "Z"]
    assert list(chromosome_names(names)) == wanted


def test_participants_table(tmp_path):
    path = tmp_path / "p.tsv"
    path.write_text("participant_id\tgenotype_id\na\tG1\nb\tn/a\nc\tG2\n")
    assert read_wanted(path) == {"G1": "a", "G2": "c"}
    path.write_text("participant_id\tgenotype_id\na\t G1 \nb\t  \n")
    assert read_wanted(path) == {"G1": "a"}
    path.write_text("participant_id\tgenotype_id\na\tG1\nb\tG1\n")
    with pytest.raises(InputError, match="line 3: genotype_id G1 is already that of a"):
        read_wanted(path)
    path.write_text("participant_id\nx\n")
    with pytest.raises(InputError, match="no column genotype_id"):
        read_wanted(path)
    path.write_text("participant_id\tgenotype_id\na\tn/a\n")
    with pytest.raises(InputError, match="nobody has a genotype_id"):
        read_wanted(path)
