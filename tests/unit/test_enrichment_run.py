"""Backgrounds, symbol updates, genes that no set has, the two programs and their bad input."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_enrichment import SCRIPT, random_sets, run, write

from gcamccl.enrichment.gmt import GeneSet, read_all_updates, read_updates, unmatched
from gcamccl.enrichment.overrepresentation import enrichment_table
from gcamccl.enrichment.run import TABLE
from gcamccl.workflow.files import read_tsv


def test_backgrounds_are_those_asked_for():
    sets, genes = random_sets(3)
    sets = [GeneSet(f"source{i % 2}", one.name, one.genes) for i, one in enumerate(sets)]
    union = set().union(*(one.genes for one in sets))
    own = {
        source: set().union(*(one.genes for one in sets if one.source == source)) for source in ("source0", "source1")
    }
    listed = {f"G{i}" for i in range(0, 300, 2)} | {f"IN_NO_SET{i}" for i in range(500)}
    tables = {
        "union": (enrichment_table(genes, sets, min_size=3), dict.fromkeys(own, union)),
        "per_source": (enrichment_table(genes, sets, background="per_source", min_size=3), own),
        "file": (
            enrichment_table(genes, sets, background="file", background_genes=listed, min_size=3),
            dict.fromkeys(own, listed),
        ),
    }
    for name, (table, backgrounds) in tables.items():
        assert (table["background"] == name).all()
        assert table["p"].is_monotonic_increasing
        rows = table.set_index("gene_set")
        for one in sets:
            genes_there = backgrounds[one.source]
            members = one.genes & genes_there
            if len(members) < 3:
                assert one.name not in rows.index
                continue
            drawn = len(genes & genes_there)
            expected = stats.hypergeom.sf(len(members & genes) - 1, len(genes_there), len(members), drawn)
            assert rows.loc[one.name, "p"] == pytest.approx(expected, rel=1e-12), name
        np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]))
    with pytest.raises(ValueError, match="candidates are not given"):
        enrichment_table(genes, sets, background="candidates")
    table = enrichment_table(genes, sets, listed, background="candidates", min_size=3)
    assert table["p"].tolist() == table["p_candidates"].tolist()


def test_updates_from_hgnc_and_from_several_tables(tmp_path):
    hgnc = write(
        tmp_path / "hgnc.txt",
        "hgnc_id\tsymbol\talias_symbol\tprev_symbol",
        "HGNC:1\tNEW1\tNICK\tOLD1|OLDER1",
        'HGNC:2\tNEW2\t\t"TWICE|OLD2"',
        "HGNC:3\tNEW3\t\tTWICE|NEW1",  # TWICE was two genes' name; NEW1 is a current one
        "HGNC:4\tNEW4\t\t",
    )
    assert read_updates(hgnc) == {"OLD1": "NEW1", "OLDER1": "NEW1", "OLD2": "NEW2"}
    own = write(tmp_path / "own.tsv", "old\tnew", "OLD1\tMINE", "ANCIENT\tOLD2")
    updates, files = read_all_updates([own, hgnc])
    assert updates == {"OLD1": "MINE", "OLDER1": "NEW1", "OLD2": "NEW2", "ANCIENT": "NEW2"}
    assert files == [own, hgnc]
    assert read_all_updates()[0] == read_updates()


def test_genes_that_no_set_has_are_listed_with_what_they_may_be():
    sets = [GeneSet("s", "a", frozenset({"TP53", "HLA-DRB1", "C1orf56"}))]
    found = unmatched({"TP53", "tp53", "HLADRB1", "LOC441242"}, sets)
    assert found["gene"].tolist() == ["HLADRB1", "LOC441242", "tp53"]
    assert found["maybe"].fillna("").tolist() == ["HLA-DRB1", "", "TP53"]
    assert unmatched({"TP53"}, sets).empty


@pytest.fixture
def files(tmp_path):
    """Sets, selected genes and loci, and eqtl_filter's tables."""
    write(tmp_path / "toy.gmt", "one\td\tA\tB\tC", "two\td\tD\tE\tF\tG")
    write(tmp_path / "genes.txt", "A", "B", "Z")
    write(tmp_path / "loci.txt", "rs1", "rs2")
    write(tmp_path / "snp_gene.tsv", "snp_id\tgene", "rs1\tA", "rs2\tB", "rs3\tD", "rs4\tE", "rs5\tZ")
    write(
        tmp_path / "genes.tsv",
        "gene\tlength",
        *(f"{gene}\t{length}" for gene, length in zip("ABDEZ", range(1, 6), strict=True)),
    )
    return tmp_path


def words(files, *names):
    """Options of the program for files of those names."""
    known = {"genes": "genes.txt", "gene-sets": "toy.gmt", "loci": "loci.txt", "candidates": "snp_gene.tsv"}
    return [word for name in names for word in (f"--{name}", files / {**known, "lengths": "genes.tsv"}[name])]


def test_one_table_and_no_folder(files):
    out = files / "deep" / "table.tsv"
    done = run(*words(files, "genes", "gene-sets"), "--background", "union", "--out", out)
    assert done.returncode == 0, done.stderr
    table = read_tsv(out, columns=TABLE)
    assert table["gene_set"].tolist() == ["one", "two"]
    assert table["p"][0] == pytest.approx(stats.hypergeom.sf(1, 7, 3, 2))
    assert [path.name for path in out.parent.iterdir()] == ["table.tsv"]
    before = out.read_bytes()
    write(files / "toy.gmt", "broken")
    done = run(*words(files, "genes", "gene-sets"), "--out", out)
    assert done.returncode == 2
    assert "toy.gmt: line 1" in done.stderr
    assert out.read_bytes() == before and len(list(out.parent.iterdir())) == 1


def test_matched_draws_and_unmatched_genes_of_the_program(files):
    options = words(files, "genes", "gene-sets", "loci", "candidates", "lengths")
    done = run(*options, "--out", files / "out")
    assert done.returncode == 0, done.stderr
    assert "1000 draws of loci like the 2 selected ones" in done.stdout
    table = read_tsv(files / "out" / "enrichment.tsv", columns=TABLE).set_index("gene_set")
    assert table.loc["one", "p_matched"] == pytest.approx(0.1, abs=0.03), "both of two drawn out of five"
    assert table.loc["one", "expected_matched"] < 2
    assert read_tsv(files / "out" / "unmatched.tsv")["gene"].tolist() == ["Z"]
    again = run(*options, "--out", files / "again")
    assert again.returncode == 0
    assert (files / "again" / "enrichment.tsv").read_bytes() == (files / "out" / "enrichment.tsv").read_bytes()


def test_own_background(files):
    background = write(files / "mine.txt", "A", "B", "D", "Z", "OTHER")
    done = run(*words(files, "genes", "gene-sets"), "--background", background, "--out", files / "o.tsv")
    assert done.returncode == 0, done.stderr
    table = read_tsv(files / "o.tsv").set_index("gene_set")
    assert table.loc["one", "p"] == pytest.approx(stats.hypergeom.sf(1, 5, 2, 3))
    assert set(table["background"]) == {"file"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--background", "everything"], "'everything' is neither union, per_source, candidates nor a file"),
        (["--background", "file"], "set study.background_genes"),
        (["--background", "candidates"], "candidates without --candidates"),
    ],
)
def test_bad_background(files, options, message):
    done = run(*words(files, "genes", "gene-sets"), *options, "--out", files / "o.tsv")
    assert done.returncode == 2
    assert message in done.stderr
    assert not (files / "o.tsv").exists()


def test_loci_of_another_run(files):
    write(files / "loci.txt", "rs1", "rs99")
    done = run(*words(files, "genes", "gene-sets", "loci", "candidates", "lengths"), "--out", files / "o")
    assert done.returncode == 2
    assert "loci.txt: rs99 is not in" in done.stderr
    done = run(*words(files, "genes", "gene-sets", "loci"), "--out", files / "o")
    assert "--loci: given without --candidates" in done.stderr


def test_difference_program(files):
    write(files / "high.txt", "D", "E", "A")
    script = SCRIPT.with_name("enrichment_difference.py")
    command = [sys.executable, script, "--low", files / "genes.txt", "--high", files / "high.txt", "--out", files / "d"]
    done = subprocess.run([*command, "--gene-sets", files / "toy.gmt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 genes of low alone, 2 of high alone, 1 of both" in done.stdout
    table = read_tsv(files / "d" / "difference.tsv").set_index("gene_set")
    assert table.loc["two", "genes_high"] == "D,E"
    assert table.loc["one", "genes_low"] == "B"
    assert isinstance(table, pd.DataFrame)
    done = subprocess.run([*command, "--gene-sets"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "study.gene_sets" in done.stderr
