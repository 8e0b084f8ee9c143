"""eqtl_filter's filesets and dosages: as plink2 counts them, expected copies, what cannot be read."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from eqtl_fixture import find, make_imputed, prefixes

from gcamccl.eqtl_filter import dosage
from gcamccl.genotype_qc import bed
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_imputed(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("loci")


@pytest.fixture(scope="module")
def loci(study, out):
    return find(study, out)


def test_where_imputed_calls_are_counted(study, loci):
    tables = [read_tsv(bed.path(prefix, ".snps.tsv")).set_index("snp_id") for prefix in prefixes(study)]
    table = pd.concat(tables).loc[loci.snps["snp_id"]]
    assert list(loci.snps["n_imputed"]) == list(table["n_imputed"])
    assert list(loci.snps["imputed_from"].fillna("")) == list(np.where(table["n_imputed"] > 0, "panel", ""))
    assert loci.samples["n_imputed"].sum() == table["n_imputed"].sum() > 100


def counted_by_plink2(prefix, table, folder):
    """Copies of the counted alleles, people x SNPs, as ``plink2 --export A`` has them."""
    table[["snp_id", "counted_allele"]].to_csv(folder / "count", sep="\t", header=False, index=False)
    words = ["plink2", "--bfile", prefix, "--export", "A", "--export-allele", folder / "count", "--out", folder / "raw"]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    raw = pd.read_csv(folder / "raw.raw", sep="\t", index_col="IID").iloc[:, 5:]
    return raw.rename(columns=lambda name: name.rsplit("_", 1)[0])


def test_dosage_counts_the_counted_allele_as_plink2_does(study, loci, out, tmp_path):
    assert loci.dosage.dtype == np.float32
    assert loci.dosage.shape == (len(loci.samples), len(loci.snps))
    counted = pd.concat([counted_by_plink2(prefix, loci.snps, tmp_path) for prefix in prefixes(study)], axis=1)
    counted = counted.loc[loci.samples["genotype_id"], loci.snps["snp_id"]]
    assert (counted.to_numpy() == loci.dosage).all()
    assert np.allclose(loci.snps["frequency"], counted.mean() / 2)
    truth = study.true_copies(loci.snps["snp_id"], loci.snps["counted_allele"])
    assert (loci.dosage == truth.T).all()
    # The loci's own fileset says the same, in the same order.
    own = counted_by_plink2(out / "loci", loci.snps, tmp_path)
    assert list(own.columns) == list(loci.snps["snp_id"]) and list(own.index) == list(loci.samples["genotype_id"])
    assert (own.to_numpy() == loci.dosage).all()
    bim = bed.read_bim(out / "loci")
    assert bim[["id", "chrom", "pos", "a1", "a2"]].to_numpy().tolist() == (
        loci.snps[["snp_id", "chrom", "pos", "counted_allele", "other_allele"]].to_numpy().tolist()
    )


def test_plink2_extracts_the_same_fileset(study, loci, out, tmp_path):
    """Of one chromosome, byte for byte."""
    here = loci.snps[loci.snps["chrom"] == "22"]
    (tmp_path / "ids").write_text("\n".join(here["snp_id"]))
    for source, name in ((prefixes(study)[1], "a"), (out / "loci", "b")):
        words = ["plink2", "--bfile", source, "--extract", tmp_path / "ids", "--make-bed", "--out", tmp_path / name]
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
    assert len(here) > 20
    for suffix in (".bed", ".bim", ".fam"):
        assert bed.path(tmp_path / "a", suffix).read_bytes() == bed.path(tmp_path / "b", suffix).read_bytes()


def test_expected_copies_stand_where_calls_were_filled_in(study, loci, tmp_path):
    expected = find(study, tmp_path, changes={"filled_calls": "expected"})
    filled = np.zeros(loci.dosage.shape, bool)
    position = {name: number for number, name in enumerate(loci.snps["snp_id"])}
    for prefix in prefixes(study):
        names = bed.read_bim(prefix)["id"].to_numpy()
        with np.load(bed.path(prefix, ".dosage.npz")) as arrays:
            for row, person, value in zip(arrays["row"], arrays["person"], arrays["dosage"], strict=True):
                if names[row] in position:
                    assert expected.dosage[person, position[names[row]]] == value
                    filled[person, position[names[row]]] = True
    assert filled.sum() > 100
    assert (expected.dosage[~filled] == loci.dosage[~filled]).all()
    assert (expected.dosage[filled] != loci.dosage[filled]).mean() > 0.5
    assert list(expected.samples["n_imputed"]) == list(filled.sum(axis=1))
    assert np.allclose(expected.snps["frequency"], expected.dosage.mean(axis=0) / 2)
    calls = bed.read_bed(tmp_path / "loci", len(filled), np.arange(len(loci.snps)))
    assert (loci.dosage == calls.T).all()
    pd.testing.assert_frame_equal(expected.snps.drop(columns="frequency"), loci.snps.drop(columns="frequency"))


def copy_fileset(prefix, target):
    for suffix in (".bed", ".bim", ".fam", ".snps.tsv", ".dosage.npz"):
        bed.path(target, suffix).write_bytes(bed.path(prefix, suffix).read_bytes())
    return target


def test_without_expected_copies(study, loci, tmp_path):
    prefix = copy_fileset(prefixes(study)[1], tmp_path / "x")
    bed.path(prefix, ".dosage.npz").unlink()
    hard = find(study, tmp_path, [prefix])
    assert hard.samples["n_imputed"].isna().all()
    with pytest.raises(InputError, match=r"x\.dosage\.npz: no such file, and eqtl_filter\.filled_calls is expected;"):
        find(study, tmp_path, [prefix], changes={"filled_calls": "expected"})
    bed.path(prefix, ".snps.tsv").unlink()
    unknown = find(study, tmp_path, [prefix])
    assert unknown.snps[["n_imputed", "imputed_from"]].isna().all(axis=None)
    assert (unknown.dosage == hard.dosage).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a | {"row": a["row"] + 100_000}, "a call lies outside the"),
        (lambda a: a | {"person": a["person"] - 130}, "a call lies outside the"),
        (lambda a: a | {"dosage": a["dosage"] + 2.1}, "a dosage is not within 0 to 2"),
        (lambda a: a | {"dosage": np.full_like(a["dosage"], np.nan)}, "a dosage is not within 0 to 2"),
        (lambda a: a | {"dosage": a["dosage"][1:]}, "row, person and dosage have"),
        (lambda a: {k: np.append(v, v[:1]) for k, v in a.items()}, "a call is in it twice"),
        (lambda a: {k: v[:-1] for k, v in a.items()}, r"\d+ calls of SNP rs\d+, but \d+ were filled in"),
        (lambda a: {"row": a["row"]}, "not the arrays row, person, dosage"),
    ],
)
def test_bad_expected_copies(study, tmp_path, change, message):
    prefix = copy_fileset(prefixes(study)[1], tmp_path / "x")
    path = bed.path(prefix, ".dosage.npz")
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **change(content))
    with pytest.raises(InputError, match=rf"x\.dosage\.npz: {message}"):
        find(study, tmp_path, [prefix], changes={"filled_calls": "expected"})
    path.write_bytes(b"no zip")
    with pytest.raises(InputError, match="not the arrays"):
        find(study, tmp_path, [prefix])


def test_an_empty_chromosome_does_no_harm(study, loci, tmp_path):
    fam = bed.read_fam(prefixes(study)[0])
    bed.write_fileset(tmp_path / "chr3", np.zeros((0, len(fam)), np.int8), pd.DataFrame(columns=bed.BIM), fam)
    (tmp_path / "chr3.snps.tsv").write_text("snp_id\tn_imputed\tsource\n")
    again = find(study, tmp_path, [tmp_path / "chr3", *prefixes(study)[::-1]])
    pd.testing.assert_frame_equal(again.snps, loci.snps)
    assert (again.dosage == loci.dosage).all()


def test_missing_calls_are_an_error(study, tmp_path):
    prefix = prefixes(study)[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    calls[:, 3] = -1
    bed.write_fileset(tmp_path / "x", calls, bim, fam)
    with pytest.raises(InputError, match=r"x\.bed: SNP rs\d+ has missing calls; give the filesets of the impute stage"):
        find(study, tmp_path, [tmp_path / "x"])


def test_other_people_or_the_same_snps_on_another_chromosome_are_errors(study, tmp_path):
    prefix = prefixes(study)[1]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    bed.write_fileset(tmp_path / "x", calls[:, ::-1], bim, fam.iloc[::-1])
    with pytest.raises(InputError, match=r"x\.fam: its people are not those of"):
        dosage.read_snps([prefixes(study)[0], tmp_path / "x"])
    with pytest.raises(InputError, match=r"chr22\.bim: SNP rs\d+ appears twice"):
        dosage.read_snps([prefix, prefix])
