"""eqtl_filter: the planted loci and no others, with the evidence for each; what the program writes."""

import gzip
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from eqtl_fixture import files, find, make_imputed, prefixes
from genetics_fixture import quiet, settings
from jsonschema import Draft202012Validator

from gcamccl.eqtl_filter.expression import read_expression, top_genes
from gcamccl.genotype_qc import bed
from gcamccl.simulate.genetic_truth import gene_of
from gcamccl.simulate.gtex import ensembl_id
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import read_yaml
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, read_tsv


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_imputed(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("loci")


@pytest.fixture(scope="module")
def loci(study, out):
    return find(study, out)


def test_loci_are_the_planted_ones(study, loci):
    core = study.genome.variants.query("core")
    gene = gene_of(core, study.genome.genes)
    eqtl = set(study.truth["eqtl_snps"])
    expressed = set(core["id"][gene.isin(study.truth["expressed_genes"])])
    why = loci.snps.set_index("snp_id")["why"]
    assert set(why.index[why.str.contains("eqtl")]) == eqtl
    assert set(why.index[why.str.contains("expressed")]) == expressed
    assert set(why.index[why == "eqtl+expressed"]) == eqtl & expressed
    assert len(eqtl & expressed) > 0
    assert set(study.truth["causal_snps"]["id"]) <= set(why.index)


def test_tables_fit_together(study, loci):
    snps = loci.snps
    assert list(snps.columns) == [
        *("snp_id", "chrom", "pos", "counted_allele", "other_allele", "frequency", "genes", "why"),
        *("eqtl_variants", "eqtl_match", "eqtl_genes", "eqtl_worst_p", "n_imputed", "imputed_from"),
    ]
    assert snps["snp_id"].is_unique
    order = list(zip(snps["chrom"].astype(int), snps["pos"], strict=True))
    assert order == sorted(order)
    pairs = loci.snp_gene
    assert list(pairs["snp_id"].drop_duplicates()) == list(snps["snp_id"])
    assert [",".join(group["gene"]) for _, group in pairs.groupby("snp_id", sort=False)] == list(snps["genes"])
    gene = gene_of(study.genome.variants.query("core"), study.genome.genes)
    inside = study.genome.variants.query("core")["id"][gene != ""]
    assert list(loci.gene_body_snps["snp_id"]) == list(inside)
    bodies, table = study.genome.genes.set_index("symbol"), loci.genes.set_index("gene")
    assert sorted(set(pairs["gene"])) == list(table.index)
    own = bodies.loc[table.index]
    np.testing.assert_array_equal(table[["start", "end"]], own[["start", "end"]])
    np.testing.assert_array_equal(table["length"], own["end"] - own["start"] + 1)
    assert table["n_loci"].to_dict() == pairs["gene"].value_counts().to_dict()
    assert (table["n_snps"] >= table["n_loci"]).all()
    assert list(loci.samples["genotype_id"]) == study.people
    counts = loci.attrition.set_index("step")["snps"]
    assert counts["imputed"] == study.genome.variants["core"].sum()
    assert counts["gene_bodies"] == len(inside)
    assert counts["loci"] == len(snps)
    assert counts["eqtl"] == snps["why"].str.contains("eqtl").sum()
    tissues = loci.eqtl_tissues
    assert list(tissues["tissue"]) == settings("eqtl_filter")["tissues"]
    assert tissues["n_left"].is_monotonic_decreasing and tissues["n_left"].iloc[-1] > 0


def test_evidence_of_eqtls(study, loci):
    """Every eQTL SNP names its GTEx variant, the genes, and the largest over tissues of the smallest p."""
    snps = loci.snps.set_index("snp_id")
    eqtl = snps[snps["why"].str.contains("eqtl")]
    assert snps.drop(eqtl.index)[["eqtl_variants", "eqtl_match", "eqtl_genes", "eqtl_worst_p"]].isna().all(axis=None)
    folder = study.folder / "gtex"
    variants = study.genome.variants.set_index("id")
    truth = [f"chr{v.chrom}_{v.pos + 60_000}_{v.ref}_{v.alt}_b38" for v in variants.loc[eqtl.index].itertuples()]
    assert list(eqtl["eqtl_variants"]) == truth
    low = pd.concat(
        pd.read_csv(path, sep="\t", float_precision="round_trip")[["variant_id", "gene_id", "pval_nominal"]].assign(
            tissue=path.name.split(".")[0]
        )
        for path in (folder / "eqtl").iterdir()
    ).query("pval_nominal < 5e-8")
    worst = low.groupby(["variant_id", "tissue"])["pval_nominal"].min().groupby("variant_id").max()
    assert list(eqtl["eqtl_worst_p"]) == list(worst.loc[truth])
    gene = gene_of(variants.loc[eqtl.index].reset_index(), study.genome.genes)
    assert [cell.split(",")[0] for cell in eqtl["eqtl_genes"]] == list(gene)
    table = loci.eqtl
    assert list(table.columns) == [
        *("snp_id", "variant_id", "match", "gene_id", "gene", "n_tissues", "min_p", "max_p"),
    ]
    assert set(table["snp_id"]) == set(eqtl.index)
    assert len(table) == len(low[low["variant_id"].isin(truth)].drop_duplicates(["variant_id", "gene_id"]))
    assert (table.groupby("snp_id")["n_tissues"].max() == 13).all()


def test_snps_of_several_rs_ids_none_another_or_no_position(study, loci, tmp_path):
    """The lookup table spoilt in four ways, in turn: the loci stay, and how each was recognised is told."""
    eqtl = loci.snps[loci.snps["why"].str.contains("eqtl")]
    table = pd.read_csv(files(study)["gtex_lookup"], sep="\t", keep_default_na=False).set_index("variant_id")
    rs = "rs_id_dbSNP151_GRCh38p7"
    ways = ["rsid+position", "rsid", "position", "position_renamed", "rsid_moved"]
    expected = {}
    for number, (name, variant) in enumerate(zip(eqtl["snp_id"], eqtl["eqtl_variants"], strict=True)):
        way = expected[name] = ways[number % 5] if number < 20 else ways[0]  # most keep their place: check_build
        place = table.loc[variant, "variant_id_b37"]
        chrom, pos, rest = place.split("_", 2)
        table.loc[variant, [rs, "variant_id_b37"]] = {
            "rsid+position": (f"rs1,{name}", place),
            "rsid": (name, "NA"),
            "position": (".", place),
            "position_renamed": ("rs1", place),
            "rsid_moved": (name, f"{chrom}_{int(pos) + 7}_{rest}"),
        }[way]
    table.reset_index()[["variant_id", rs, "variant_id_b37"]].to_csv(tmp_path / "l.txt", sep="\t", index=False)
    said = []
    again = find(study, tmp_path, say=said.append, gtex_lookup=tmp_path / "l.txt")
    assert list(again.snps["snp_id"]) == list(loci.snps["snp_id"])
    assert again.snps.set_index("snp_id")["eqtl_match"].dropna().to_dict() == expected
    assert set(expected.values()) == set(ways)
    moved = sum(way == "rsid_moved" for way in expected.values())
    assert any(line.startswith(f"{moved} SNPs are GTEx variants by rsID although their positions") for line in said)


def test_top_genes_table(study, loci):
    top = loci.top_genes.set_index("gene")
    expressed = study.truth["expressed_genes"]
    assert set(expressed) <= set(top.index)
    assert (top.loc[expressed, "in_gene_bodies"] == expressed).all()
    gene = gene_of(study.genome.variants.query("core"), study.genome.genes)
    assert top.loc[expressed, "n_snps"].to_dict() == {name: int((gene == name).sum()) for name in expressed}
    absent = top[top["in_gene_bodies"].isna()]
    assert len(absent) and (absent["n_snps"] == 0).all() and absent.index.str.startswith("SIMB").all()
    assert (top["n_tissues"] >= 1).all() and (top["best_rank"] <= 100).all()


def test_the_snp_table_keeps_its_schema(study, loci, tmp_path):
    schema = read_yaml(ROOT / "workflow" / "schemas" / "snps.schema.yaml")
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == schema["required"] == list(loci.snps.columns)
    loci.snps.to_csv(tmp_path / "snps.tsv", sep="\t", index=False, na_rep="n/a")
    table = read_tsv(tmp_path / "snps.tsv", dtype={"chrom": str})
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    validator = Draft202012Validator(schema)
    assert [error.message for row in rows for error in validator.iter_errors(row)] == []
    for change in ({"frequency": 1.2}, {"chrom": "X"}, {"why": "both"}, {"counted_allele": ""}, {"more": 1}):
        assert not validator.is_valid(rows[0] | change), change


def test_genotypes_of_another_build_are_an_error(study, tmp_path):
    prefix = prefixes(study)[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    bed.write_fileset(tmp_path / "x", calls, bim.assign(pos=bim["pos"] + 1234), fam)
    with pytest.raises(InputError, match=r"x\.bim: positions are not GRCh37: (\d+) of \1 SNPs .* such as rs\d+, here"):
        find(study, tmp_path, [tmp_path / "x"])
    bed.write_fileset(tmp_path / "x", calls, bim.assign(pos=bim["pos"] + 48_000_000), fam)
    with pytest.raises(InputError, match=r"x\.bim: positions are not GRCh37: \d+ SNPs lie beyond the end"):
        find(study, tmp_path, [tmp_path / "x"])


def test_top_genes_without_a_gene_body_are_named(study, tmp_path):
    lines = files(study)["gene_bodies"].read_text().splitlines(keepends=True)
    gone = study.truth["expressed_genes"][0]
    (tmp_path / "g").write_text("".join(line for line in lines if line.split()[3] != gone))
    said = []
    result = find(study, tmp_path, say=said.append, changes={"top_genes": 5}, gene_bodies=tmp_path / "g")
    expression = read_expression(files(study)["gtex_expression"], settings("eqtl_filter")["tissues"], quiet)
    top = list(top_genes(expression.tpm, 5)["gene"])
    known = {line.split()[3] for line in lines} - {gone}
    absent = sorted(set(top) - known)
    assert gone in absent
    assert list(result.top_genes["gene"][result.top_genes["in_gene_bodies"].isna()]) == absent
    line = next(text for text in said if "no gene body" in text)
    start = f"{len(absent)} of {len(top)} top expressed genes have no gene body in {tmp_path}/g: "
    assert line.startswith(start)
    assert line[len(start) :].removesuffix(" ...").split(", ") == absent[:10]


def test_a_gtf_finds_renamed_genes_by_their_ensembl_id(study, loci, tmp_path):
    """The gene bodies of the study as a GTF with new symbols: the same loci, with the new symbols."""
    lines = []
    for gene in study.genome.genes.itertuples():
        notes = f'gene_id "{ensembl_id(gene.symbol)[:-2]}.9"; gene_type "protein_coding"; gene_name "NEW{gene.symbol}";'
        lines.append(f"chr{gene.chrom}\tX\tgene\t{gene.start}\t{gene.end}\t.\t+\t.\t{notes}\n")
    (tmp_path / "g.gtf.gz").write_bytes(gzip.compress("".join(lines).encode()))
    again = find(study, tmp_path, gene_bodies=tmp_path / "g.gtf.gz")
    pd.testing.assert_frame_equal(again.snps.drop(columns="genes"), loci.snps.drop(columns="genes"))
    assert list(again.snps["genes"]) == [f"NEW{symbol}" for symbol in loci.snps["genes"]]
    gene = study.truth["expressed_genes"][0]
    assert again.top_genes.set_index("gene").loc[gene, "in_gene_bodies"] == f"NEW{gene}"


def test_only_expressed_genes(study, loci, tmp_path):
    """No variant is an eQTL everywhere: a warning, and the loci are those of the expressed genes."""
    said = []
    result = find(study, tmp_path, say=said.append, changes={"eqtl_p": 1e-300})
    expected = loci.snps[loci.snps["why"].str.contains("expressed")]
    assert list(result.snps["snp_id"]) == list(expected["snp_id"])
    assert set(result.snps["why"]) == {"expressed"} and len(result.eqtl) == 0
    assert any(line.startswith("WARNING: no variant has p < 1e-300") for line in said)


def test_no_locus_is_an_error(study, tmp_path):
    with pytest.raises(InputError, match="no locus: none of"):
        find(study, tmp_path, changes={"eqtl_p": 1e-300, "top_genes": 0})


def test_the_log_sets_the_numbers_beside_the_papers(study, tmp_path):
    said = []
    result = find(study, tmp_path, say=said.append)
    line = next(text for text in said if "loci; the paper had" in text)
    assert f": {len(result.snps)} loci; the paper had 98,804 SNPs in 14,131 genes, 108 eQTLs, 750 loci" in line


def test_the_program_writes_what_the_contract_says(study, loci, tmp_path):
    script = ROOT / "workflow" / "scripts" / "eqtl_filter.py"
    words = [sys.executable, script, "--genotypes", *prefixes(study), "--out", tmp_path]
    for name, path in files(study).items():
        words += ["--" + name.replace("_", "-"), path]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr
    assert (np.load(tmp_path / "dosage.npy") == loci.dosage).all()
    assert {path.name for path in tmp_path.iterdir()} == {
        *("artifact.json", "dosage.npy", "loci.bed", "loci.bim", "loci.fam", "snps.tsv", "samples.tsv", "snp_gene.tsv"),
        *("genes.tsv", "gene_body_snps.tsv", "attrition.tsv", "eqtl.tsv", "eqtl_tissues.tsv", "top_genes.tsv"),
    }
    inputs = read_json(tmp_path / "artifact.json")["inputs"]
    for name in ("chr22.bed", "chr22.snps.tsv", "chr22.dosage.npz", "glist-hg19", "lookup.txt.gz"):
        assert any(path.endswith(f"/{name}") for path in inputs), name
    for name in (
        "snps",
        "samples",
        "snp_gene",
        "genes",
        "gene_body_snps",
        "attrition",
        "eqtl",
        "eqtl_tissues",
        "top_genes",
    ):
        table = pd.read_csv(tmp_path / f"{name}.tsv", sep="\t")
        assert list(table.columns) == list(getattr(loci, name).columns)
        assert len(table) == len(getattr(loci, name))


def test_a_missing_tissue_is_one_line_and_no_result(study, tmp_path):
    eqtl = tmp_path / "eqtl"
    eqtl.mkdir()
    for path in (study.folder / "gtex" / "eqtl").iterdir():
        if not path.name.startswith("Brain_Cortex."):
            (eqtl / path.name).symlink_to(path)
    script = ROOT / "workflow" / "scripts" / "eqtl_filter.py"
    words = [sys.executable, script, "--genotypes", *prefixes(study), "--out", tmp_path / "out"]
    for name, path in (files(study) | {"gtex_eqtl": eqtl}).items():
        words += ["--" + name.replace("_", "-"), path]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"ERROR: {eqtl}: no file of significant pairs for Brain_Cortex;" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
