"""genotype_qc, people: planted relatives, sexes, mixtures and ancestries are found, and the numbers are others' too."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import checked_people, make_people, quiet, settings

from gcamccl.genotype_qc import ancestry, bed, people, people_matching, pipeline, relatedness, sex_check
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_large_tsv

FILTERS = {"remove_sex_mismatch": True, "remove_heterozygosity_outliers": True, "remove_related": True}


def plink(program, *words):
    subprocess.run(list(map(str, [program, *words])), check=True, capture_output=True)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make_people(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def result(study, tmp_path_factory):
    """The stage's account and its scratch folder."""
    folder = tmp_path_factory.mktemp("qc")
    return checked_people(study, folder), folder


def who(study, fault):
    table = study.faults["people"]
    return set(table["genotype_id"][table["fault"] == fault])


def names(study, pair):
    return frozenset((study.people[pair.one], study.people[pair.other]))


# --- relatives


def test_planted_relatives_are_found_and_nobody_else(study, result):
    table = result[0].relatedness
    mixed = table["flag"] == "mixed_sample"
    found = {
        frozenset((row.genotype_id_1, row.genotype_id_2)): (row.relation, row.declared, row.flag)
        for row in table[~mixed].itertuples()
    }
    relation = {"same DNA": "duplicate or monozygotic twin", "strangers": "unrelated"}
    flag = {
        ("same DNA", False): "same_dna",
        ("full siblings", False): "undeclared",
        ("strangers", True): "declared_not_related",
    }
    planted = {
        names(study, pair): (
            relation.get(pair.kind, pair.kind),
            pair.family is not None,
            flag.get((pair.kind, pair.family is not None)),
        )
        for pair in study.pairs
    }
    assert len(planted) == 5
    assert found == planted
    # Of the mixed sample only pairs of the second degree or closer: who it is mixed with.
    (victim,) = who(study, "contaminated")
    assert mixed.any()
    for row in table[mixed].itertuples():
        assert victim in (row.genotype_id_1, row.genotype_id_2)
        assert row.kinship > relatedness.SECOND


def test_kinship_is_the_formula(result, tmp_path):
    """Equation 11 of Manichaikul et al. 2010, on calls counted here, and PLINK 2 called by hand."""
    account, folder = result
    paper = settings("genotype_qc")
    common = ["--geno", paper["max_snp_missing"], "--maf", ancestry.COMMON]
    plink("plink2", "--bfile", folder / "merged", *common, "--make-bed", "--out", tmp_path / "common")
    fam, bim = bed.read_fam(tmp_path / "common"), bed.read_bim(tmp_path / "common")
    copies = bed.read_bed(tmp_path / "common", len(fam), np.arange(len(bim)))
    place = {name: number for number, name in enumerate(fam["iid"])}
    plink("plink2", "--bfile", tmp_path / "common", "--make-king-table", "--out", tmp_path / "hand")
    hand = pd.read_csv(tmp_path / "hand.kin0", sep="\t", dtype=str)
    hand = {frozenset((a, b)): float(k) for a, b, k in zip(hand["IID1"], hand["IID2"], hand["KINSHIP"], strict=True)}
    assert len(account.relatedness) >= 5
    for row in account.relatedness.itertuples():
        one, other = copies[:, place[row.genotype_id_1]], copies[:, place[row.genotype_id_2]]
        both = (one >= 0) & (other >= 0)
        one, other = one[both], other[both]
        het_het, opposite = ((one == 1) & (other == 1)).sum(), (np.abs(one - other) == 2).sum()
        hets = min((one == 1).sum(), (other == 1).sum())
        kinship = (het_het - 2 * opposite) / (2 * hets) + 0.5 - ((one == 1).sum() + (other == 1).sum()) / (4 * hets)
        assert row.kinship == pytest.approx(kinship, abs=1e-5)
        assert row.ibs0 == pytest.approx(opposite / both.sum(), abs=1e-5)
        assert row.n_snps == both.sum()
        assert row.kinship == hand[frozenset((row.genotype_id_1, row.genotype_id_2))]
    listed = {frozenset(pair) for pair in account.relatedness[["genotype_id_1", "genotype_id_2"]].to_numpy()}
    (victim,) = {name for name in account.samples["genotype_id"] if "related_to_many" in flags(account, name)}
    close = {pair for pair, kinship in hand.items() if kinship > relatedness.THIRD and victim not in pair}
    assert close <= listed


def flags(account, name):
    text = account.samples.set_index("genotype_id")["flags"][name]
    return text.split(";") if isinstance(text, str) else []


def test_how_many_snps_tell_relatives():
    """The noise of kinship that `KINSHIP_NOISE` states, of unrelated people at independent SNPs."""
    assert relatedness.lowest_kinship(100_000) == relatedness.THIRD
    assert relatedness.lowest_kinship(3000) == relatedness.SECOND
    assert relatedness.lowest_kinship(500) == relatedness.FIRST
    assert relatedness.lowest_kinship(50) is None
    rng = np.random.default_rng(0)
    for n_snps in (500, 4000):
        copies = rng.binomial(2, rng.uniform(0.1, 0.9, (n_snps, 1)), (n_snps, 60))
        het = (copies == 1).astype(float)
        opposite = (copies == 0).T.astype(float) @ (copies == 2)
        opposite += opposite.T
        hets = het.sum(axis=0)
        least = np.minimum.outer(hets, hets)
        kinship = (het.T @ het - 2 * opposite) / (2 * least) + 0.5 - np.add.outer(hets, hets) / (4 * least)
        spread = kinship[np.triu_indices(60, 1)].std() * np.sqrt(n_snps)
        assert spread == pytest.approx(relatedness.KINSHIP_NOISE, rel=0.15)


def test_the_fewest_are_removed_and_the_poorer_of_two():
    pairs = [("a", "b"), ("b", "c"), ("d", "e")]
    rates = {"a": 0.9, "b": 0.99, "c": 0.9, "d": 0.99, "e": 0.98}
    assert sorted(relatedness.fewest_to_remove(pairs, rates)) == ["b", "e"]
    assert relatedness.fewest_to_remove([], rates) == []


# --- sex


def test_sexes_are_found_and_wrong_ones_flagged(study, result):
    account, _ = result
    samples = account.samples.set_index("genotype_id")
    true = pd.Series(study.table["sex"].to_numpy(), index=study.people)
    for name in who(study, "wrong_sex"):
        true[name] = {"M": "F", "F": "M"}[true[name]]
    (victim,) = who(study, "contaminated")
    found = samples["genotype_sex"].drop(victim)
    clear = found[found != "unclear"]
    assert len(clear) >= len(found) - 3  # women of small arrays may be above F = 0.2
    assert (clear == true[clear.index]).all()
    mismatched = {name for name in samples.index if "sex_mismatch" in flags(account, name)}
    assert mismatched == who(study, "wrong_sex")
    assert {n for n in samples.index if "recorded_sexes_differ" in flags(account, n)} == who(study, "wrong_fam_sex")
    y = account.sex.dropna(subset=["genotype_sex"]).query("genotype_sex != 'unclear'")
    assert (y.loc[y["genotype_sex"] == "M", "y_call_rate"] > sex_check.Y_CALLED).all()
    assert (y.loc[y["genotype_sex"] == "F", "y_call_rate"] < sex_check.Y_CALLED).all()


def test_f_of_x_is_plinks_called_by_hand(study, result, tmp_path):
    prefix = study.genotypes[0]
    plink("plink1.9", "--bfile", prefix, "--split-x", "b37", "no-fail", "--make-bed", "--out", tmp_path / "split")
    plink(
        "plink1.9",
        "--bfile",
        tmp_path / "split",
        "--chr",
        "23",
        "--indep-pairwise",
        50,
        5,
        0.5,
        "--out",
        tmp_path / "x",
    )
    plink(
        "plink1.9",
        "--bfile",
        tmp_path / "split",
        "--extract",
        tmp_path / "x.prune.in",
        "--check-sex",
        "--out",
        tmp_path / "x",
    )
    hand = pd.read_csv(tmp_path / "x.sexcheck", sep=r"\s+").set_index("IID")
    own = result[0].sex.query("array == 'hh610'").set_index("genotype_id")
    assert np.allclose(own["f"], hand.loc[own.index, "F"], atol=1e-6)
    code = own["genotype_sex"].map({"M": 1, "F": 2, "unclear": 0})
    assert (code == hand.loc[own.index, "SNPSEX"]).all()


def test_pseudo_autosomal_snps_do_not_count(study, tmp_path):
    bim, fam = bed.read_bim(study.genotypes[0]), bed.read_fam(study.genotypes[0])
    moved = bim.assign(pos=bim["pos"].where(bim["chrom"] != "23", 1_000_000))
    table, notes = sex_check.sex_check(study.genotypes[0], moved, fam, "hh610", tmp_path / "s")
    assert table["f"].isna().all()
    assert table["genotype_sex"].isna().all()
    assert "hh610: 0 SNPs on X" in notes[0]


def test_sex_does_not_depend_on_the_order_of_snps(study, tmp_path):
    """A ``.bim`` in the order of a manifest goes through everything else; PLINK prunes sorted ones only."""
    prefix = study.genotypes[0]
    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    bim["chrom"] = bim["chrom"].replace({"X": "23", "Y": "24"})
    order = np.random.default_rng(1).permutation(len(bim))
    calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
    mixed = bim.iloc[order].reset_index(drop=True)
    bed.write_fileset(tmp_path / "mixed", calls[order], mixed, fam)
    expected, _ = sex_check.sex_check(prefix, bim, fam, "hh610", tmp_path / "one")
    found, _ = sex_check.sex_check(tmp_path / "mixed", mixed, fam, "hh610", tmp_path / "other")
    assert expected["f"].notna().all()
    pd.testing.assert_frame_equal(found, expected)


def test_arrays_that_disagree_on_sex():
    table = pd.DataFrame({"genotype_id": ["a", "a", "b", "b", "c"], "genotype_sex": ["M", "F", "M", None, None]})
    assert sex_check.of_people(table).fillna("?").to_dict() == {"a": "unclear", "b": "M", "c": "?"}


def test_every_fam_is_compared_with_the_recorded_sex():
    """Of somebody on two arrays the second ``.fam`` may be the wrong one, with and without a participants table."""
    sex = pd.DataFrame({"genotype_id": ["a", "b", "a", "b"], "fam_sex": ["M", "F", "F", "F"], "genotype_sex": None})
    table = pd.DataFrame({"heterozygosity_z": [0.0, 0.0], "call_rate": [1.0, 1.0]}, index=["a", "b"])
    pairs = pd.DataFrame(columns=relatedness.COLUMNS)
    told = pd.DataFrame({"sex": ["M", "F"]}, index=["a", "b"])
    for who in (people.declared(None), told):
        assert people.odd(table, pairs, {}, sex, who, settings("genotype_qc")) == {"a": ["recorded_sexes_differ"]}


# --- filters, accounts


def test_by_default_nobody_is_removed_for_these(result):
    account, _ = result
    steps = list(account.attrition["step"])
    assert steps[steps.index("merge") :] == ["merge", "hwe", "maf", "ld", "snp_missing", "sample_missing"]


def test_filters_that_are_on_have_their_own_rows(study, tmp_path):
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc", **FILTERS), tmp_path, tmp_path / "qc", study.participants, say=quiet
    )
    steps = list(account.attrition["step"])
    assert steps[steps.index("merge") + 1 :] == [
        *("sex_mismatch", "heterozygosity", "related", "hwe", "maf", "ld", "snp_missing", "sample_missing")
    ]
    people_left = account.attrition[["samples_in", "samples_out"]].iloc[steps.index("merge") :].to_numpy()
    assert (people_left[1:, 0] == people_left[:-1, 1]).all()
    gone = account.dropped.query("kind == 'sample'").groupby("step")["id"].agg(set)
    assert gone["sex_mismatch"] == who(study, "wrong_sex")
    assert who(study, "contaminated") <= gone["heterozygosity"]
    related = [names(study, pair) for pair in study.pairs if pair.kind != "strangers"]
    left = set(bed.read_fam(tmp_path / "qc")["iid"])
    assert all(len(pair & left) < 2 for pair in related)
    before = [pair for pair in related if not pair & (gone["sex_mismatch"] | gone["heterozygosity"])]
    assert len(gone["related"]) == len(before)
    rate = account.samples.set_index("genotype_id")["call_rate"]
    for pair in before:
        (out,) = pair & gone["related"]
        (kept,) = pair - {out}
        assert rate[out] <= rate[kept]
    # As few as PLINK's own filter removes
    cutoff = [*ancestry.common_snps(settings("genotype_qc")), "--king-cutoff", 0.0884, "--out", tmp_path / "cut"]
    plink("plink2", "--bfile", tmp_path / "people.heterozygosity", *cutoff)
    assert len((tmp_path / "cut.king.cutoff.out.id").read_text().splitlines()) - 1 == len(gone["related"])


def test_everybody_is_in_the_table_of_people(study, result):
    account, folder = result
    samples = account.samples
    assert set(samples["genotype_id"]) == set(study.people)
    assert samples["genotype_id"].is_unique
    kept = set(bed.read_fam(folder / "qc")["iid"])
    assert set(samples.loc[samples["kept"], "genotype_id"]) == kept
    gone = samples[~samples["kept"]]
    assert set(gone["genotype_id"]) == who(study, "sample_missing")
    assert set(gone["dropped_at"]) == {"sample_missing"}
    assert samples.loc[samples["kept"], "reason"].isna().all()
    (twice,) = who(study, "typed_twice")
    assert samples.set_index("genotype_id").loc[twice, "arrays"] == "hh610;hh550"
    assert (samples["participant_id"] == "sub-" + samples["genotype_id"]).all()
    assert (samples["n_related"] > 0).sum() >= 8


def test_people_who_are_no_participants_are_in_the_table_too(study, tmp_path):
    table = read_tsv(study.participants, dtype=str).iloc[:100].drop(columns=["family_id", "sex"])
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc"), tmp_path, tmp_path / "qc", tmp_path / "p.tsv", say=quiet
    )
    samples = account.samples.set_index("genotype_id")
    assert set(samples.index) == set(study.people)
    strangers = samples.loc[study.people[100:]]
    assert (strangers["reason"] == "not_a_participant").all()
    assert strangers["call_rate"].isna().all()
    assert samples["sex"].isna().all()
    # Without a sex in the table the .fam counts, which is wrong for one person more.
    wrong = who(study, "wrong_sex") | who(study, "wrong_fam_sex")
    assert {name for name in samples.index if "sex_mismatch" in flags(account, name)} == wrong


@pytest.mark.parametrize(("n_people", "n_snps"), [(12, 300), (3, 40), (60, 5)])
def test_few_people_or_snps_are_no_failure(n_people, n_snps, tmp_path):
    rng = np.random.default_rng(n_people)
    copies = rng.binomial(2, 0.4, (n_snps, n_people)).astype(np.int8)
    copies[:, 0] = np.arange(n_snps) % 3  # everything varies
    copies[:, 1] = 1
    bim = pd.DataFrame({"chrom": "1", "id": [f"rs{n}" for n in range(n_snps)], "cm": 0})
    bim["pos"], bim["a1"], bim["a2"] = 50_000 * (1 + np.arange(n_snps)), "A", "G"
    ids = [f"p{n}" for n in range(n_people)]
    fam = pd.DataFrame({"fid": ids, "iid": ids, "father": "0", "mother": "0", "sex": "0", "phenotype": "-9"})
    bed.write_fileset(tmp_path / "a", copies, bim, fam)
    on = settings("genotype_qc", maf=0.0, hwe_within_ancestry=True, **FILTERS)
    account = pipeline.prepare([tmp_path / "a"], on, tmp_path, tmp_path / "qc", say=quiet)
    assert set(account.samples["genotype_id"]) == set(ids)
    assert list(account.pca.columns) == ["genotype_id", "pc1", "pc2", "pc3", "pc4", "pc5"]
    notes = account.notes.query("level == 'note'")
    assert {"sex", "relatedness", "ancestry", "heterozygosity", "hwe"} - set(notes["check"]) <= {"heterozygosity"}
    assert "sex was not checked" in notes.query("check == 'sex'")["text"].iloc[0]
    assert set(account.samples["group"]) == {"group1"}


@pytest.mark.parametrize(("n_snps", "left"), [(30, "nobody is removed"), (1000, "undeclared ones below 0.")])
def test_a_filter_of_relatives_that_cannot_see_them_warns(n_snps, left, tmp_path):
    rng = np.random.default_rng(1)
    calls = rng.binomial(2, rng.uniform(0.2, 0.8, (n_snps, 1)), (n_snps, 60)).astype(np.int8)
    places = {
        "chrom": "1",
        "id": [f"rs{row}" for row in range(n_snps)],
        "cm": 0,
        "pos": 1000 * np.arange(1, n_snps + 1),
    }
    ids = [f"s{person}" for person in range(60)]
    fam = pd.DataFrame({"fid": ids, "iid": ids, "father": "0", "mother": "0", "sex": "0", "phenotype": "-9"})
    bed.write_fileset(tmp_path / "array", calls, pd.DataFrame(places | {"a1": "A", "a2": "G"}), fam)
    for on in (True, False):
        chosen = settings("genotype_qc", remove_related=on)
        account = pipeline.prepare([tmp_path / "array"], chosen, tmp_path, tmp_path / "qc", say=quiet)
        warned = account.notes.query("check == 'relatedness' and level == 'warning'")["text"]
        assert warned.str.contains(left).any() == on


def test_a_sex_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "p.tsv").write_text("participant_id\tgenotype_id\tsex\na\tG1\tM\nb\tG2\tmale\n")
    with pytest.raises(InputError, match=r"p\.tsv: line 3: sex is 'male'.*M, F or n/a"):
        people.declared(tmp_path / "p.tsv")


def test_white_space_in_the_participants_table_hides_nobody(tmp_path):
    """The ids are matched without it (`people_matching.read_wanted`), so sex and family must be found without it."""
    file = tmp_path / "p.tsv"
    file.write_text("participant_id\tgenotype_id\tsex\tfamily_id\na\t G1 \tM \tF1\nb\tG2\tn/a\t F1\nc\t \tF\tF2\n")
    found = people.declared(file)
    assert list(found.index) == list(people_matching.read_wanted(file)) == ["G1", "G2"]
    assert found["sex"]["G1"] == "M" and pd.isna(found["sex"]["G2"])
    assert list(found["family_id"]) == ["F1", "F1"]


def test_large_tables_read_back(tmp_path):
    table = pd.DataFrame({"id": ["rs1", "1:2:A:G"], "p": [1e-300, 0.123456789012]})
    write_large_tsv(tmp_path / "x.tsv", table)
    assert (tmp_path / "x.tsv").read_text().splitlines()[0] == "id\tp"
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "x.tsv"), table)
    write_large_tsv(tmp_path / "y.tsv", table.assign(id=["rs1", 'a"b']))
    assert list(read_tsv(tmp_path / "y.tsv")["id"]) == ["rs1", 'a"b']
    with pytest.raises(ValueError, match=r"x\.tsv: has missing values"):
        write_large_tsv(tmp_path / "x.tsv", table.assign(p=np.nan))
