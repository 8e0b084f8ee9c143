"""GTEx and gene bodies: joins as pandas does them, every release's layout, damaged files."""

import gzip
import re

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import SHARED, make, quiet, settings

from gcamccl.eqtl_filter import genes as bodies
from gcamccl.eqtl_filter import gtex
from gcamccl.eqtl_filter.build import check_build
from gcamccl.workflow.errors import InputError

TISSUES = settings("eqtl_filter")["tissues"]
P = settings("eqtl_filter")["eqtl_p"]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture
def pairs(tmp_path):
    """Two small tissues in v8 layout: variant 1 for other genes, 2 for one gene, 3 weak in one, 4 in one only."""
    rows = {"Brain_A": [(1, "g1", 1e-9), (2, "g1", 1e-9), (3, "g1", 1e-9), (4, "g1", 1e-9)]}
    rows["Brain_B"] = [(1, "g2", 1e-9), (2, "g1", 1e-20), (2, "g2", 1e-20), (3, "g1", 5e-8)]
    for tissue, lines in rows.items():
        table = pd.DataFrame(lines, columns=["variant_id", "gene_id", "pval_nominal"])
        table["variant_id"] = [f"chr1_{number}_A_G_b38" for number in table["variant_id"]]
        table.insert(2, "slope", 0.5)
        name = f"{tissue}.v8.signif_variant_gene_pairs.txt.gz"
        table.to_csv(tmp_path / name, sep="\t", index=False)
    return tmp_path


def found(folder, **more):
    files = gtex.find_pairs_files(folder, ["Brain_A", "Brain_B"])
    return [int(name.split("_")[1]) for name in gtex.variants_in_all_tissues(files, P, say=quiet, **more)]


def test_eqtls_of_all_tissues_as_pandas_joins_them(study):
    files = gtex.find_pairs_files(study.folder / "gtex" / "eqtl", TISSUES)
    assert len(files) == 13
    tables = [pd.read_csv(path, sep="\t").query("pval_nominal < @P") for path in files.values()]
    counts = pd.concat([table[["variant_id"]].drop_duplicates() for table in tables])["variant_id"].value_counts()
    expected = sorted(counts.index[counts == 13])
    assert gtex.variants_in_all_tissues(files, P, say=quiet) == expected
    assert 0 < len(expected) < counts.size / 2


def test_for_some_gene_or_for_the_same_gene(pairs):
    assert found(pairs) == [1, 2]
    assert found(pairs, same_gene=True) == [2]


def test_parquet_of_v10(pairs):
    for path in list(pairs.glob("*.txt.gz")):
        table = pd.read_csv(path, sep="\t").rename(columns={"slope": "af"})
        table.to_parquet(pairs / f"{path.name.split('.')[0]}.v10.eQTLs.signif_pairs.parquet")
        path.unlink()
    assert found(pairs) == [1, 2]


def test_bad_pairs_files(pairs):
    with pytest.raises(InputError, match=r"no file of significant pairs for Brain_C, Brain_D"):
        gtex.find_pairs_files(pairs, ["Brain_A", "Brain_C", "Brain_D"])
    with pytest.raises(InputError, match="no such folder"):
        gtex.find_pairs_files(pairs / "none", ["Brain_A"])
    path = pairs / "Brain_B.v8.signif_variant_gene_pairs.txt.gz"
    (pairs / "Brain_B.v7.signif_variant_gene_pairs.txt.gz").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="several files for Brain_B"):
        found(pairs)
    (pairs / "Brain_B.v7.signif_variant_gene_pairs.txt.gz").unlink()
    table = pd.read_csv(path, sep="\t")
    table.drop(columns="pval_nominal").to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=r"Brain_B\.v8.*no column pval_nominal"):
        found(pairs)
    table.assign(pval_nominal="many").to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=r"Brain_B\.v8.*cannot be read"):
        found(pairs)
    path.write_bytes(gzip.compress(table.to_csv(sep="\t", index=False).encode())[:-20])
    with pytest.raises(InputError, match=r"Brain_B\.v8.*cannot be read"):
        found(pairs)


def test_look_up_as_pandas_does(study):
    path = study.folder / "gtex" / "lookup.txt.gz"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    some = sorted(table["variant_id"].iloc[::7])
    result = gtex.look_up(some, path).set_index("variant_id").loc[some]
    expected = table.set_index("variant_id").loc[some]
    assert [re.findall("rs[0-9]+", text) for text in expected["rs_id_dbSNP151_GRCh38p7"]] == list(result["rs_ids"])
    places = [int(text.split("_")[1]) if text != "NA" else -1 for text in expected["variant_id_b37"]]
    assert list(result["pos"]) == places
    assert min(places) == -1
    assert list(result["ref"]) == list(expected["ref"])


def test_look_up_of_v7_needs_no_table_and_v8_does():
    result = gtex.look_up(["1_64764_C_T_b37", "X_5_A_G_b37"])
    assert result[["chrom", "pos", "ref", "alt"]].to_numpy().tolist() == [["1", 64764, "C", "T"], ["X", 5, "A", "G"]]
    with pytest.raises(InputError, match="not GRCh37: chr1_64764_C_T_b38"):
        gtex.look_up(["chr1_64764_C_T_b38"])


def test_a_lookup_table_without_rs_ids(tmp_path):
    (tmp_path / "l.txt").write_text("variant_id\tchr\nchr1_1_A_G_b38\tchr1\n")
    with pytest.raises(InputError, match="no column variant_id or rs_id_dbSNP"):
        gtex.look_up(["chr1_1_A_G_b38"], tmp_path / "l.txt")


def test_a_lookup_table_without_grch37_ids_gives_no_places(tmp_path):
    header = "variant_id\trs_id_dbSNP151_GRCh38p7\n"
    (tmp_path / "l.txt").write_text(f"{header}chr1_10_A_G_b38\trs1\nchr1_20_A_G_b38\t.\n1_30_A_G_b37\t.\n")
    said = []
    names = ["chr1_10_A_G_b38", "chr1_20_A_G_b38", "1_30_A_G_b37"]
    variants = gtex.look_up(names, tmp_path / "l.txt", said.append)
    assert variants[["chrom", "pos", "ref", "alt"]].to_numpy().tolist() == [
        [None, -1, "A", "G"],
        [None, -1, "A", "G"],
        ["1", 30, "A", "G"],
    ]
    assert said == [f"2 of 3 GTEx variants have no GRCh37 position in {tmp_path}/l.txt: matched by rsID only"]
    rows = [("rs1", "1", 99, "A", "G"), ("x", "1", 20, "A", "G"), ("y", "1", 30, "A", "G")]
    snps = pd.DataFrame(rows, columns=["snp_id", "chrom", "pos", "a1", "a2"])
    assert list(gtex.match_snps(snps, variants)) == [True, False, True]
    (tmp_path / "l.txt").write_text("variant_id\trs_id_dbSNP151\tvariant_id_b37\nv\t.\tchr1_20_A_G_b38\n")
    assert list(gtex.look_up(["v"], tmp_path / "l.txt", quiet)["pos"]) == [-1]


def test_snps_match_by_name_or_place_and_only_with_their_alleles():
    variants = pd.DataFrame(
        {
            "rs_ids": [["rs1"], [], ["rs3", "rs33"], ["rs4"]],
            "chrom": ["1", "1", None, "1"],
            "pos": [10, 20, -1, 40],
            "ref": ["A", "A", "C", "A"],
            "alt": ["G", "C", "T", "G"],
        }
    )
    rows = [
        ("rs1", "1", 11, "G", "A", True),  # by name
        ("x2", "1", 20, "G", "T", True),  # by place, other strand
        ("rs33", "2", 5, "0", "C", True),  # one of several names, one known allele
        ("rs4", "1", 40, "A", "T", False),  # other alleles
        ("x5", "2", 20, "A", "C", False),  # other chromosome
    ]
    snps = pd.DataFrame(rows, columns=["snp_id", "chrom", "pos", "a1", "a2", "expected"])
    assert list(gtex.match_snps(snps, variants)) == list(snps["expected"])


def test_top_genes_of_the_simulated_table(study):
    expression = gtex.read_expression(study.folder / "gtex" / "gene_median_tpm.gct.gz", TISSUES)
    assert list(expression.columns) == TISSUES
    for rule in ("union", "mean"):
        top = gtex.top_expressed(expression, 100, rule)
        assert set(study.truth["expressed_genes"]) <= set(top)
        others = set(study.genome.genes["symbol"]) - set(study.truth["expressed_genes"])
        assert others.isdisjoint(top)
        assert not [symbol for symbol in top if symbol.startswith("MT-")]
    assert len(gtex.top_expressed(expression, 100, "mean")) == 100
    assert gtex.top_expressed(expression, 0) == []


def test_union_and_mean_differ_as_they_should():
    table = pd.DataFrame({"t1": [9.0, 8, 1, 99], "t2": [1.0, 8, 10, 99]}, index=["a", "b", "c", "MT-X"])
    assert gtex.top_expressed(table, 1, "union") == ["a", "c"]
    assert gtex.top_expressed(table, 1, "mean") == ["b"]


def test_bad_expression_tables(study, tmp_path):
    good = study.folder / "gtex" / "gene_median_tpm.gct.gz"
    with pytest.raises(InputError, match="no column for Brain_Nowhere"):
        gtex.read_expression(good, [*TISSUES, "Brain_Nowhere"])
    with pytest.raises(InputError, match="no such file"):
        gtex.read_expression(tmp_path / "none.gct", TISSUES)
    (tmp_path / "x.gct").write_text("gene\tBrain\n")
    with pytest.raises(InputError, match=r"line 1 is 'gene\\tBrain', not #1\.2"):
        gtex.read_expression(tmp_path / "x.gct", TISSUES)
    (tmp_path / "x.gct.gz").write_bytes(good.read_bytes()[:2000])
    with pytest.raises(InputError, match="cannot be read"):
        gtex.read_expression(tmp_path / "x.gct.gz", TISSUES)


PAPER = SHARED.parent / "paper" / "gcam-ccl-arxiv-2006.09454.txt"
EXPRESSION = SHARED / "gtex" / "dhimmel_gtexV4_mean_expression_SMTSD.tsv.gz"


def paper_genes():
    """Genes of the paper's Tables V and VI: the words after rs numbers; without two unnamed loci (LOC...)."""
    text = PAPER.read_text()
    tables = text[text.index("TABLE V:") : text.index("TABLE VII:")]
    symbols = {symbol for _, symbol in re.findall(r"\b(rs\d+)\s+([A-Z][A-Z0-9-]+)", tables)}
    return {symbol for symbol in symbols if not symbol.startswith("LOC")}


@pytest.mark.skipif(not (EXPRESSION.exists() and PAPER.exists()), reason="GTEx's table is not on this machine")
def test_which_definition_of_top_genes_is_the_papers():
    """Of the genes in Tables V and VI, `union` holds 22 and `mean` 13: why `union` is the default."""
    table = pd.read_csv(EXPRESSION, sep="\t", index_col="GeneID")
    places = pd.read_csv(SHARED / "genes" / "NCBI37.3.gene.loc", sep="\t", header=None, index_col=0)
    names = {gtex.tissue_key(column): column for column in table}
    table = table[[names[gtex.tissue_key(tissue)] for tissue in TISSUES]]
    table = table[table.index.isin(places.index)]
    table.index = places[5].loc[table.index]
    table = 2**table - 1  # it holds log2(1 + RPKM)
    paper = paper_genes()
    assert len(paper) == 56
    assert len(paper & set(gtex.top_expressed(table, 100, "union"))) == 22
    assert len(paper & set(gtex.top_expressed(table, 100, "mean"))) == 13
