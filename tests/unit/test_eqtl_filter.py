"""eqtl_filter: the planted loci and no others; dosages as plink2 counts them."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import CHROMOSOMES, make, quiet, settings

from gcamccl.eqtl_filter import gtex
from gcamccl.eqtl_filter import loci as stage
from gcamccl.genotype_qc import bed
from gcamccl.simulate.genetic_truth import gene_of
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A simulated study with complete genotypes of all array SNPs, a fileset a chromosome."""
    study = make(tmp_path_factory.mktemp("genetics"))
    rng = np.random.default_rng(8)
    fam = pd.DataFrame({"fid": study.people, "iid": study.people, "father": 0, "mother": 0, "sex": 1, "phenotype": -9})
    for chrom in CHROMOSOMES:
        table = study.genome.variants.query("core and chrom == @chrom")
        swap = rng.random(len(table)) < 0.5
        copies = study.genome.dosage[:, table.index].T
        bim = pd.DataFrame({"chrom": chrom, "id": table["id"], "cm": 0, "pos": table["pos"]})
        bim["a1"] = np.where(swap, table["ref"], table["alt"])
        bim["a2"] = np.where(swap, table["alt"], table["ref"])
        calls = np.where(swap[:, None], 2 - copies, copies).astype(np.int8)
        bed.write_fileset(study.folder / f"chr{chrom}", calls, bim, fam)
        counts = pd.DataFrame({"snp_id": bim["id"], "n_imputed": np.arange(len(bim)), "source": "panel"})
        counts.to_csv(study.folder / f"chr{chrom}.snps.tsv", sep="\t", index=False)
    return study


def prefixes(study):
    return [study.folder / f"chr{chrom}" for chrom in CHROMOSOMES]


def files(study):
    gtex = study.folder / "gtex"
    return {
        "gene_bodies": study.folder / "genes" / "glist-hg19",
        "gtex_eqtl": gtex / "eqtl",
        "gtex_expression": gtex / "gene_median_tpm.gct.gz",
        "gtex_lookup": gtex / "lookup.txt.gz",
    }


@pytest.fixture(scope="module")
def loci(study):
    return stage.find_loci(prefixes(study), settings("eqtl_filter"), **files(study), say=quiet)


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
        *("snp_id", "chrom", "pos", "counted_allele", "other_allele", "frequency", "genes", "why", "n_imputed"),
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
    assert list(loci.samples["genotype_id"]) == study.people
    counts = loci.attrition.set_index("step")["snps"]
    assert counts["imputed"] == study.genome.variants["core"].sum()
    assert counts["gene_bodies"] == len(inside)
    assert counts["loci"] == len(snps)
    names = study.genome.variants.query("core").groupby("chrom")["id"].apply(list)
    assert list(snps["n_imputed"]) == [
        names[int(chrom)].index(name) for name, chrom in zip(snps["snp_id"], snps["chrom"], strict=True)
    ]


def test_dosage_counts_the_counted_allele_as_plink2_does(study, loci, tmp_path):
    assert loci.dosage.dtype == np.float32
    assert loci.dosage.shape == (len(loci.samples), len(loci.snps))
    table = []
    loci.snps[["snp_id", "counted_allele"]].to_csv(tmp_path / "count", sep="\t", header=False, index=False)
    for prefix in prefixes(study):
        words = ["plink2", "--bfile", prefix, "--export", "A", "--export-allele", tmp_path / "count"]
        words += ["--out", tmp_path / prefix.name]
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
        raw = pd.read_csv(tmp_path / f"{prefix.name}.raw", sep="\t", index_col="IID").iloc[:, 5:]
        table.append(raw.rename(columns=lambda name: name.rsplit("_", 1)[0]))
    counted = pd.concat(table, axis=1).loc[loci.samples["genotype_id"], loci.snps["snp_id"]]
    assert (counted.to_numpy() == loci.dosage).all()
    assert np.allclose(loci.snps["frequency"], counted.mean() / 2)
    truth = study.true_copies(loci.snps["snp_id"], loci.snps["counted_allele"])
    assert (loci.dosage == truth.T).all()


def test_an_empty_chromosome_does_no_harm(study, loci, tmp_path):
    fam = bed.read_fam(prefixes(study)[0])
    bed.write_fileset(tmp_path / "chr3", np.zeros((0, len(fam)), np.int8), pd.DataFrame(columns=bed.BIM), fam)
    (tmp_path / "chr3.snps.tsv").write_text("snp_id\tn_imputed\tsource\n")
    more = [tmp_path / "chr3", *prefixes(study)]
    again = stage.find_loci(more, settings("eqtl_filter"), **files(study), say=quiet)
    pd.testing.assert_frame_equal(again.snps, loci.snps)
    assert (again.dosage == loci.dosage).all()


def test_missing_calls_are_an_error(study, tmp_path):
    prefix = prefixes(study)[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    calls[:, 3] = -1
    bed.write_fileset(tmp_path / "x", calls, bim, fam)
    with pytest.raises(InputError, match=r"x\.bed: SNP rs\d+ has missing calls; give the filesets of the impute stage"):
        stage.find_loci([tmp_path / "x"], settings("eqtl_filter"), **files(study), say=quiet)


def test_other_people_on_another_chromosome_are_an_error(study, tmp_path):
    prefix = prefixes(study)[1]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    bed.write_fileset(tmp_path / "x", calls[:, ::-1], bim, fam.iloc[::-1])
    with pytest.raises(InputError, match="its people are not those of"):
        stage.read_snps([prefixes(study)[0], tmp_path / "x"])


def test_genotypes_of_another_build_are_an_error(study, tmp_path):
    prefix = prefixes(study)[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    bed.write_fileset(tmp_path / "x", calls, bim.assign(pos=bim["pos"] + 1234), fam)
    with pytest.raises(InputError, match=r"x\.bim: positions are not GRCh37: (\d+) of \1 SNPs .* such as rs\d+, here"):
        stage.find_loci([tmp_path / "x"], settings("eqtl_filter"), **files(study), say=quiet)


def test_top_genes_without_a_gene_body_are_named(study, tmp_path):
    lines = files(study)["gene_bodies"].read_text().splitlines(keepends=True)
    gone = study.truth["expressed_genes"][0]
    (tmp_path / "g").write_text("".join(line for line in lines if line.split()[3] != gone))
    said = []
    inputs = files(study) | {"gene_bodies": tmp_path / "g"}
    stage.find_loci(prefixes(study), settings("eqtl_filter", top_genes=5), **inputs, say=said.append)
    expression = gtex.read_expression(inputs["gtex_expression"], settings("eqtl_filter")["tissues"])
    top = gtex.top_expressed(expression, 5)
    known = {line.split()[3] for line in lines} - {gone}
    absent = sorted(set(top) - known)
    assert gone in absent
    line = next(text for text in said if "gene body" in text)
    start = f"{len(absent)} of {len(top)} top expressed genes have no gene body in {tmp_path}/g: "
    assert line.startswith(start)
    assert line[len(start) :].removesuffix(" ...").split(", ") == absent[:10]


def test_no_locus_is_an_error(study):
    with pytest.raises(InputError, match="no locus: none of"):
        stage.find_loci(prefixes(study), settings("eqtl_filter", eqtl_p=1e-300, top_genes=0), **files(study), say=quiet)


def test_the_program_writes_what_the_contract_says(study, loci, tmp_path):
    script = ROOT / "workflow" / "scripts" / "eqtl_filter.py"
    words = [sys.executable, script, "--genotypes", *prefixes(study), "--out", tmp_path]
    for name, path in files(study).items():
        words += ["--" + name.replace("_", "-"), path]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True)
    assert "Warning" not in done.stderr
    assert (np.load(tmp_path / "dosage.npy") == loci.dosage).all()
    for name in ("snps", "samples", "snp_gene", "gene_body_snps", "attrition"):
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
