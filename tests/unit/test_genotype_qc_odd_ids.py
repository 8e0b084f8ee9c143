"""Ids, positions and alleles that trip PLINK or tables: carried through unharmed, or refused in one clear line."""

import itertools

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import quiet, settings

from gcamccl.genotype_qc import accounting, bed, inputs, known_positions, merge, pipeline, plink_ids, relatedness
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

N_SNPS, N_PEOPLE = 160, 24
ALLELES = [("A", "G"), ("C", "T"), ("A", "C"), ("G", "T")]
IDS = ['"q', 'r"', '"both"', "o'neil", "NA", "nan", "None", "null", "-9", "--keep", "a,b;c", "é", "日本", "1e5", "007"]


@pytest.fixture
def data():
    """Calls (SNPs, people) and tables of one array."""
    rng = np.random.default_rng(3)
    calls = rng.binomial(2, rng.uniform(0.2, 0.5, (N_SNPS, 1)), (N_SNPS, N_PEOPLE)).astype(np.int8)
    bim = pd.DataFrame(
        {
            "chrom": ["21" if row < N_SNPS // 2 else "22" for row in range(N_SNPS)],
            "id": [f"rs{row}" for row in range(N_SNPS)],
            "cm": 0,
            "pos": 20_000_000 + 20_000 * (np.arange(N_SNPS) % (N_SNPS // 2)),
            "a1": [ALLELES[row % 4][0] for row in range(N_SNPS)],
            "a2": [ALLELES[row % 4][1] for row in range(N_SNPS)],
        }
    )
    return calls, bim


def fam(names):
    return pd.DataFrame({"fid": names, "iid": names, "father": "0", "mother": "0", "sex": "1", "phenotype": "-9"})


def plain(number=N_PEOPLE):
    return [f"P{row:02d}" for row in range(number)]


def prepare(folder, *filesets, **options):
    """Run the stage; its account and the calls of the result as DataFrame (SNP ids, people's ids)."""
    scratch = folder / "my scratch"
    scratch.mkdir()
    chosen = settings("genotype_qc", ld_r2=0.99, max_sample_missing=0.2, max_snp_missing=0.2)
    account = pipeline.prepare(filesets, chosen, scratch, folder / "qc", say=quiet, **options)
    return account, read(folder / "qc")


def read(prefix):
    bim, people = bed.read_bim(prefix), bed.read_fam(prefix)
    return bim, pd.DataFrame(bed.read_bed(prefix, len(people), range(len(bim))), bim["id"], people["iid"])


def same_calls(bim, found, calls, own, names):
    """Whether the calls found are those that went in, whichever allele is A1 now."""
    rows = pd.Index(own["id"]).get_indexer(bim["id"])
    other = bim["a1"].to_numpy() != own["a1"].to_numpy()[rows]
    want = pd.DataFrame(np.where(other[:, None] & (calls[rows] >= 0), 2 - calls[rows], calls[rows]), columns=names)
    return (want[found.columns].to_numpy() == found.to_numpy()).all()


@pytest.mark.parametrize("arrays", [1, 2])
def test_odd_ids_are_carried_through(data, tmp_path, arrays):
    calls, bim = data
    names = IDS + plain(N_PEOPLE - len(IDS))
    bim.loc[:6, "id"] = ["#rs", '"rs', 'r"s"', "rsé", "NA", "日本", "unused-5"]
    cuts = [0, N_PEOPLE] if arrays == 1 else [0, 9, N_PEOPLE]
    filesets = []
    for number, (first, last) in enumerate(itertools.pairwise(cuts)):
        filesets.append(tmp_path / f"an array {number}")
        bed.write_fileset(filesets[-1], calls[:, first:last], bim, fam(names[first:last]))
    table = pd.DataFrame({"participant_id": [f"s{row}" for row in range(N_PEOPLE)], "genotype_id": names, "sex": "F"})
    write_tsv(tmp_path / "p.tsv", table)
    account, (found_bim, found) = prepare(tmp_path, *filesets, participants=tmp_path / "p.tsv")
    assert set(found.columns) == set(names)
    assert len(found) > 0.9 * N_SNPS
    assert {"#rs", '"rs', 'r"s"', "rsé", "NA", "日本", "unused-5"} <= {*found.index, *account.dropped["id"]}
    assert same_calls(found_bim, found, calls, bim, names)
    assert set(account.samples["genotype_id"]) == set(names)
    assert account.samples["kept"].all()
    assert account.samples.set_index("genotype_id")["participant_id"].to_dict() == dict(
        zip(names, table["participant_id"], strict=True)
    )
    assert account.samples["call_rate"].eq(1).all()
    assert list(account.pca["genotype_id"]) == list(found.columns)
    assert set(account.hwe["id"]) == set(bim["id"])
    write_tsv(tmp_path / "samples.tsv", account.samples)
    assert set(read_tsv(tmp_path / "samples.tsv", dtype=str)["genotype_id"]) == set(names)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("#1", "line 4: #1 #1 cannot be ids: PLINK skips lines that start with #"),
        ("0", "line 4: 0 0 cannot be ids: 0 is PLINK's word for no id"),
        ("n/a", "line 4: n/a n/a cannot be ids"),
        ("x" * 16_001, "line 4: x{20} x{20} cannot be ids: PLINK takes 16000 characters"),
        ("a\xa0b", r"line 4 holds an invisible character \(U\+00A0\)"),
        ("a\u2028b", r"line 4 holds an invisible character \(U\+2028\)"),
        ("a\0b", r"line 4 holds an invisible character \(U\+0000\)"),
    ],
)
def test_ids_no_fileset_can_hold_are_refused(data, tmp_path, name, said):
    calls, bim = data
    names = plain()
    names[3] = name
    bed.write_fileset(tmp_path / "a", calls, bim, fam(names))
    with pytest.raises(InputError, match=said):
        prepare(tmp_path, tmp_path / "a")


@pytest.mark.parametrize("name", ["#1", "0", "n/a", "x" * 16_001])
def test_samples_of_a_vcf_that_no_fileset_can_hold_are_refused(tmp_path, name):
    head = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "P1", name]
    calls = "\t".join(["21", "20000000", "rs1", "A", "G", ".", ".", ".", "GT", "0/1", "0/0"])
    contig = '##contig=<ID=21>\n##FORMAT=<ID=GT,Number=1,Type=String,Description="calls">\n'
    (tmp_path / "a.vcf").write_text("##fileformat=VCFv4.2\n" + contig + "\t".join(head) + f"\n{calls}\n")
    with pytest.raises(InputError, match=f"sample id {name[:20]} cannot be used"):
        inputs.load([tmp_path / "a.vcf"], tmp_path, settings("genotype_qc"), say=quiet)


def test_blank_lines_at_the_end_are_no_lines(data, tmp_path):
    calls, bim = data
    bed.write_fileset(tmp_path / "a", calls, bim, fam(plain()))
    for suffix in (".bim", ".fam"):
        file = tmp_path / f"a{suffix}"
        file.write_text(file.read_text() + "\n \n")
    assert len(prepare(tmp_path, tmp_path / "a")[1][1].columns) == N_PEOPLE


def test_odd_snps_are_dropped_with_their_reason(data, tmp_path):
    calls, bim = data
    bim[["a1", "a2"]] = bim[["a1", "a2"]].astype(object)
    bim.loc[0, ["a1", "a2"]] = ["A", "A"]
    bim.loc[1, "a1"], bim.loc[2, "a1"] = "<DEL>", "*"
    bim.loc[3, "pos"], bim.loc[4, "pos"], bim.loc[5, "chrom"] = -20_000_000, 0, "0"
    bim.loc[6, "pos"] = 60_000_000  # chromosome 21 ends at 48,129,895
    bim.loc[7, "chrom"] = "X"
    bed.write_fileset(tmp_path / "a", calls, bim, fam(plain()))
    account, (found_bim, found) = prepare(tmp_path, tmp_path / "a")
    reasons = account.dropped.query("step == 'harmonise'").set_index("id")["reason"].to_dict()
    assert reasons == {
        "rs0": "same_allele_twice",
        **dict.fromkeys(("rs1", "rs2"), "not_a_snp"),
        **dict.fromkeys(("rs3", "rs4", "rs5"), "no_position"),
        "rs6": "beyond_chromosome_end",
        "rs7": "not_autosomal",
    }
    assert same_calls(found_bim, found, calls, bim, plain())


def test_another_array_or_known_positions_put_a_position_beyond_the_end_right(data, tmp_path):
    calls, bim = data
    wrong = bim.assign(pos=bim["pos"].where(bim["id"] != "rs6", 60_000_000))
    for number, table in enumerate((wrong, bim, bim)):
        people = slice(8 * number, 8 * number + 8)
        bed.write_fileset(tmp_path / f"a{number}", calls[:, people], table, fam(plain()[people]))
    bim[["id", "chrom", "pos"]].to_csv(tmp_path / "known.tsv", sep="\t", index=False)
    for options in ({}, {"known_positions": [tmp_path / "known.tsv"]}):
        folder = tmp_path / f"with{len(options)}"
        folder.mkdir()
        account, _ = prepare(folder, *(tmp_path / f"a{n}" for n in range(3)), **options)
        assert "rs6" in set(account.harmonised["id"])


def test_positions_on_no_chromosome_are_refused(data, tmp_path):
    calls, bim = data
    for position in (2**31, 10**20):
        bed.write_fileset(
            tmp_path / "a", calls, bim.assign(pos=[position, *map(str, bim["pos"][1:])]), fam(plain())
        )  # fmt: skip
        with pytest.raises(InputError, match=f"line 1: position {position} is on no chromosome"):
            inputs.load([tmp_path / "a"], tmp_path, settings("genotype_qc"), say=quiet)


def test_of_somebody_typed_twice_the_array_with_calls_is_kept(data, tmp_path):
    calls, bim = data
    second = np.hstack([np.full((N_SNPS, 1), -1, np.int8), calls[:, 12:]])
    bed.write_fileset(tmp_path / "a", calls[:, :12], bim, fam(plain()[:12]))
    bed.write_fileset(tmp_path / "b", second, bim, fam(["P00", *plain()[12:]]))
    account, (found_bim, found) = prepare(tmp_path, tmp_path / "a", tmp_path / "b")
    assert list(account.twice["keep"]) == [True, False]
    assert list(account.dropped.query("id == 'P00'")["reason"]) == ["typed_twice, kept from a"]
    assert "P00" in found
    assert same_calls(found_bim, found, calls, bim, plain())


def test_one_person_is_refused_and_one_snp_is_not(data, tmp_path):
    calls, bim = data
    bed.write_fileset(tmp_path / "person", calls[:, :1], bim, fam(["P00"]))
    with pytest.raises(InputError, match="1 person on the arrays; at least 2 are needed"):
        prepare(tmp_path, tmp_path / "person")
    bed.write_fileset(tmp_path / "snp", calls[:1], bim[:1], fam(plain()))
    (tmp_path / "other").mkdir()
    assert prepare(tmp_path / "other", tmp_path / "snp")[1][1].shape == (1, N_PEOPLE)


@pytest.mark.parametrize(("call", "said"), [(-1, r"none of its 160 SNPs can be used \(no_calls: 160\)"), (2, "maf <")])
def test_calls_of_one_kind_are_refused(data, tmp_path, call, said):
    calls, bim = data
    bed.write_fileset(tmp_path / "a", np.full_like(calls, call), bim, fam(plain()))
    with pytest.raises(InputError, match=said):
        prepare(tmp_path, tmp_path / "a")


def test_people_without_calls_are_nobodys_relatives(data, tmp_path):
    calls, bim = data
    calls[:, 0] = -1
    bed.write_fileset(tmp_path / "a", calls, bim, fam(plain()))
    pairs = relatedness.kinship_pairs(tmp_path / "a", [], tmp_path / "k", lowest=-1)
    assert "P00" not in {*pairs["genotype_id_1"], *pairs["genotype_id_2"]}
    assert len(pairs) == (N_PEOPLE - 1) * (N_PEOPLE - 2) // 2
    asked = relatedness.kinship_pairs(tmp_path / "a", [], tmp_path / "k", pairs=[("P00", "P01"), ("P02", "P03")])
    assert len(asked) == 1


def test_a_panel_only_minimac4_reads_is_passed_over(data, tmp_path):
    (tmp_path / "chr21.msav").write_bytes(b"\x1b\x2e")
    said = []
    known = known_positions.sample_panel([tmp_path / "chr21.msav"], [data[1]], tmp_path, said.append)
    assert not len(known)
    assert "chr21.msav: only minimac4 reads it" in said[0]


# --- the account


@pytest.fixture
def finished(data, tmp_path):
    """Inputs, merged arrays and result of two sound arrays, as `accounting.check` gets them."""
    calls, bim = data
    for name, people in (("a", slice(0, 12)), ("b", slice(12, None))):
        bed.write_fileset(tmp_path / name, calls[:, people], bim, fam(plain()[people]))
    given = inputs.load([tmp_path / "a", tmp_path / "b"], tmp_path, settings("genotype_qc"), say=quiet)
    merged = pipeline.merge_arrays(given, settings("genotype_qc"), tmp_path, quiet)
    found = bed.read_bed(merged.prefix, N_PEOPLE, range(len(bed.read_bim(merged.prefix))))
    plink_ids.write_named(merged.prefix, tmp_path / "out", merged.people, merged.snps)
    return given, merged, tmp_path / "out", found


def write(prefix, calls, snps=slice(None), people=slice(None)):
    bim, table = bed.read_bim(prefix), bed.read_fam(prefix)
    bed.write_fileset(prefix, calls[snps][:, people], bim[snps], table[people])


def test_a_complete_account_closes(finished):
    given, merged, out, calls = finished
    write(out, calls)
    accounting.check(given, merged, out, [])


def test_whoever_is_lost_is_noticed(finished):
    given, merged, out, calls = finished
    write(out, calls, snps=slice(1, None), people=slice(1, None))
    gone = [("sample", "P00", "all", "mind", "x"), ("snp", merged.snps.ids[0], "all", "maf", "x")]
    accounting.check(given, merged, out, gone)
    for lost in gone:
        with pytest.raises(accounting.AccountError, match=f"neither kept nor dropped: {lost[1]}"):
            accounting.check(given, merged, out, [row for row in gone if row != lost])
    with pytest.raises(accounting.AccountError, match="both kept and dropped: P05"):
        accounting.check(given, merged, out, [*gone, ("sample", "P05", "all", "mind", "x")])


def test_shifted_people_are_noticed(finished):
    """What a .fam line that PLINK skips would do."""
    given, merged, out, calls = finished
    write(out, np.roll(calls, 1, axis=1))
    with pytest.raises(accounting.AccountError, match="other calls in the result"):
        accounting.check(given, merged, out, [])


def test_a_probe_lost_by_harmonising_is_noticed(finished):
    given, merged, out, calls = finished
    write(out, calls)
    given.bims[1] = pd.concat([given.bims[1], given.bims[1].iloc[:1]])
    with pytest.raises(accounting.AccountError, match="b: 161 SNPs came in, 160 are common, 0 dropped"):
        accounting.check(given, merged, out, [])


def test_alleles_are_the_other_way_round_if_a1_is_the_others_a2():
    one = pd.DataFrame({"a1": ["A", "A", "0", "0"], "a2": ["G", "G", "G", "G"]})
    other = pd.DataFrame({"a1": ["A", "G", "A", "G"], "a2": ["G", "A", "G", "A"]})
    assert list(merge.other_way_round(one, other)) == [False, True, False, True]


# --- quotes in TSV


def test_an_open_quote_in_a_tsv_is_refused_with_its_line(tmp_path):
    file = tmp_path / "p.tsv"
    file.write_text('participant_id\tgenotype_id\nx\tP0\n"y\tP1\nz"\tP2\n')
    with pytest.raises(InputError, match="line 3 holds a quote"):
        read_tsv(file)
    file.write_text('a\tb\n1\t"x"y\n')
    with pytest.raises(InputError, match="line 2 holds a quote"):
        read_tsv(file)


def test_texts_with_quotes_and_tabs_come_back(tmp_path):
    texts = ['"', '""', 'a"b', '"ab', 'ab"', "a\tb", '\t"', "'", "", "x"]
    table = pd.DataFrame({"text": texts, "other": texts[::-1]})
    write_tsv(tmp_path / "t.tsv", table)
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "t.tsv").fillna(""), table)
