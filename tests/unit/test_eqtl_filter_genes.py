"""Gene bodies: every format's conventions, overlaps as brute force and bedtools find them, wrong builds."""

import gzip
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import SHARED, make, quiet

from gcamccl.eqtl_filter.build import CHROMOSOME_LENGTHS, check_build, check_genes, check_lengths
from gcamccl.eqtl_filter.gene_files import chromosome, read_gene_bodies
from gcamccl.eqtl_filter.genes import snps_in_genes
from gcamccl.workflow.errors import InputError

GENES = SHARED / "genes"
needs_lists = pytest.mark.skipif(not GENES.exists(), reason="the real gene lists are not on this machine")
needs_bedtools = pytest.mark.skipif(not shutil.which("bedtools"), reason="bedtools is not installed")

# One gene, bases 1000 to 1999 of chromosome 2, and one on X, in each format.
GTF = (
    "##description: evidence-based annotation of the human genome (GRCh37), version 19 (Ensembl 74)\n"
    'chr2\tHAVANA\texon\t1000\t1100\t.\t+\t.\tgene_id "ENSG00000000001.4"; gene_name "A";\n'
    'chr2\tHAVANA\tgene\t1000\t1999\t.\t+\t.\tgene_id "ENSG00000000001.4"; gene_type "protein_coding";'
    ' gene_name "A"; level 2;\n'
    'chrX\tENSEMBL\tgene\t50\t60\t.\t-\t.\tgene_id "ENSG00000000002.1"; gene_type "pseudogene"; gene_name "B";\n'
    'chrUn_gl000220\tENSEMBL\tgene\t5\t6\t.\t-\t.\tgene_id "ENSG00000000003.1"; gene_type "rRNA"; gene_name "R";\n'
)
FORMATS = {
    "list": "2 999 1999 A\nX 49 60 B\nchr6_apd_hap1 4 6 R\n",
    "bed": "track name=genes\nchr2\t999\t1999\tA\t0\t+\nchrX\t49\t60\tB\t0\t-\nchrUn\t4\t6\tR\t0\t-\n",
    "magma": "11\t2\t1000\t1999\t+\tA\n12\tX\t50\t60\t-\tB\n13\tHG7_PATCH\t5\t6\t-\tR\n",
    "gtf": GTF,
}
NAMES = {"list": "PLINK gene list or BED, starts 0-based", "bed": "BED", "magma": "MAGMA", "gtf": "GTF"}


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_every_format_has_the_same_genes(tmp_path, kind, suffix):
    path = tmp_path / f"genes{suffix}"
    text = FORMATS[kind].encode()
    path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    said = []
    genes = read_gene_bodies(path, say=said.append)
    places = genes[["chrom", "start", "end", "symbol"]].to_numpy().tolist()
    assert places == [["2", 1000, 1999, "A"], ["23", 50, 60, "B"]]
    assert list(genes["gene_id"]) == (["ENSG00000000001", "ENSG00000000002"] if kind == "gtf" else ["", ""])
    assert said[0].startswith(f"{path.name}: {NAMES[kind]}")
    assert "2 gene bodies, 2 symbols on 2 chromosomes; 1 on other sequences left out, such as " in said[0]
    snps = pd.DataFrame({"snp_id": [*"abcd"], "chrom": "2", "pos": [999, 1000, 1999, 2000]})
    assert list(snps_in_genes(snps, genes)["snp_id"]) == ["b", "c"]


def test_gene_types_of_a_gtf(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    said = []
    assert list(read_gene_bodies(path, ["protein_coding", "rRNA"], said.append)["symbol"]) == ["A"]
    assert "1 of other types than protein_coding, rRNA left out" in said[0]
    with pytest.raises(InputError, match=r"gene_types: no gene of .* is of lncRNA; it has protein_coding, pseudogene"):
        read_gene_bodies(path, ["lncRNA"], quiet)
    path.write_text(FORMATS["list"])
    with pytest.raises(InputError, match="does not say the genes' types"):
        read_gene_bodies(path, ["protein_coding"], quiet)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 10 x A\n", "line 1 is of no format known here"),
        ("gene position\n", "line 1 is of no format known here"),
        ("79501\t1\t69091\t70008\n", "line 1 is of no format known here"),
        ("1 10 20 A\n1 10 20\n", "line 2 is not 'chromosome start end symbol', as the lines before"),
        ("1 10 20 A\n79501\t1\t69091\t70008\t+\tOR4F5\n", "line 2 is not .*one file, one format"),
        ("5\t1\t10\t20\t+\tA\n1 10 20 B\n", "line 2 is not 'id chromosome start end strand symbol'"),
        (GTF + "chr1\t5\t9\tC\n", "line 6 is not nine fields"),
        ("chr1\tx\tgene\t5\t9\t.\t+\t.\tID=gene:ENSG1;Name=A\n", "line 1 is of a GFF3 file; use the GTF"),
        ("1 20 10 A\n", r"line 1: A ends \(10\) before it starts \(21, 1-based\)"),
        ("5 1 0 10 + A\n", "line 1: A starts before 1"),
        ("GL000192.1 10 20 A\n", "no gene on a known chromosome, such as 'GL000192.1'"),
        ("", "no genes in it"),
        ("# nothing\n", "no genes in it"),
        ("##description: human genome (GRCh38), version 44\nchr1\t1\t9\tA\n", "its name or heading says GRCh38"),
    ],
)
def test_bad_gene_files(tmp_path, text, message):
    (tmp_path / "g").write_text(text)
    with pytest.raises(InputError, match=message):
        read_gene_bodies(tmp_path / "g", say=quiet)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_gene_bodies(tmp_path / "none", say=quiet)
    with pytest.raises(InputError, match="a folder"):
        read_gene_bodies(tmp_path, say=quiet)
    (tmp_path / "g.gz").write_bytes(gzip.compress(FORMATS["list"].encode() * 50)[:-9])
    with pytest.raises(InputError, match=r"g\.gz: cannot be read"):
        read_gene_bodies(tmp_path / "g.gz", say=quiet)
    for name in ("glist-hg38", "Homo_sapiens.GRCh38.113.gtf", "NCBI36.3.gene.loc", "glist-hg18.gz"):
        (tmp_path / name).write_text(FORMATS["list"])
        with pytest.raises(InputError, match="its name or heading says"):
            read_gene_bodies(tmp_path / name, say=quiet)
    for name in ("glist-hg19", "gencode.v38lift37.annotation.gtf", "NCBI37.3.gene.loc", "v38.txt"):
        (tmp_path / name).write_text(FORMATS["list"])
        assert len(read_gene_bodies(tmp_path / name, say=quiet)) == 2


def test_symbols_on_several_chromosomes_and_ensembl_ids_are_told(tmp_path):
    (tmp_path / "g").write_text("1 9 20 A\n1 30 40 A\n2 9 20 A\nX 9 20 P\nY 9 20 P\n")
    said = []
    assert len(read_gene_bodies(tmp_path / "g", say=said.append)) == 5
    assert said[1:] == ["1 symbols lie on several autosomes; a SNP in any counts: A"]
    (tmp_path / "g").write_text("chr1\t9\t20\tENSG00000130203.5\n")
    assert read_gene_bodies(tmp_path / "g", say=said.append)["gene_id"].tolist() == ["ENSG00000130203"]
    assert said[-1].startswith("WARNING: g names genes by Ensembl id")


def test_chromosome_names():
    names = ["chr1", "CHR22", "X", "chrY", "XY", "chrM", "MT", "GL1"]
    assert list(map(chromosome, names)) == ["1", "22", "23", "24", "25", "26", "26", "GL1"]


def test_the_simulated_list(tmp_path):
    study = make(tmp_path)
    genes = read_gene_bodies(study.folder / "genes" / "glist-hg19", say=quiet)
    assert genes[["start", "end", "symbol"]].equals(study.genome.genes[["start", "end", "symbol"]])


def placed(n, moved):
    """SNPs of a study, `moved` of them 1000 bp off; variants of the same rsIDs, and one without a place."""
    names = [f"rs{number}" for number in range(n)]
    variants = pd.DataFrame({"rs_ids": [[name] for name in names], "chrom": "1", "pos": range(100, 100 + n)})
    unknown = pd.DataFrame({"rs_ids": [["rs999"]], "chrom": [None], "pos": [-1]})
    snps = pd.DataFrame({"snp_id": names, "chrom": "1", "pos": variants["pos"] + 1000 * (np.arange(n) < moved)})
    snps.loc[n] = ["rs999", "1", 5]
    return snps.assign(file=1), pd.concat([variants, unknown], ignore_index=True)


def test_another_genome_build_is_an_error():
    with pytest.raises(
        InputError, match=r"s\.bim: positions are not GRCh37: 4 of 6 SNPs .* rs0, here 1:1100, .* 1:100;"
    ):
        check_build(*placed(6, 4), ["r.bim", "s.bim"])
    check_build(*placed(6, 3), ["r.bim", "s.bim"])
    check_build(*placed(1, 1), ["r.bim", "s.bim"])  # one SNP may be another in dbSNP
    with pytest.raises(InputError, match="lift the genotypes over"):
        check_build(*placed(2, 2), ["r.bim", "s.bim"])


def brute_force(snps, genes, window):
    """Every SNP against every gene."""
    return [
        (snp.snp_id, gene)
        for snp in snps.itertuples()
        for gene in sorted(
            {
                g.symbol
                for g in genes.itertuples()
                if g.chrom == snp.chrom and g.start - window <= snp.pos <= g.end + window
            }
        )
    ]


@pytest.mark.parametrize("window_kb", [0, 0.25])
def test_snps_in_genes_as_by_brute_force(window_kb):
    rng = np.random.default_rng(3)
    start = rng.integers(1, 20_000, 80)
    genes = pd.DataFrame({"chrom": rng.choice(["1", "2", "23"], 80), "start": start})
    genes["end"] = start + rng.integers(0, 900, 80)
    genes["symbol"] = rng.choice([f"G{number}" for number in range(60)], 80)
    positions = np.concatenate([rng.integers(1, 21_000, 200), start[:20], genes["end"][:20]])
    snps = pd.DataFrame({"snp_id": [f"s{number}" for number in range(240)], "pos": positions})
    snps["chrom"] = np.concatenate([rng.choice(["1", "2", "3"], 200), genes["chrom"][:20], genes["chrom"][:20]])
    pairs = snps_in_genes(snps, genes, window_kb)
    expected = brute_force(snps, genes, window_kb * 1000)
    assert list(pairs.itertuples(index=False, name=None)) == expected
    assert len(expected) > 100


def test_no_snp_in_any_gene():
    genes = pd.DataFrame([("1", 5, 9, "G")], columns=["chrom", "start", "end", "symbol"])
    snps = pd.DataFrame([("s", "2", 6)], columns=["snp_id", "chrom", "pos"])
    assert len(snps_in_genes(snps, genes)) == 0


def random_places(rng, n_snps=4000, n_genes=600):
    """SNPs and genes on three chromosomes, many SNPs at the ends of genes and one off."""
    start = rng.integers(1, 2_000_000, n_genes)
    genes = pd.DataFrame({"chrom": rng.choice(["1", "2", "23"], n_genes), "start": start})
    genes["end"] = start + rng.integers(0, 9000, n_genes)
    genes["symbol"] = rng.choice([f"G{number}" for number in range(n_genes // 2)], n_genes)
    some = genes.sample(400, random_state=1, replace=True)
    ends = np.concatenate([some["start"][:200], some["end"][200:]]) + rng.integers(-1, 2, 400)
    chrom = np.concatenate([rng.choice(["1", "2", "3"], n_snps), some["chrom"]])
    pos = np.concatenate([rng.integers(1, 2_010_000, n_snps), np.maximum(ends, 1)])
    names = [f"s{number}" for number in range(len(pos))]
    return pd.DataFrame({"snp_id": names, "chrom": chrom, "pos": pos}), genes


@needs_bedtools
@pytest.mark.parametrize("window_kb", [0, 5])
def test_snps_in_genes_as_bedtools_finds_them(tmp_path, window_kb):
    snps, genes = random_places(np.random.default_rng(11))
    points = snps.assign(start=snps["pos"] - 1)[["chrom", "start", "pos", "snp_id"]]
    bodies = genes.assign(start=genes["start"] - 1)[["chrom", "start", "end", "symbol"]]
    points.to_csv(tmp_path / "snps.bed", sep="\t", header=False, index=False)
    bodies.to_csv(tmp_path / "genes.bed", sep="\t", header=False, index=False)
    words = ["bedtools", "window", "-w", str(window_kb * 1000)]
    words += ["-a", tmp_path / "snps.bed", "-b", tmp_path / "genes.bed"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    expected = {(line.split()[3], line.split()[7]) for line in done.stdout.splitlines()}
    read = read_gene_bodies(tmp_path / "genes.bed", say=quiet)  # the file bedtools was given
    found = snps_in_genes(snps, read, window_kb)
    assert set(found.itertuples(index=False, name=None)) == expected
    assert len(found) == len(expected) > 1000


@needs_lists
def test_the_real_lists():
    said = []
    plink = read_gene_bodies(GENES / "glist-hg19", say=said.append)
    magma = read_gene_bodies(GENES / "NCBI37.3.gene.loc", say=said.append)
    assert (len(plink), len(magma)) == (26_292, 19_427)
    assert "PLINK gene list" in said[0] and any("NCBI37.3.gene.loc: MAGMA gene.loc" in line for line in said)
    for genes in (plink, magma):
        check_genes(genes, "g")
        apoe = genes[genes["symbol"] == "APOE"].iloc[0]
        assert apoe[["chrom", "start", "end"]].tolist() == ["19", 45_409_039, 45_412_650]
    # Read so, the two lists have the same first base of most genes: glist-hg19 is 0-based.
    both = plink.merge(magma, on=["chrom", "symbol"])
    assert len(both) == 19_423
    assert (both["start_x"] == both["start_y"]).sum() == 13_902
    assert (both["start_x"] - 1 == both["start_y"]).sum() == 684  # what a 1-based reading would have made equal
    # rs429358 (APOE e4) at 19:45411941, GRCh37
    snps = pd.DataFrame([("rs429358", "19", 45_411_941)], columns=["snp_id", "chrom", "pos"])
    assert list(snps_in_genes(snps, plink)["gene"]) == ["APOE"]
    # Genes of another build: GRCh38 has APOE at 19:44905791.
    moved = plink[plink["chrom"] == "19"].assign(start=lambda t: t["start"] - 503_248, end=lambda t: t["end"] - 503_248)
    with pytest.raises(InputError, match=r"1 of 1 well-known genes are not where GRCh37 has them, such as APOE, here"):
        check_genes(moved, "g")


@needs_bedtools
@needs_lists
def test_the_real_lists_as_bedtools_reads_them(tmp_path):
    """10,000 random places and the ends of 2,000 genes in glist-hg19, which is a BED file as it stands."""
    rng = np.random.default_rng(4)
    genes = read_gene_bodies(GENES / "glist-hg19", say=quiet)
    genes = genes[genes["chrom"].isin([str(number) for number in range(1, 23)])]
    chrom = rng.choice(sorted(genes["chrom"].unique()), 10_000)
    pos = [int(rng.integers(1, CHROMOSOME_LENGTHS[name])) for name in chrom]
    some = genes.sample(1000, random_state=2)
    snps = pd.DataFrame({"chrom": [*chrom, *some["chrom"], *some["chrom"]]})
    snps["pos"] = [*pos, *(some["start"] - 1), *some["start"]]
    snps["snp_id"] = [f"s{number}" for number in range(len(snps))]
    snps = snps.drop_duplicates(["chrom", "pos"])
    points = snps.assign(start=snps["pos"] - 1)[["chrom", "start", "pos", "snp_id"]]
    points.to_csv(tmp_path / "snps.bed", sep="\t", header=False, index=False)
    lines = (GENES / "glist-hg19").read_text().replace(" ", "\t")
    (tmp_path / "genes.bed").write_text(lines)
    words = ["bedtools", "intersect", "-wa", "-wb", "-a", tmp_path / "snps.bed", "-b", tmp_path / "genes.bed"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    expected = {(line.split()[3], line.split()[7]) for line in done.stdout.splitlines()}
    found = snps_in_genes(snps, genes)
    assert set(found.itertuples(index=False, name=None)) == expected
    assert len(expected) > 4000


def test_genes_and_snps_beyond_the_end_of_a_chromosome():
    genes = pd.DataFrame([("20", 64_000_000, 64_100_000, "A")], columns=["chrom", "start", "end", "symbol"])
    with pytest.raises(InputError, match="A ends at 20:64100000, but GRCh37's chromosome 20 has 63025520 bases"):
        check_genes(genes, "g")
    check_genes(genes.assign(end=63_025_520), "g")
    snps = pd.DataFrame({"snp_id": ["s", "t"], "chrom": "20", "pos": [63_025_520, 63_025_521], "file": [0, 1]})
    with pytest.raises(InputError, match=r"b\.bim: positions are not GRCh37: 1 SNPs lie beyond .* t at 20:63025521"):
        check_lengths(snps, ["a.bim", "b.bim"])
    check_lengths(snps.iloc[:1], ["a.bim", "b.bim"])
