"""eqtl_filter on awkward text: quotes in ids, byte order marks, damaged archives, few SNPs to compare positions by."""

import gzip

import numpy as np
import pandas as pd
import pytest
from eqtl_fixture import files, find, make_imputed, prefixes
from genetics_fixture import quiet

from gcamccl.eqtl_filter.build import SAMPLE, sample_names
from gcamccl.eqtl_filter.gene_files import read_gene_bodies
from gcamccl.eqtl_filter.variants import look_up, look_up_also
from gcamccl.genotype_qc import bed
from gcamccl.workflow.errors import InputError

MARK = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_imputed(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def loci(study, tmp_path_factory):
    return find(study, tmp_path_factory.mktemp("usual"))


def copied(prefix, target, rows=None, **columns):
    """A chromosome's fileset with some SNPs and other columns of the .bim."""
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    rows = np.arange(len(bim)) if rows is None else rows
    calls = bed.read_bed(prefix, len(fam), rows)
    bed.write_fileset(target, calls, bim.iloc[rows].assign(**columns), fam)
    return target


def test_quotes_in_ids_change_nothing(study, loci, tmp_path):
    """An id that starts with a quote is no quoted field, in the filesets as they come and in the loci's own."""
    bim, fam = bed.read_bim(prefixes(study)[0]), bed.read_fam(prefixes(study)[0])
    usual = find(study, tmp_path / "usual", prefixes(study)[:1])
    chosen = usual.snps["snp_id"][usual.snps["why"] == "expressed"]
    new = {chosen.iloc[0]: '"x', chosen.iloc[1]: 'y"', chosen.iloc[2]: '"z"'}
    (tmp_path / "a.bed").write_bytes(bed.path(prefixes(study)[0], ".bed").read_bytes())
    for table, name in (bim.assign(id=bim["id"].replace(new)), "bim"), (fam, "fam"):
        lines = ["\t".join(map(str, row)) for row in table.to_numpy().tolist()]
        if name == "fam":
            lines = [line.replace(fam["iid"][4], '"P').replace(fam["iid"][5], '"Q"') for line in lines]
        (tmp_path / f"a.{name}").write_text("\n".join(lines) + "\n")
    result = find(study, tmp_path / "odd", [tmp_path / "a"])
    assert list(result.snps["snp_id"]) == list(usual.snps["snp_id"].replace(new))
    assert (result.dosage == usual.dosage).all()
    assert list(result.samples["genotype_id"][4:6]) == ['"P', '"Q"']
    text = (tmp_path / "odd" / "loci.bim").read_text().split("\n")
    assert [line.split("\t")[1] for line in text[:-1]] == list(result.snps["snp_id"])


def test_byte_order_marks_change_nothing(study, loci, tmp_path):
    other = {}
    for name, path in files(study).items():
        if path.is_dir():
            other[name] = tmp_path / name
            other[name].mkdir()
            for file in path.iterdir():
                (other[name] / file.name).write_bytes(gzip.compress(MARK + gzip.decompress(file.read_bytes())))
        else:
            data = path.read_bytes()
            data = gzip.compress(MARK + gzip.decompress(data)) if path.suffix == ".gz" else MARK + data
            other[name] = tmp_path / path.name
            other[name].write_bytes(data)
    result = find(study, tmp_path / "out", **other)
    pd.testing.assert_frame_equal(result.snps, loci.snps)
    pd.testing.assert_frame_equal(result.eqtl_tissues, loci.eqtl_tissues)


def test_a_damaged_archive_of_gene_bodies(tmp_path):
    """A flipped bit is an error whichever way it shows."""
    whole = gzip.compress("".join(f"1 {n * 77} {n * 77 + 50} G{n * n}\n" for n in range(400)).encode())
    rng = np.random.default_rng(1)
    for place in rng.integers(12, len(whole), 30):
        data = bytearray(whole)
        data[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "g.gz").write_bytes(data)
        with pytest.raises(InputError, match=r"g\.gz"):
            read_gene_bodies(tmp_path / "g.gz", say=quiet)
    (tmp_path / "g").write_bytes("1 5 9 Gé\n".encode("latin-1"))
    with pytest.raises(InputError, match="g: cannot be read: 'utf-8' codec"):
        read_gene_bodies(tmp_path / "g", say=quiet)


def test_moved_positions_are_found_by_other_snps_of_the_lookup_table(study, loci, tmp_path):
    """No eQTL is in the fileset, but other SNPs have places in the table."""
    prefix = prefixes(study)[0]
    bim = bed.read_bim(prefix)
    rows = np.flatnonzero(~bim["id"].isin(loci.eqtl["snp_id"]))
    assert len(find(study, tmp_path, [copied(prefix, tmp_path / "a", rows)]).snps)
    moved = copied(prefix, tmp_path / "b", rows, pos=bim["pos"].iloc[rows] + 1234)
    with pytest.raises(InputError, match=r"b\.bim: positions are not GRCh37: (\d+) of \1 SNPs"):
        find(study, tmp_path, [moved])


def test_names_to_compare_are_spread_over_the_study():
    snps = pd.DataFrame({"snp_id": [f"rs{n}" for n in range(10_000)] + ["kgp1", "."]})
    names = sample_names(snps)
    assert len(names) == SAMPLE and names[0] == "rs0" and names[-1] == "rs9999"
    assert sample_names(snps[-2:]) == []
    assert sample_names(snps[:3]) == ["rs0", "rs1", "rs2"]


def test_places_of_other_rs_ids_come_with_the_variants(tmp_path):
    head = "variant_id\trs_id_dbSNP151_GRCh38p7\tvariant_id_b37\n"
    lines = ["chr1_11_A_G_b38\trs1\t1_1_A_G_b37", "chr1_12_A_G_b38\trs2\t1_2_A_G_b37", "chr1_13_A_G_b38\trs3\tNA"]
    (tmp_path / "l.txt").write_text(head + "\n".join(lines) + "\n")
    wanted = ["chr1_11_A_G_b38"]
    variants, known = look_up_also(wanted, ["rs2", "rs3", "rs4"], tmp_path / "l.txt", quiet)
    pd.testing.assert_frame_equal(variants, look_up(wanted, tmp_path / "l.txt", quiet))
    assert known[["rs_ids", "chrom", "pos"]].to_numpy().tolist() == [[["rs2"], "1", 2]]
    assert len(look_up_also(["1_1_A_G_b37"], ["rs2"], None, quiet)[1]) == 0
