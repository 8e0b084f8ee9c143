"""Enrichment: GMT reading, hypergeometric test against scipy and against the paper's Tables VII and VIII."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gcamccl.enrichment.gmt import GeneSet, read_gene_sets, read_genes, read_gmt, read_updates
from gcamccl.enrichment.overrepresentation import COLUMNS, adjusted, enrichment_table, overrepresentation
from gcamccl.enrichment.run import TABLE
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

REAL = ROOT.parent / "shared" / "data" / "genesets"
SCRIPT = ROOT / "workflow" / "scripts" / "enrichment.py"

# Genes of the paper's Tables V and VI.
LOW = """
ATP1B2 ATPIF1 BASP1 CALM3 CLU DEAF1 EEF1A1 EEF1D FBXL16 FBXW2 FLYWCH1 GFAP GNG7 HP IGHMBP2 LINS LNPEP MTURN OSGEP PAX8
PDHX PSMD13 RNASEH1 RP1 RPL17 RPL3 RPLP2 TP53 TTL WNT3 YWHAE ZNF880
"""
HIGH = """
APP ATP1A2 ATP1B2 CALM3 CAMK2A CAMTA1 CPLX2 FAHD1 FAM118A FAM69B FBXW2 GLUL HSP90AA1 LOC101928134 LOC441242 MAPK1 MB MOG
MRFAP1 PHYH PKM PPM1F PSMD13 RAB3A SLC1A2 SLC22A1 SNAP25 TMEM161B-AS1 TYW1B YWHAE ZNF559
"""

# Tables VII (low) and VIII (high) without Gene Ontology: group, name, contained, p.
PAPER = [
    ("low", "Eukaryotic Translation Elongation", 5, 1.18e-6),
    ("low", "Peptide chain elongation", 4, 3.12e-5),
    ("low", "Calcium Regulation in the Cardiac Cell", 4, 1.48e-4),
    ("low", "Translation", 5, 2.09e-4),
    ("low", "Metabolism of proteins", 11, 3.96e-4),
    ("low", "Pathways in cancer", 5, 2.39e-3),
    ("low", "Metabolism of amino acids and derivatives", 4, 3.20e-3),
    ("high", "Transmission across Chemical Synapses", 7, 7.75e-8),
    ("high", "Insulin secretion", 5, 3.26e-7),
    ("high", "Neurotransmitter release cycle", 4, 1.76e-6),
    ("high", "Synaptic Vesicle Pathway", 4, 1.76e-6),
    ("high", "Neuronal System", 7, 2.25e-6),
    ("high", "Adrenergic signaling in cardiomyocytes", 5, 4.47e-6),
    ("high", "Gastric acid secretion", 4, 8.34e-6),
]


def random_sets(seed=0, n_genes=300, n_sets=40):
    rng = np.random.default_rng(seed)
    genes = np.array([f"G{i}" for i in range(n_genes)])
    sets = [
        GeneSet("toy", f"set{i}", frozenset(rng.choice(genes, rng.integers(1, 60), replace=False)))
        for i in range(n_sets)
    ]
    return sets, set(rng.choice(genes, 25, replace=False)) | {"NOT_ANYWHERE"}


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines))
    return path


# --- the test ---------------------------------------------------------------------------------------------------------


def test_p_and_q_equal_scipy():
    sets, genes = random_sets()
    union = set().union(*(one.genes for one in sets))
    table = overrepresentation(genes, sets, union, min_size=3, max_size=50)
    draws = len(genes & union)
    for row in table.itertuples():
        inside = sets[row.index].genes
        assert row.contained == len(inside & genes)
        expected = stats.hypergeom.sf(row.contained - 1, len(union), len(inside), draws)
        assert row.p == pytest.approx(expected, rel=1e-12)
        a, b = row.contained, row.set_size - row.contained
        c = draws - a
        fisher = stats.fisher_exact([[a, b], [c, len(union) - a - b - c]], alternative="greater").pvalue
        assert row.p == pytest.approx(fisher, rel=1e-9)
        assert row.expected == pytest.approx(stats.hypergeom.mean(len(union), len(inside), draws), rel=1e-12)
        assert row.fold == pytest.approx(row.contained / row.expected, rel=1e-12)
    assert (table["contained"] == 0).any(), "sets without a hit must be tested too"
    table = adjusted(table)
    np.testing.assert_allclose(table["q"], stats.false_discovery_control(table["p"]), rtol=1e-12)
    listed = table[table["contained"] >= 4]
    np.testing.assert_allclose(listed["q_paper"], stats.false_discovery_control(listed["p"]), rtol=1e-12)
    assert table.loc[table["contained"] < 4, "q_paper"].isna().all() and len(listed) > 3
    assert table["set_size"].between(3, 50).all()
    assert len(table) == sum(3 <= len(one.genes) <= 50 for one in sets)


def test_hand_worked_example():
    # 10 genes, a set of 4, 3 drawn, 2 of them in the set: (C(4,2) C(6,1) + C(4,3)) / C(10,3) = 40 / 120.
    sets = [GeneSet("s", "a", frozenset("ABCD")), GeneSet("s", "rest", frozenset("EFGHIJ"))]
    table = overrepresentation(set("ABE"), sets, set("ABCDEFGHIJ"))
    assert table["p"][0] == pytest.approx(1 / 3, rel=1e-12)
    assert table["genes"][0] == "A,B"


def test_candidates_background_restricts_sets_and_selection():
    sets, genes = random_sets(1)
    union = set().union(*(one.genes for one in sets))
    candidates = {f"G{i}" for i in range(150)} | {"HAS_LOCUS_BUT_NO_SET"}
    table = enrichment_table(genes, sets, candidates, min_size=2, max_size=5000).set_index("gene_set")
    inside = candidates & union
    checked = 0
    for one in sets:
        members = one.genes & inside
        if len(members) >= 2:
            row = table.loc[one.name]
            expected = stats.hypergeom.sf(len(members & genes) - 1, len(inside), len(members), len(genes & inside))
            assert row["p_candidates"] == pytest.approx(expected, rel=1e-12)
            assert row["set_size_candidates"] == len(members)
            checked += 1
    assert checked > 20
    values = table["p_candidates"].dropna()
    np.testing.assert_allclose(table.loc[values.index, "q_candidates"], stats.false_discovery_control(values))


def test_planted_set_comes_first_and_random_genes_do_not():
    sets, _ = random_sets(2, n_genes=400, n_sets=50)
    planted = max(sets, key=lambda one: len(one.genes))
    union = set().union(*(one.genes for one in sets))
    chosen = set(sorted(planted.genes)[:12]) | set(sorted(union - planted.genes)[:8])
    table = enrichment_table(chosen, sets, union)
    assert table["gene_set"][0] == planted.name
    assert table["q"][0] < 1e-3
    assert (table["q"][1:] > 0.05).all()
    assert table["p"].tolist() == table["p_candidates"].tolist(), "the two backgrounds are the same here"


def test_nothing_selected_and_nothing_known():
    sets, _ = random_sets()
    empty = enrichment_table(set(), sets, {"G1"})
    assert list(empty.columns) == list(COLUMNS)
    assert empty.empty
    unknown = enrichment_table({"NOT_ANYWHERE"}, sets, {"G1", "G2", "G3"})
    assert (unknown["p"] == 1).all()


def test_genes_that_look_like_numbers_are_matched_as_symbols():
    sets = [GeneSet("s", "a", frozenset({"1", "2", "3"})), GeneSet("s", "b", frozenset({"4", "5", "6", "7"}))]
    table = overrepresentation({"1", "2"}, sets, {str(i) for i in range(1, 8)})
    assert table["p"][0] == pytest.approx(stats.hypergeom.sf(1, 7, 3, 2), rel=1e-12)


# --- files ------------------------------------------------------------------------------------------------------------


def test_names_ids_and_gzip(tmp_path):
    lines = ["WP1\tWnt\tA\tB", "WP2\tWnt\tC", "WP3\tNotch\tA\tReactome Pathway\tA", "WP4\thttps://x.org/WP4\tD\t"]
    plain = read_gmt(write(tmp_path / "wiki.2018.gmt", *lines))
    assert [one.name for one in plain] == ["Wnt (WP1)", "Wnt (WP2)", "Notch", "WP4"]
    assert plain[2].genes == {"A"}
    assert plain[0].source == "wiki"
    (tmp_path / "zip").mkdir()
    with gzip.open(tmp_path / "zip" / "wiki.gmt.gz", "wt") as handle:
        handle.write("\n".join(lines))
    assert read_gmt(tmp_path / "zip" / "wiki.gmt.gz") == plain
    assert [one.name for one in read_gmt(write(tmp_path / "k.gmt", "Glycolysis\thsa00010\tA", "x\t\tB"))] == [
        "Glycolysis",
        "x",
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a\td\tA", "b\td"], "line 2: not name, description, genes"),
        (["a,d,A"], "line 1"),
        (["a\td\tA", "", "a\tother\tB"], "line 3: 'a' is on line 1 too"),
        (["\td\tA"], "line 1: the set has no name"),
        ([], "no gene sets"),
        (["a\tA\tB\tC", "b\tB\tC\tA", "c\tC\tA"], "column 2 holds genes"),
    ],
)
def test_bad_gmt_names_the_line(tmp_path, lines, message):
    with pytest.raises(InputError, match=message):
        read_gmt(write(tmp_path / "bad.gmt", *lines))


def test_bad_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_gmt(tmp_path / "none.gmt")
    with pytest.raises(InputError, match="line 2: 'B C' is not one gene"):
        read_genes(write(tmp_path / "genes.txt", "A", "B C"))
    write(tmp_path / "not.gmt.gz", "plain")
    with pytest.raises(InputError, match="gzip"):
        read_gmt(tmp_path / "not.gmt.gz")
    (tmp_path / "other").mkdir()
    twice = [write(tmp_path / "kegg.a.gmt", "a\td\tA"), write(tmp_path / "other" / "kegg.gmt", "a\td\tA")]
    with pytest.raises(InputError, match="source kegg"):
        read_gene_sets(twice)


def test_symbol_updates(tmp_path):
    updates = read_updates()
    assert updates == {"ATPIF1": "ATP5IF1", "LINS": "LINS1", "FAM69B": "DIPK1B"}
    assert read_genes(write(tmp_path / "g.txt", "LINS", "", "LINS1", "TP53"), updates) == {"LINS1", "TP53"}
    assert read_gmt(write(tmp_path / "s.gmt", "a\td\tFAM69B"), updates)[0].genes == {"DIPK1B"}
    with pytest.raises(InputError, match="two lines"):
        read_updates(write(tmp_path / "u.tsv", "old\tnew", "A\tB", "A\tC"))
    with pytest.raises(InputError, match="both a new and an old"):
        read_updates(write(tmp_path / "v.tsv", "old\tnew", "A\tB", "B\tC"))


# --- the program ------------------------------------------------------------------------------------------------------


def run(*args):
    return subprocess.run([sys.executable, SCRIPT, *map(str, args)], capture_output=True, text=True, check=False)


def test_program(tmp_path):
    sets = write(tmp_path / "toy.gmt", "one\td\tA\tB\tC", "two\td\tD\tE\tF\tG")
    genes = write(tmp_path / "genes.txt", "A", "B", "Z")
    candidates = write(tmp_path / "snp_gene.tsv", "snp_id\tgene", "rs1\tA", "rs2\tB", "rs3\tD", "rs4\tE")
    done = run("--genes", genes, "--gene-sets", sets, "--candidates", candidates, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "3 genes selected, 2 of them in 2 sets of 7 genes" in done.stdout
    table = read_tsv(tmp_path / "out" / "enrichment.tsv", columns=TABLE)
    assert table["gene_set"].tolist() == ["one", "two"]
    assert table["p"][0] == pytest.approx(stats.hypergeom.sf(1, 7, 3, 2))
    assert table["p_candidates"][0] == pytest.approx(stats.hypergeom.sf(1, 4, 2, 2))

    write(genes)
    done = run("--genes", genes, "--gene-sets", sets, "--out", tmp_path / "none")
    assert done.returncode == 0, done.stderr
    assert "no genes selected" in done.stdout
    assert (tmp_path / "none" / "enrichment.tsv").read_text().rstrip("\n").split("\t") == list(TABLE)

    done = run("--genes", genes, "--out", tmp_path / "bad", "--gene-sets")
    assert done.returncode == 2
    assert "study.gene_sets: no gene-set files" in done.stderr

    write(sets, "broken")
    done = run("--genes", genes, "--gene-sets", sets, "--out", tmp_path / "bad")
    assert done.returncode == 2
    assert "toy.gmt: line 1" in done.stderr
    assert not (tmp_path / "bad" / "enrichment.tsv").exists()


# --- the paper's tables -----------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/genesets (KEGG, Reactome, WikiPathways) is absent")
def test_papers_tables():
    updates = read_updates()
    names = ("KEGG_pathfindR_2018-11-09", "REACTOME_pathfindR_2018-11-09", "WikiPathways_human_2018-05_pathwayPCA")
    sets = read_gene_sets([REAL / f"{name}.gmt" for name in names], updates)
    assert len(sets) == 321 + 2051 + 457
    tables = {
        group: enrichment_table({updates.get(gene, gene) for gene in genes.split()}, sets).set_index("gene_set")
        for group, genes in (("low", LOW), ("high", HIGH))
    }
    ratios = []
    for group, name, contained, p in PAPER:
        row = tables[group].loc[name]
        row = row if row.ndim == 1 else row.sort_values("p").iloc[0]
        if row["contained"] == contained:  # one set has grown by a selected gene since the paper
            ratios.append(max(row["p"] / p, p / row["p"]))
    assert len(ratios) >= 13
    assert max(ratios) < 2.5, ratios
    assert tables["high"].index[0] == "Transmission across Chemical Synapses"


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/genesets is absent")
def test_a_real_file_without_descriptions_is_refused():
    with pytest.raises(InputError, match="column 2 holds genes"):
        read_gmt(Path(REAL) / "GO_Biological_Process_2018.gmt")
