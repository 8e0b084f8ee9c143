"""GTEx's eQTLs: joins as pandas does them, every release's layout, damaged files, SNPs that are its variants."""

import gzip
import re
import sys

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make, quiet, settings

from gcamccl.eqtl_filter.pairs import eqtls_in_all_tissues, find_pairs_files, release
from gcamccl.eqtl_filter.variants import MATCHES, look_up, match_snps
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

TISSUES = settings("eqtl_filter")["tissues"]
P = settings("eqtl_filter")["eqtl_p"]
V8 = "v8.signif_variant_gene_pairs.txt.gz"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


def write_pairs(folder, rows, name=V8, pattern="chr1_{}_A_G_b38"):
    """Files of tissues from {tissue: [(number, gene, p)]}; the columns in an order of their own."""
    for tissue, lines in rows.items():
        table = pd.DataFrame(lines, columns=["variant_id", "gene_id", "pval_nominal"])
        table["variant_id"] = [pattern.format(number) for number in table["variant_id"]]
        table.insert(2, "slope", 0.5)
        path = folder / f"{tissue}.{name}"
        table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, sep="\t", index=False)
    return folder


# Variant 1 for other genes, 2 for one gene, 3 weak in one tissue, 4 in one only.
ROWS = {
    "Brain_A": [(1, "g1", 1e-9), (2, "g1", 1e-9), (3, "g1", 1e-9), (4, "g1", 1e-9)],
    "Brain_B": [(1, "g2", 1e-9), (2, "g1", 1e-20), (2, "g2", 1e-30), (3, "g1", 5e-8)],
}


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path, ROWS)


def found(folder, say=quiet, tissues=("Brain_A", "Brain_B"), **more):
    return eqtls_in_all_tissues(find_pairs_files(folder, tissues), P, say=say, **more)


def numbers(eqtls):
    return [int(name.split("_")[1]) for name in eqtls.variants]


@pytest.mark.parametrize("same_gene", [False, True])
def test_eqtls_of_all_tissues_as_pandas_joins_them(study, same_gene):
    files = find_pairs_files(study.folder / "gtex" / "eqtl", TISSUES)
    assert len(files) == 13
    result = eqtls_in_all_tissues(files, P, same_gene, say=quiet)
    key = ["variant_id", "gene_id"] if same_gene else ["variant_id"]
    tables = {tissue: pd.read_csv(path, sep="\t", float_precision="round_trip") for tissue, path in files.items()}
    low = pd.concat([table[table["pval_nominal"] < P].assign(tissue=tissue) for tissue, table in tables.items()])
    counts = low.drop_duplicates([*key, "tissue"]).groupby(key).size()
    names = counts.index.get_level_values("variant_id")
    expected = sorted(set(names[counts == 13]))
    assert result.variants == expected
    assert 0 < len(expected) < counts.size / 2
    # Each tissue's numbers: lines, variants below the limit, left up to here, added if the tissue were left out.
    shown = result.tissues.set_index("tissue")
    assert list(shown.index) == TISSUES
    assert shown["n_pairs"].to_dict() == {tissue: len(table) for tissue, table in tables.items()}
    assert shown["n_variants"].to_dict() == low.groupby("tissue")["variant_id"].nunique().to_dict()
    for number, tissue in enumerate(TISSUES, start=1):
        first = low[low["tissue"].isin(TISSUES[:number])].drop_duplicates([*key, "tissue"]).groupby(key).size()
        left = first.index[first == number].get_level_values("variant_id").nunique()
        assert shown.loc[tissue, "n_left"] == left
        others = low[low["tissue"] != tissue].drop_duplicates([*key, "tissue"]).groupby(key).size()
        without = set(others.index[others == 12].get_level_values("variant_id"))
        assert shown.loc[tissue, "n_only_here_lacking"] == len(without - set(expected))
    assert shown["n_only_here_lacking"].sum() > 10
    # The evidence: every pair of the variants, and the worst p.
    low = low[low["variant_id"].isin(expected)]
    groups = low.groupby(["variant_id", "gene_id"])["pval_nominal"].agg(["size", "min", "max"]).reset_index()
    assert result.pairs.to_numpy().tolist() == groups.to_numpy().tolist()
    best = low.groupby(["variant_id", "tissue"])["pval_nominal"].min().groupby("variant_id").max()
    if not same_gene:
        assert result.worst_p == best.to_dict()


def test_for_some_gene_or_for_the_same_gene(pairs):
    some, same = found(pairs), found(pairs, same_gene=True)
    assert (numbers(some), numbers(same)) == ([1, 2], [2])
    name = "chr1_2_A_G_b38"
    assert some.worst_p[name] == 1e-9  # Brain_A's 1e-9, whatever the gene; Brain_B's best is 1e-30
    assert same.worst_p == {name: 1e-9}
    assert same.pairs.to_numpy().tolist() == [[name, "g1", 2, 1e-20, 1e-9], [name, "g2", 1, 1e-30, 1e-30]]
    # Variant 1 has two genes: with same_gene each tissue alone rules it out.
    assert some.tissues["n_only_here_lacking"].tolist() == [0, 2]  # 3 and 4 are in Brain_A only
    assert same.tissues["n_only_here_lacking"].tolist() == [1, 3]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("v7.signif_variant_gene_pairs.txt.gz", "1_{}_A_G_b37"),
        ("v8.signif_variant_gene_pairs.txt", "chr1_{}_A_G_b38"),
        ("v10.eQTLs.signif_pairs.parquet", "chr1_{}_A_G_b38"),
    ],
)
def test_every_release(tmp_path, name, pattern):
    write_pairs(tmp_path, ROWS, name, pattern)
    # Files of other QTLs lie in the same folder in v8 and v10.
    (tmp_path / "Brain_A.v8.sqtl_signifpairs.txt.gz").write_bytes(b"")
    (tmp_path / "Brain_A.v10.sQTLs.signif_pairs.parquet").write_bytes(b"")
    assert numbers(found(tmp_path)) == [1, 2]


def test_releases_by_name():
    names = ["Brain_A.v8.x", "Brain_Spinal_cord_cervical_c-1.v10.eQTLs.signif_pairs.parquet", "Brain_A.txt"]
    assert list(map(release, names)) == ["v8", "v10", None]


def test_missing_and_mixed_files(pairs):
    with pytest.raises(InputError, match=r"no file of significant pairs for Brain_C, Brain_D; expected <tissue>\.v7"):
        find_pairs_files(pairs, ["Brain_A", "Brain_C", "Brain_D"])
    with pytest.raises(InputError, match="no such folder"):
        find_pairs_files(pairs / "none", ["Brain_A"])
    other = pairs / f"Brain_B.{V8.replace('v8', 'v7')}"
    other.write_bytes((pairs / f"Brain_B.{V8}").read_bytes())
    with pytest.raises(InputError, match=r"several files for Brain_B: Brain_B\.v7.*, Brain_B\.v8.*; keep those of one"):
        found(pairs)
    (pairs / f"Brain_B.{V8}").unlink()
    with pytest.raises(InputError, match=r"several GTEx releases: Brain_A\.v8.*, Brain_B\.v7"):
        found(pairs)
    other.unlink()
    write_pairs(pairs, {"Brain_B": ROWS["Brain_B"]}, pattern="1_{}_A_G_b37")
    with pytest.raises(InputError, match=r"Brain_B\.v8.*variant ids end in b37, those of the other tissues in b38"):
        found(pairs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="pval_nominal"), "no column pval_nominal; use GTEx's own file"),
        (lambda t: t.drop(columns=["gene_id", "variant_id"]), "no column variant_id, gene_id"),
        (
            lambda t: t.assign(pval_nominal="many"),
            r"cannot be read: .*pval_nominal.*line 2.*'many'|cannot be read.*many",
        ),
        (lambda t: t.assign(pval_nominal=[1e-9, None, 1e-9, 1e-9]), "pair 2, of chr1_2_A_G_b38: pval_nominal is None"),
        (lambda t: t.assign(pval_nominal=[1e-9, 1e-9, -1, 1e-9]), "pair 3, of chr1_2_A_G_b38: pval_nominal is -1"),
        (lambda t: t.assign(pval_nominal=[8.2, 1e-9, 1, 1e-9]), "pair 1, of chr1_1_A_G_b38: pval_nominal is 8.2, not"),
        (lambda t: t.iloc[:0], "no pairs in it"),
    ],
)
@pytest.mark.parametrize("name", [V8, "v8.signif_pairs.parquet"])
def test_a_file_that_is_wrong(pairs, name, change, message):
    path = pairs / f"Brain_B.{V8}"
    table = change(pd.read_csv(path, sep="\t"))
    path.unlink()
    path = pairs / f"Brain_B.{name}"
    if path.suffix == ".parquet":
        table.to_parquet(path)
        message = message.split("cannot be read")[0] or "column pval_nominal holds string, not numbers"
    else:
        table.to_csv(path, sep="\t", index=False)
    with pytest.raises(InputError, match=rf"Brain_B\.v8.*(?:{message})") as error:
        found(pairs)
    assert "\n" not in str(error.value)


def test_a_damaged_file(pairs):
    path = pairs / f"Brain_B.{V8}"
    lines = gzip.decompress(path.read_bytes())
    many = lines + lines.split(b"\n", 1)[1] * 3000
    path.write_bytes(gzip.compress(many + b"chr1_9_A_G_b38\tg1\n" + lines.split(b"\n", 1)[1]))
    line = many.count(b"\n") + 1
    with pytest.raises(InputError, match=rf"Brain_B\.v8.*cannot be read: .*line {line}: Expected 4 columns, got 2"):
        found(pairs)
    whole = gzip.compress(many)
    rng = np.random.default_rng(2)
    broken = [whole[: int(cut)] for cut in rng.integers(20, len(whole), 10)] + [b"", b"no gzip", whole[:-8]]
    for place in rng.integers(10, len(whole), 40):  # one bit: not every reader notices (duckdb: 33 of 40)
        broken.append(whole[:place] + bytes([whole[place] ^ 1 << int(rng.integers(8))]) + whole[place + 1 :])
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"Brain_B\.v8"):
            found(pairs)
    table = pd.read_csv(pairs / f"Brain_A.{V8}", sep="\t")
    path.unlink()
    path = pairs / "Brain_B.v8.signif_pairs.parquet"
    table.to_parquet(path)
    for content in (path.read_bytes()[:-20], b"", b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"Brain_B\.v8.*cannot be read"):
            found(pairs)


def test_files_in_several_gzip_members_are_read_to_the_end(pairs):
    """As bgzip writes them, and cat of two files."""
    path = pairs / f"Brain_B.{V8}"
    head, *rows = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(head) + b"".join(map(gzip.compress, rows)))
    assert numbers(found(pairs)) == [1, 2]


def test_nothing_survives(pairs):
    rows = ROWS["Brain_B"]
    write_pairs(pairs, {"Brain_C": [(5, "g", 1e-9)], "Brain_B": rows})
    said = []
    result = found(pairs, said.append, ("Brain_A", "Brain_B", "Brain_C"))
    assert (result.variants, len(result.pairs), result.worst_p) == ([], 0, {})
    assert result.tissues["n_left"].tolist() == [4, 2, 0]
    assert said[-1].startswith(
        "WARNING: no variant has p < 5e-08 in all 3 tissues; without Brain_C, which has 1, 2 would"
    )
    assert len(look_up(result.variants, None, said.append)) == 0
    assert len(match_snps(snp_table([("rs1", "1", 11, "G", "A")]), look_up([], None, quiet), quiet)) == 0


def test_look_up_as_pandas_does(study):
    path = study.folder / "gtex" / "lookup.txt.gz"
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    some = sorted(table["variant_id"].iloc[::7])
    result = look_up(some, path, quiet).set_index("variant_id").loc[some]
    expected = table.set_index("variant_id").loc[some]
    assert [re.findall("rs[0-9]+", text) for text in expected["rs_id_dbSNP151_GRCh38p7"]] == list(result["rs_ids"])
    assert max(map(len, result["rs_ids"])) == 2  # several in a cell
    places = [int(text.split("_")[1]) if text != "NA" else -1 for text in expected["variant_id_b37"]]
    assert list(result["pos"]) == places
    assert min(places) == -1
    assert list(result["ref"]) == list(expected["ref"])


def test_look_up_of_v7_needs_no_table_and_v8_does():
    result = look_up(["1_64764_C_T_b37", "X_5_A_G_b37"])
    assert result[["chrom", "pos", "ref", "alt"]].to_numpy().tolist() == [["1", 64764, "C", "T"], ["23", 5, "A", "G"]]
    with pytest.raises(InputError, match="not GRCh37: chr1_64764_C_T_b38"):
        look_up(["chr1_64764_C_T_b38"])


def test_look_up_of_v7_with_its_own_table(tmp_path):
    header = "chr\tvariant_pos\tvariant_id\tref\talt\tnum_alt_per_site\trs_id_dbSNP147_GRCh37p13\n"
    (tmp_path / "l.txt").write_text(f"{header}1\t5\t1_5_A_G_b37\tA\tG\t1\trs5\n1\t6\t1_6_A_G_b37\tA\tG\t1\t.\n")
    result = look_up(["1_6_A_G_b37", "1_5_A_G_b37"], tmp_path / "l.txt")
    assert result[["rs_ids", "chrom", "pos"]].to_numpy().tolist() == [[[], "1", 6], [["rs5"], "1", 5]]


def test_a_lookup_table_of_another_release(tmp_path):
    header = "variant_id\trs_id_dbSNP151_GRCh38p7\tvariant_id_b37\n"
    (tmp_path / "l.txt").write_text(f"{header}chr1_1_A_G_b38\trs1\t1_1_A_G_b37\n")
    said = []
    look_up(["chr1_1_A_G_b38", "chr1_2_A_G_b38"], tmp_path / "l.txt", said.append)
    assert said[0].startswith("WARNING: 1 of 2 GTEx variants are not in ")
    with pytest.raises(
        InputError, match="none of 1 GTEx variants is in it, such as 1_2_A_G_b37; name the lookup table"
    ):
        look_up(["1_2_A_G_b37"], tmp_path / "l.txt", quiet)


def test_a_lookup_table_without_rs_ids(tmp_path):
    (tmp_path / "l.txt").write_text("variant_id\tchr\nchr1_1_A_G_b38\tchr1\n")
    with pytest.raises(InputError, match="no column variant_id or rs_id_dbSNP"):
        look_up(["chr1_1_A_G_b38"], tmp_path / "l.txt")
    with pytest.raises(InputError, match="no such file"):
        look_up(["chr1_1_A_G_b38"], tmp_path / "none.txt.gz")


def test_a_lookup_table_without_grch37_ids_gives_no_places(tmp_path):
    header = "variant_id\trs_id_dbSNP151_GRCh38p7\n"
    (tmp_path / "l.txt").write_text(f"{header}chr1_10_A_G_b38\trs1\nchr1_20_A_G_b38\t.\n1_30_A_G_b37\t.\n")
    said = []
    names = ["chr1_10_A_G_b38", "chr1_20_A_G_b38", "1_30_A_G_b37"]
    variants = look_up(names, tmp_path / "l.txt", said.append)
    assert variants[["chrom", "pos", "ref", "alt"]].to_numpy().tolist() == [
        [None, -1, "A", "G"],
        [None, -1, "A", "G"],
        ["1", 30, "A", "G"],
    ]
    assert said == [f"2 of 3 GTEx variants have no GRCh37 position in {tmp_path}/l.txt: matched by rsID only"]
    snps = snp_table([("rs1", "1", 99, "A", "G"), ("x", "1", 20, "A", "G"), ("y", "1", 30, "A", "G")])
    assert match_snps(snps, variants, quiet)["snp_id"].tolist() == ["rs1", "y"]
    (tmp_path / "l.txt").write_text("variant_id\trs_id_dbSNP151\tvariant_id_b37\nv\t.\tchr1_20_A_G_b38\n")
    assert list(look_up(["v"], tmp_path / "l.txt", quiet)["pos"]) == [-1]


def snp_table(rows):
    return pd.DataFrame(rows, columns=["snp_id", "chrom", "pos", "a1", "a2"])


def test_snps_match_by_name_or_place_and_only_with_their_alleles():
    rows = [
        ("v1", ["rs1"], "1", 10, "A", "G"),
        ("v2", [], "1", 20, "A", "C"),
        ("v3", ["rs3", "rs33"], None, -1, "C", "T"),
        ("v4", ["rs4"], "1", 40, "A", "G"),
        ("v5", ["rs5"], "1", 50, "A", "T"),
        ("v6", ["rs6"], "1", 60, "AT", "A"),
        ("v7", ["rs7"], "1", 70, "C", "G"),
        ("v8", ["rs7"], "1", 70, "C", "T"),  # another allele of the same site
    ]
    variants = pd.DataFrame(rows, columns=["variant_id", "rs_ids", "chrom", "pos", "ref", "alt"])
    cases = [
        ("rs1", "1", 10, "G", "A", "v1", "rsid+position"),
        ("x2", "1", 20, "G", "T", "v2", "position"),  # the other strand
        ("rs33", "2", 5, "0", "C", "v3", "rsid"),  # one of several names, one known allele
        ("rs4", "1", 41, "T", "C", "v4", "rsid_moved"),
        ("rs44", "1", 40, "A", "G", "v4", "position_renamed"),
        ("rs5", "1", 50, "T", "A", "v5", "rsid+position"),  # A/T: the strand cannot be told
        ("rs6", "1", 60, "T", "AT", "v6", "rsid+position"),  # an indel read on the other strand
        ("rs7", "1", 70, "T", "C", "v8", "rsid+position"),
        ("rs1x", "1", 10, "A", "T", None, None),  # other alleles
        ("x9", "2", 20, "A", "C", None, None),  # another chromosome
    ]
    snps = snp_table([case[:5] for case in cases])
    said = []
    result = match_snps(snps, variants, said.append).drop_duplicates("snp_id").set_index("snp_id")
    assert {case[0]: (case[5], case[6]) for case in cases if case[5]} == {
        name: (row["variant_id"], row["match"]) for name, row in result.iterrows()
    }
    assert set(result["match"]) == set(MATCHES)
    assert said == [
        "1 SNPs have a GTEx variant's rsID or position but other alleles, so are not it: rs1x",
        "1 SNPs are GTEx variants by rsID although their positions differ: rs4",
        "1 SNPs are GTEx variants by position and alleles although their rsIDs differ: rs44",
    ]
    again = match_snps(snps.iloc[::-1], variants, quiet)
    assert list(again["snp_id"].drop_duplicates()) == [case[0] for case in reversed(cases) if case[5]]


def test_a_large_match_as_by_brute_force():
    rng = np.random.default_rng(6)
    bases = np.array([*"ACGT"])

    def alleles(n):
        first = rng.integers(0, 4, n)
        return bases[first], bases[(first + rng.integers(1, 4, n)) % 4]

    n = 400
    ref, alt = alleles(n)
    variants = pd.DataFrame({"variant_id": [f"v{i}" for i in range(n)], "pos": rng.integers(1, 120, n), "ref": ref})
    variants["alt"] = alt
    variants["rs_ids"] = [[f"rs{k}" for k in rng.integers(0, 300, rng.integers(0, 3))] for _ in range(n)]
    variants["chrom"] = [None if unplaced else "1" for unplaced in rng.random(n) < 0.2]
    a1, a2 = alleles(500)
    snps = pd.DataFrame({"snp_id": [f"rs{i}" for i in range(500)], "chrom": "1", "pos": rng.integers(1, 120, 500)})
    snps = snps.assign(a1=a1, a2=a2)
    other = dict(zip("ACGT", "TGCA", strict=True))
    expected = set()
    for snp in snps.itertuples():
        for one in variants.itertuples():
            close = snp.snp_id in one.rs_ids or (one.chrom == snp.chrom and one.pos == snp.pos)
            same = {one.ref, one.alt} in ({snp.a1, snp.a2}, {other[snp.a1], other[snp.a2]})
            if close and same:
                expected.add((snp.snp_id, one.variant_id))
    result = match_snps(snps, variants, quiet)
    assert set(zip(result["snp_id"], result["variant_id"], strict=True)) == expected
    assert len(result) == len(expected) > 300


def test_the_tables_of_the_benchmark(tmp_path, monkeypatch):
    """Their planted variants are found, and no others; positions and rsIDs are those of the lookup table."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from gtex_tables import write_gtex_tables

    planted = write_gtex_tables(tmp_path, n_rows=4000, n_lookup=50_000, seed=3, tissues=TISSUES[:5])
    sys.modules.pop("gtex_tables")
    eqtls = eqtls_in_all_tissues(find_pairs_files(tmp_path / "eqtl", TISSUES[:5]), P, say=quiet)
    assert eqtls.variants == planted
    assert len(planted) == 3000
    table = look_up(planted, tmp_path / "lookup.txt.gz", quiet)
    assert (table["pos"] + 500 == table["variant_id"].str.split("_").str[1].astype(int)).all()
    assert (table["rs_ids"].str.len() == 1).all()
