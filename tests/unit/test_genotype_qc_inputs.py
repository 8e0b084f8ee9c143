"""Every format of genotypes gives the same calls as PLINK and bcftools read; what is lost is named."""

import io
import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import SHARED, make, quiet, settings

from gcamccl.genotype_qc import bed, convert, pipeline, sources, validate
from gcamccl.workflow.errors import InputError

REAL = SHARED / "genotypes" / "chr20_1kg"
real_data = pytest.mark.skipif(not REAL.exists(), reason="the real chr20 data are not on this machine")
HEAD = [
    "##fileformat=VCFv4.2",
    *(f"##contig=<ID={name}>" for name in ("chr1", "chr2", "chrX", "chrY", "chrUn_GL000220v1")),
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    '##FORMAT=<ID=DS,Number=1,Type=Float,Description="Dosage">',
    '##FORMAT=<ID=GP,Number=G,Type=Float,Description="Probabilities">',
]
FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]


def tool(*words):
    return subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout


def write_vcf(path, records, people=("a_1", "b", "c-d"), form="GT"):
    """Records: chrom, pos, id, ref, alt, calls; a suffix other than .vcf is written by bcftools."""
    lines = [*HEAD, "\t".join([*FIXED, *people])]
    lines += ["\t".join([*map(str, fields[:5]), ".", "PASS", ".", form, *fields[5]]) for fields in records]
    text = "".join(f"{line}\n" for line in lines)
    if str(path).endswith(".vcf"):
        path.write_text(text)
    else:
        kind = "-Ob" if str(path).endswith(".bcf") else "-Oz"
        subprocess.run(["bcftools", "view", kind, "-o", str(path)], input=text.encode(), check=True)
    return path


def converted(entry, scratch, chromosomes=(), say=quiet):
    """Account of the conversion, tables and calls of an entry."""
    made = convert.to_bed(sources.find([entry], chromosomes)[0], scratch, 0, say)
    bim, fam = validate.read_fileset(made.prefix)
    return made, bim, fam, bed.read_bed(made.prefix, len(fam), np.arange(len(bim)))


RECORDS = [
    ("chr1", 100, "rs1", "A", "G", ["0/1", "1|1", "0/0"]),
    ("chr1", 120, ".", "A", "G,T", ["0/1", "1/2", "0/0"]),
    ("chr1", 130, "sv1", "A", "<DEL>", ["0/1", "1/1", "0/0"]),
    ("chr1", 140, ".", "a", "c", ["./.", "0|1", "1|0"]),
    ("chr1", 150, "rs5", "AT", "A", ["0/0", "0/1", "1/1"]),
    ("chr1", 150, "rs5", "A", "T", ["0/0", "0/1", "./."]),
    ("chr2", 10, "mono", "C", ".", ["0/0", "0/0", "0/0"]),
    ("chrX", 5_000_000, "rsX", "A", "G", ["0", "1/0", "1"]),
    ("chrY", 3_000_000, "rsY", "A", "G", ["0", ".", "1"]),
    ("chrUn_GL000220v1", 10, "un1", "A", "G", ["0/0", "0/1", "1/1"]),
]


@pytest.mark.parametrize("suffix", [".vcf", ".vcf.gz", ".bcf"])
def test_a_vcf_keeps_what_a_bed_can_hold(tmp_path, suffix):
    made, bim, fam, calls = converted(write_vcf(tmp_path / f"array{suffix}", RECORDS), tmp_path)
    assert made.dropped == [("1:120", "multiallelic"), ("sv1", "symbolic_allele"), ("un1", "contig_unknown")]
    assert (made.n_variants, made.n_people) == (10, 3)
    assert list(fam["iid"]) == list(fam["fid"]) == ["a_1", "b", "c-d"]
    assert set(fam["sex"]) == {"0"}
    rows = zip(bim["chrom"], bim["id"], bim["a1"], bim["a2"], map(list, calls), strict=True)
    assert sorted(rows) == sorted(
        [
            ("1", "rs1", "G", "A", [1, 2, 0]),
            ("1", ".", "C", "A", [-1, 1, 1]),
            ("1", "rs5", "A", "AT", [0, 1, 2]),
            ("1", "rs5", "T", "A", [0, 1, -1]),
            ("2", "mono", "0", "C", [0, 0, 0]),
            ("23", "rsX", "G", "A", [0, 1, 2]),  # a haploid call counts as two of its allele
            ("24", "rsY", "G", "A", [0, -1, 2]),
        ]
    )


def test_half_calls_are_missing_and_counted(tmp_path):
    records = [
        ("chr1", 100, "rs1", "A", "G", ["0/.", "1|.", "./1"]),
        ("chr1", 200, "rs2", "A", "G", [".|0", "./.", ".|."]),
        ("chr1", 300, "rs3", "A", "G", ["0/1", "1/1", "0/0"]),
    ]
    said = []
    _, _, _, calls = converted(write_vcf(tmp_path / "half.vcf.gz", records), tmp_path, say=said.append)
    assert calls.tolist() == [[-1] * 3, [-1] * 3, [1, 2, 0]]
    assert said == ["half.vcf.gz: 4 half calls (one allele missing) count as missing"]


def test_dosages_become_calls_only_where_they_are_clear(tmp_path):
    records = [
        ("chr1", 100, "rs1", "A", "G", ["0.05", "0.5", "1.93"]),
        ("chr1", 200, "rs2", "A", "G", ["1", "1.2", "."]),
    ]
    said = []
    path = write_vcf(tmp_path / "dose.vcf", records, form="DS")
    _, _, _, calls = converted(path, tmp_path, say=said.append)
    assert calls.tolist() == [[0, -1, 2], [1, -1, -1]]
    assert said == [
        "dose.vcf: no calls (GT) in it; dosages (DS) within 0.1 of 0, 1 or 2 count as calls, others as missing"
    ]
    write_vcf(path, [("chr1", 100, "rs1", "A", "G", ["1,0,0"] * 3)], form="GP")
    with pytest.raises(InputError, match=r"dose\.vcf: its records hold GP, neither calls \(GT\) nor dosages"):
        converted(path, tmp_path)


def test_chromosomes_in_pieces_are_sorted(tmp_path):
    records = [
        (chrom, pos, f"rs{pos}", "A", "G", ["0/1", "1/1", "0/0"])
        for chrom, pos in (("chr1", 9), ("chr2", 5), ("chr1", 7))
    ]
    said = []
    _, bim, _, _ = converted(write_vcf(tmp_path / "x.vcf", records), tmp_path, say=said.append)
    assert list(bim["pos"]) == [7, 9, 5]
    assert said == ["x.vcf: its chromosomes are not in one piece each; sorted"]


BAD_VCF = {
    "sites only": (lambda text: text.replace("\tFORMAT\ta_1\tb\tc-d", ""), "no genotypes in it, only sites"),
    "id with a space": (lambda text: text.replace("\tb\t", "\tb b\t", 1), r"sample id 'b b' holds white space"),
    "id twice": (lambda text: text.replace("\ta_1\tb\t", "\tb\tb\t", 1), r"x\.vcf: .*Duplicated sample name 'b'"),
    "no records": (lambda text: text[: text.index("chr1\t")], r"plink2 cannot read it: .*[Nn]o variants"),
    "not a VCF": (lambda text: "hello\n", "not a readable VCF"),
    "broken record": (lambda text: text.replace("\t0/1\t1|1", "\t0/1", 1), "plink2 cannot read it"),
    "nothing usable": (
        lambda text: text.replace("chr1\t", "chrUn_GL000220v1\t"),
        "none of its 1 variants .*contig_unknown: 1",
    ),
}


@pytest.mark.parametrize("name", BAD_VCF)
def test_bad_vcfs(tmp_path, name):
    change, message = BAD_VCF[name]
    path = write_vcf(tmp_path / "x.vcf", RECORDS[:1])
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        converted(path, tmp_path)


def test_a_truncated_vcf(tmp_path):
    path = write_vcf(tmp_path / "x.vcf.gz", RECORDS[:1] * 5000)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"x\.vcf\.gz: "):
        converted(path, tmp_path)


@real_data
@pytest.mark.parametrize("name", ["unphased.vcf.gz", "unphased.bcf"])
def test_real_calls_are_those_of_bcftools(tmp_path, name):
    made, bim, fam, calls = converted(REAL / name, tmp_path)
    text = tool("bcftools", "query", "-f", "%CHROM\t%POS\t%ID\t%REF\t%ALT\n", REAL / name)
    other = pd.read_csv(io.StringIO(text), sep="\t", header=None, dtype=str)
    assert (made.n_variants, made.dropped, len(bim)) == (len(other), [], len(other))
    assert list(fam["iid"]) == tool("bcftools", "query", "-l", REAL / name).split()
    for column, values in zip(("chrom", "pos", "id", "a2", "a1"), other.to_numpy().T, strict=True):
        assert list(bim[column].astype(str)) == list(values)
    # Calls as text: three characters each, all diploid.
    text = tool("bcftools", "query", "-f", "[%GT]\n", REAL / name)
    letters = np.frombuffer(text.encode(), np.uint8).reshape(len(bim), 3 * len(fam) + 1)[:, :-1]
    one, two = letters[:, 0::3].astype(np.int8), letters[:, 2::3].astype(np.int8)
    copies = np.where((one == ord(".")) | (two == ord(".")), -1, one + two - 2 * ord("0"))
    assert (calls == copies).all()
    assert set(np.unique(copies)) >= {0, 1, 2}
    assert made.lengths["20"] == 63025520


@real_data
def test_plink2_filesets_and_plink2s_own_counts(tmp_path):
    """VCF -> PGEN by PLINK 2 itself -> our .bed; calls against plink2 --export A."""
    for more, pvar in (([], ".pvar"), (["vzs"], ".pvar.zst")):
        out = tmp_path / f"real{len(more)}"
        words = ["plink2", "--bcf", REAL / "unphased.bcf", "--from-bp", 1_000_000, "--to-bp", 1_300_000, "--chr", 20]
        tool(*words, "--make-pgen", *more, "--threads", "1", "--out", out)
        assert sources.find([out])[0].files[1].name.endswith(pvar)
        made, bim, fam, calls = converted(out, tmp_path)
        (tmp_path / "count").write_text("".join(f"{n}\t{a}\n" for n, a in zip(bim["id"], bim["a1"], strict=True)))
        tool(
            "plink2", "--pfile", out, *more, "--export", "A", "--export-allele", tmp_path / "count", "--out", out,
            "--threads", "1",
        )  # fmt: skip
        table = pd.read_csv(f"{out}.raw", sep="\t")
        assert list(table["IID"]) == list(fam["iid"])
        assert (calls == table.iloc[:, 6:].fillna(-1).to_numpy().T).all()
        assert made.n_variants == len(bim) > 1000


def test_every_format_gives_the_same_result(tmp_path):
    """The simulated arrays as PGEN, VCF, BCF and one file a chromosome: the stage's outcome does not change."""
    study = make(tmp_path / "study", n_people=60, n_reference=20)
    first, second = study.genotypes[:2]
    plain = pipeline.prepare([first, second], settings("genotype_qc"), tmp_path, tmp_path / "plain", say=quiet)
    tool("plink2", "--bfile", first, "--make-pgen", "vzs", "--out", tmp_path / "hh610")
    tool("plink2", "--bfile", second, "--export", "bcf", "id-paste=iid", "--out", tmp_path / "hh550")
    for chrom in (21, 22):
        tool(
            "plink2",
            "--bfile",
            second,
            "--chr",
            chrom,
            "--export",
            "vcf",
            "bgz",
            "id-paste=iid",
            "--out",
            tmp_path / f"hh550.chr{chrom}",
        )
        tool("plink1.9", "--bfile", first, "--chr", chrom, "--make-bed", "--out", tmp_path / f"hh610_{chrom}")
    for second_entry, first_entry in (
        (tmp_path / "hh550.bcf", tmp_path / "hh610"),
        (tmp_path / "hh550.chr{chrom}.vcf.gz", tmp_path / "hh610_{chrom}"),
    ):
        scratch = tmp_path / f"work-{second_entry.name}"
        scratch.mkdir()
        account = pipeline.prepare(
            [first_entry, second_entry],
            settings("genotype_qc"),
            scratch,
            scratch / "qc",
            chromosomes=(21, 22),
            say=quiet,
        )
        pd.testing.assert_frame_equal(account.harmonised, plain.harmonised)
        own = account.attrition[~account.attrition["step"].str.startswith("convert")].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, plain.attrition)
        # A VCF does not state the sex of people.
        assert bed.read_fam(scratch / "qc")["iid"].equals(bed.read_fam(tmp_path / "plain")["iid"])
        for suffix in (".bed", ".bim"):
            assert bed.path(scratch / "qc", suffix).read_bytes() == bed.path(tmp_path / "plain", suffix).read_bytes()
    fam = bed.read_fam(tmp_path / "hh610_22")
    bed.write_fam(fam.replace(fam["iid"][3], "SOMEBODY"), tmp_path / "hh610_22.fam")
    with pytest.raises(InputError, match=r"SOMEBODY.* in one of them only"):
        converted(tmp_path / "hh610_{chrom}", tmp_path, (21, 22))


def test_people_of_a_chromosome_may_be_in_another_order(tmp_path):
    for chrom, people, calls in (
        (1, ("a", "b", "c"), ["0/0", "0/1", "1/1"]),
        (2, ("c", "a", "b"), ["1/1", "0/0", "0/1"]),
    ):
        write_vcf(tmp_path / f"x.chr{chrom}.vcf", [(f"chr{chrom}", 5, f"rs{chrom}", "A", "G", calls)], people)
    _, _, fam, calls = converted(tmp_path / "x.chr{chrom}.vcf", tmp_path, (1, 2))
    assert list(fam["iid"]) == ["a", "b", "c"]
    assert calls.tolist() == [[0, 1, 2]] * 2
    write_vcf(tmp_path / "x.chr2.vcf", [("chr1", 5, "rs2", "A", "G", ["0/0"] * 3)], ("a", "b", "c"))
    with pytest.raises(InputError, match=r"x\.chr2\.vcf: no variant of chromosome 2"):
        converted(tmp_path / "x.chr{chrom}.vcf", tmp_path, (1, 2))


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def test_entries_are_found_with_and_without_suffix(tmp_path):
    files(
        tmp_path,
        "a.b.bed",
        "a.b.bim",
        "a.b.fam",
        "p.pgen",
        "p.pvar.zst",
        "p.psam",
        "v.chr1.vcf.gz",
        "v.chr2.vcf.gz",
        "d/a.b.bcf",
    )
    for entry in ("a.b", "a.b.bed", "a.b.bim", "a.b.fam"):
        source = sources.find([tmp_path / entry])[0]
        assert (source.name, source.kind) == ("a.b", "plink1")
        assert [file.name for file in source.files] == ["a.b.bed", "a.b.bim", "a.b.fam"]
    for entry in ("p", "p.pgen", "p.pvar", "p.pvar.zst", "p.psam"):
        source = sources.find([tmp_path / entry])[0]
        assert (source.name, source.kind, source.files[1].name) == ("p", "plink2", "p.pvar.zst")
    source = sources.find([tmp_path / "v.chr{chrom}.vcf.gz"], (1, 2))[0]
    assert (source.name, source.kind, source.chromosomes) == ("v", "vcf", (1, 2))
    assert [file.name for file in source.files] == ["v.chr1.vcf.gz", "v.chr2.vcf.gz"]
    both = sources.find([tmp_path / "a.b", tmp_path / "d" / "a.b.bcf"])
    assert [source.name for source in both] == [str(tmp_path / "a.b"), str(tmp_path / "d" / "a.b.bcf")]


MISSING = {
    "neither": ("q", (), r"q: no such genotypes: neither .*q\.bed nor .*q\.pgen exists"),
    "both": ("q", ("q.bed", "q.bim", "q.fam", "q.pgen"), r"there are .*q\.bed and .*q\.pgen; add the suffix"),
    "one of three": ("q", ("q.bed", "q.fam"), r"q\.bim: no such file; a PLINK fileset is"),
    "only the fam": ("q", ("q.fam",), r"q\.bed: no such file"),
    "gzip'ed bim": ("q", ("q.bed", "q.bim.gz", "q.fam"), r"q\.bim: no such file, but there is q\.bim\.gz; unpack it"),
    "no psam": ("q", ("q.pgen", "q.pvar"), r"q\.psam: no such file; a PLINK 2 fileset is"),
    "vcf by prefix": ("q", ("q.vcf.gz",), r"no such PLINK fileset; name the VCF in full: .*q\.vcf\.gz"),
    "folder": ("q", ("q/x.bed",), r"q: this is a folder; name the fileset"),
    "a folder called bed": ("q.bed", ("q.bed/x", "q.bim", "q.fam"), r"q\.bed: this is a folder, not a file"),
    "no vcf": ("q.vcf.gz", (), r"q\.vcf\.gz: no such file"),
    "chromosomes": ("q{chrom}.bcf", ("q1.bcf",), r"q\{chrom\}\.bcf: .*q2\.bcf: no such file; .*q3\.bcf: no such file;"),
}


@pytest.mark.parametrize("name", MISSING)
def test_files_that_are_missing(tmp_path, name):
    entry, there, message = MISSING[name]
    files(tmp_path, *there)
    with pytest.raises(InputError, match=message):
        sources.find([tmp_path / entry], (1, 2, 3))
    if name == "both":
        assert sources.find([tmp_path / "q.bed"])[0].kind == "plink1"


def test_entries_that_repeat(tmp_path):
    files(tmp_path, "a.bed", "a.bim", "a.fam")
    with pytest.raises(InputError, match="is named twice"):
        sources.find([tmp_path / "a", tmp_path / "a"])
    with pytest.raises(InputError, match="are the same files"):
        sources.find([tmp_path / "a", tmp_path / "a.bed"])
    (tmp_path / "b.bed").symlink_to(tmp_path / "gone.bed")
    files(tmp_path, "b.bim", "b.fam")
    with pytest.raises(InputError, match="this link points nowhere"):
        sources.find([tmp_path / "b"])
