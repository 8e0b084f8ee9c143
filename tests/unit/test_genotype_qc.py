"""genotype_qc: planted faults found, every SNP and person accounted for, counts as plain PLINK's."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make, quiet, settings, with_real_ids

from gcamccl.genotype_qc import bed, merge, pipeline, qc
from gcamccl.report.truth_genotypes import planted_snp_faults
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"), n_people=240, seed=7)


@pytest.fixture(scope="module")
def result(study, tmp_path_factory):
    """The stage's account and its scratch folder, which holds qc.bed and what came before it."""
    folder = tmp_path_factory.mktemp("qc")
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc"), folder, folder / "qc", participants=study.participants, say=quiet
    )
    with_real_ids(account, folder)
    return account, folder


def dropped_with(account, reason, array=None):
    table = account.dropped
    return set(table["id"][(table["reason"] == reason) & ((table["array"] == array) | (array is None))])


def test_planted_faults_are_found_and_nothing_else(study, result):
    account, _ = result
    found = planted_snp_faults(study.faults["snps"], account.harmonised, account.dropped)
    table = found.set_index(["fault", "array"])
    assert (
        table["planted"] == table[["mended", "dropped_with_reason", "dropped_otherwise", "missed"]].sum(axis=1)
    ).all()
    for (fault, array), planted in study.faults["snps"].groupby(["fault", "array"]):
        if "ambiguous" not in fault:
            assert table.loc[(fault, array), "planted"] == len(planted)
    assert table["missed"].sum() == 0
    mended = table.loc[["flipped", "renamed", "moved", "id_clash"]]
    assert (mended["mended"] == mended["planted"]).all()
    dropped = table.loc[["triallelic", "three_alleles", "wrong_snp", "duplicate_probe", "duplicate_discordant", "hwe"]]
    assert (dropped["dropped_with_reason"] == dropped["planted"]).all()
    assert table.loc["snp_missing", "dropped_with_reason"].item() >= 4
    # Of 60 people on an array the frequency may leave a strand open; it must not tell a wrong one.
    assert table.loc[["ambiguous", "ambiguous_flipped"], "mended"].sum() >= 0.6 * len(study.ids("ambiguous"))
    clean = table.loc["none"]
    assert clean["planted"].min() > 200
    assert (clean["mended"] == clean["planted"]).all()


def test_the_account_of_planted_faults_can_fail(study, result):
    """A strand told wrongly, a fault that goes through and a sound SNP that is dropped are all seen."""
    account, _ = result
    table, dropped = account.harmonised.copy(), account.dropped
    faults = study.faults["snps"]
    turn = (table["array"] == "hh550") & table["id"].isin(study.ids("ambiguous_flipped"))
    assert turn.any()
    table.loc[turn, "action"] = "kept"
    sound = table[~table["id"].isin(faults["id"]) & (table["array"] == "omni")].iloc[0]
    table = table[table["id"] != sound["id"]]
    lost = {"kind": "snp", "id": sound["id"], "array": "omni", "step": "harmonise", "reason": "frequency_differs"}
    gone = dropped["reason"] != "three_alleles"
    dropped = pd.concat([dropped[gone], pd.DataFrame([lost])])
    through = [{"id": name, "array": "hh550", "action": "kept"} for name in study.ids("three_alleles")]
    table = pd.concat([table, pd.DataFrame(through)])
    found = planted_snp_faults(faults, table, dropped).set_index(["fault", "array"])
    assert found.loc[("ambiguous_flipped", "hh550"), "missed"] == turn.sum()
    assert found.loc[("three_alleles", "hh550"), "missed"] == len(through)
    assert found.loc[("none", "omni"), "dropped_otherwise"] == 1


def test_merged_calls_are_the_true_genotypes(study, result):
    """Strand, allele order and people are right: calls equal the simulated genotypes."""
    _, folder = result
    bim, fam = bed.read_bim(folder / "merged"), bed.read_fam(folder / "merged")
    calls = bed.read_bed(folder / "merged", len(fam), np.arange(len(bim)))
    known = ~bim["id"].isin(study.ids("hwe")).to_numpy() & (bim["a1"] != "0").to_numpy()
    assert bim["id"].isin(study.ids("ambiguous")).any()
    columns = [study.people.index(name) for name in fam["iid"]]
    truth = study.true_copies(bim["id"][known], bim["a1"][known])[:, columns]
    called = calls[known] >= 0
    assert (calls[known] == truth)[called].mean() > 0.999
    worst = [(a == b)[c].mean() for a, b, c in zip(calls[known], truth, called, strict=True)]
    assert min(worst) > 0.95


def test_merged_calls_equal_plinks_by_hand(study, result, tmp_path):
    """The tables' decisions carried out with PLINK's own options: the same people, SNPs and calls."""
    account, folder = result

    def plink(*words):
        subprocess.run(["plink1.9", "--allow-no-sex", *map(str, words)], check=True, capture_output=True, cwd=tmp_path)

    def listed(name, rows):
        (tmp_path / name).write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
        return name

    position = bed.read_bim(folder / "merged").set_index("id")["pos"]
    for prefix in study.genotypes:
        own = account.harmonised[account.harmonised["array"] == prefix.name]
        bim = bed.read_bim(prefix)
        bim = bim.assign(a1=bim["a1"].str.upper(), a2=bim["a2"].str.upper())
        bed.write_bim(bim, tmp_path / "upper.bim")
        twice = account.twice.query("array == @prefix.name and not keep")["genotype_id"]
        leave = listed("leave", [(name, name) for name in twice])
        words = ["--bed", f"{prefix}.bed", "--bim", "upper.bim", "--fam", f"{prefix}.fam"]
        extract = listed("extract", own[["array_id"]].to_numpy())
        plink(*words, "--extract", extract, "--remove", leave, "--make-bed", "--out", "1")
        names = listed("names", own.query("array_id != id")[["array_id", "id"]].to_numpy())
        plink("--bfile", "1", "--update-name", names, "--make-bed", "--out", "2")
        moved = own[own["action"].str.contains("moved")]["id"]
        moved = listed("moved", [(name, position[name]) for name in moved])
        flipped = listed("flipped", own[own["action"].str.contains("flipped")][["id"]].to_numpy())
        plink("--bfile", "2", "--update-map", moved, "--flip", flipped, "--make-bed", "--out", f"part-{prefix.name}")
    plink("--bfile", "part-hh610", "--bmerge", "part-hh550", "--make-bed", "--out", "both")
    plink("--bfile", "both", "--bmerge", "part-omni", "--make-bed", "--out", "all")
    tables = []
    for prefix in (folder / "merged", tmp_path / "all"):
        bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
        calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
        tables.append((bim, fam, pd.DataFrame(calls, index=bim["id"], columns=fam["iid"])))
    (bim, fam, calls), (bim_by_hand, fam_by_hand, by_hand) = tables
    assert set(fam["iid"]) == set(fam_by_hand["iid"])
    same = bim.set_index("id").loc[bim_by_hand["id"]]
    assert (same[["chrom", "pos"]].to_numpy() == bim_by_hand[["chrom", "pos"]].to_numpy()).all()
    assert len(same) == len(bim)
    calls = calls.loc[by_hand.index, by_hand.columns].to_numpy()
    turned = (same["a1"].to_numpy() != bim_by_hand["a1"].to_numpy())[:, None]
    assert (np.where(turned & (calls >= 0), 2 - calls, calls) == by_hand.to_numpy()).all()
    actions = account.harmonised["action"].value_counts()
    assert {"renamed", "moved", "flipped"} <= set(actions.index)


def test_the_arrays_effect_equals_plinks_association(result, tmp_path):
    account, folder = result
    table = account.strand.set_index("array")
    for array in ("hh550", "omni"):
        cases = bed.read_fam(folder / f"array{list(table.index).index(array)}")["iid"]
        (tmp_path / "cases").write_text("".join(f"{name}\t{name}\n" for name in cases))
        words = ["plink1.9", "--bfile", folder / "merged", "--make-pheno", tmp_path / "cases", "*", "--assoc"]
        words += ["--allow-no-sex", "--out", tmp_path / array]
        subprocess.run(list(map(str, words)), check=True, capture_output=True)
        own = pd.read_csv(tmp_path / f"{array}.assoc", sep=r"\s+").dropna(subset="CHISQ")
        assert table.loc[array, "effect_snps"] == len(own)
        assert table.loc[array, "effect_p_5e_8"] == (own["P"] < 5e-8).sum()
        assert table.loc[array, "effect_lambda"] == pytest.approx(own["CHISQ"].median() / 0.4549364, rel=0.01)


def test_attrition_equals_plain_plink(result, tmp_path):
    """The paper's steps by hand with plink2, an independent implementation of every filter."""
    account, folder = result
    paper = settings("genotype_qc")
    steps = {
        "hwe": ["--hwe", paper["hwe_p"]],
        "maf": ["--maf", paper["maf"]],
        "ld": ["--indep-pairwise", paper["ld_window_snps"], paper["ld_step_snps"], paper["ld_r2"]],
        "snp_missing": ["--geno", paper["max_snp_missing"]],
        "sample_missing": ["--mind", paper["max_sample_missing"]],
    }
    current = folder / "merged"
    rows = account.attrition.set_index("step")
    for step, options in steps.items():
        out = tmp_path / step
        words = ["plink2", "--bfile", current, *options, "--threads", "1", "--out", out]
        if step == "ld":
            subprocess.run(list(map(str, words)), check=True, capture_output=True)
            words = ["plink2", "--bfile", current, "--extract", f"{out}.prune.in", "--threads", "1", "--out", out]
        subprocess.run([*map(str, words), "--make-bed"], check=True, capture_output=True)
        before, after = bed.read_bim(current), bed.read_bim(out)
        assert rows.loc[step, "snps_in"] == len(before)
        assert rows.loc[step, "snps_out"] == len(after)
        assert rows.loc[step, "samples_out"] == len(bed.read_fam(out))
        lost = set(before["id"]) - set(after["id"])
        own = account.dropped.query("step == @step and kind == 'snp'")["id"]
        assert set(own) == lost
        current = out
    assert list(bed.read_bim(folder / "qc")["id"]) == list(bed.read_bim(current)["id"])
    assert list(bed.read_fam(folder / "qc")["iid"]) == list(bed.read_fam(current)["iid"])
    for step in ("hwe", "maf", "ld", "snp_missing"):
        assert rows.loc[step, "snps_out"] < rows.loc[step, "snps_in"]


def test_every_snp_and_person_is_kept_or_dropped_once(study, result):
    account, folder = result
    kept = set(bed.read_bim(folder / "qc")["id"])
    snps = account.dropped.query("kind == 'snp'")
    late = set(snps.query("array == 'all'")["id"])
    table = account.harmonised
    assert kept.isdisjoint(late)
    assert kept | late == set(table["id"])
    for prefix in study.genotypes:
        here = snps[snps["array"] == prefix.name]["id"]
        common = table["array_id"][table["array"] == prefix.name]
        assert sorted([*here, *common]) == sorted(bed.read_bim(prefix)["id"])
    people = account.dropped.query("kind == 'sample' and array == 'all'")["id"]
    assert set(bed.read_fam(folder / "qc")["iid"]) | set(people) == set(study.people)
    assert people.is_unique


def test_people_with_poor_calls_and_violators_are_dropped(study, result):
    account, _ = result
    bad = set(study.faults["people"].query("fault == 'sample_missing'")["genotype_id"])
    assert bad
    assert set(account.dropped.query("step == 'sample_missing'")["id"]) == bad
    planted = study.ids("hwe") & set(account.harmonised["id"])
    assert len(planted & set(account.dropped.query("step == 'hwe'")["id"])) >= len(planted) - 1
    poor = study.ids("snp_missing") & set(account.harmonised["id"])
    earlier = set(account.dropped.query("step in ['hwe', 'maf', 'ld']")["id"])
    assert poor - earlier <= set(account.dropped.query("step == 'snp_missing'")["id"])


def test_a_person_on_two_arrays_is_taken_from_the_better_one(study, result):
    account, folder = result
    name = study.faults["people"].query("fault == 'typed_twice'")["genotype_id"].item()
    rows = account.twice[account.twice["genotype_id"] == name]
    assert len(rows) == 2
    best = rows.loc[rows["keep"].astype(bool)].iloc[0]
    other = rows.loc[~rows["keep"].astype(bool)].iloc[0]
    assert best["call_rate"] >= other["call_rate"]
    assert other["concordance"] > 0.99
    assert (bed.read_fam(folder / "merged")["iid"] == name).sum() == 1
    reason = account.dropped.query("step == 'merge'").iloc[0]
    assert (reason["id"], reason["array"]) == (name, other["array"])
    assert best["array"] in reason["reason"]


def test_two_people_with_one_id_are_both_dropped(study, tmp_path):
    fileset = []
    for number, prefix in enumerate(study.genotypes[:2]):
        bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
        calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
        fam.loc[3, ["fid", "iid"]] = "SAME"
        fileset.append(tmp_path / f"a{number}")
        bed.write_fileset(fileset[-1], calls, bim, fam)
    account = pipeline.prepare(fileset, settings("genotype_qc"), tmp_path, tmp_path / "qc", say=quiet)
    rows = account.twice[account.twice["genotype_id"] == "SAME"]
    assert not rows["keep"].any()
    assert rows["concordance"].min() < merge.MIN_CONCORDANCE
    assert list(account.dropped.query("id == 'SAME'")["reason"]) == ["typed_twice, calls disagree"] * 2
    assert "SAME" not in set(bed.read_fam(tmp_path / "qc")["iid"])


def test_pruning_is_plink19s_too(result, tmp_path):
    """The chain prunes with PLINK 2; PLINK 1.9, an independent implementation, keeps the same SNPs."""
    account, folder = result
    paper = settings("genotype_qc")
    options = ["--indep-pairwise", paper["ld_window_snps"], paper["ld_step_snps"], paper["ld_r2"]]
    words = ["plink1.9", "--bfile", folder / "qc.maf", *options, "--out", tmp_path / "old"]
    subprocess.run(list(map(str, words)), check=True, capture_output=True)
    kept = set((tmp_path / "old.prune.in").read_text().split())
    assert kept == set(bed.read_bim(folder / "qc.ld")["id"])
    assert len(kept) < account.attrition.set_index("step").loc["ld", "snps_in"]


def test_an_r2_of_1_prunes_nothing(result, tmp_path):
    """PLINK 2 refuses it as a threshold, the settings allow it."""
    _, attrition, _ = qc.quality_control(result[1] / "merged", settings("genotype_qc", ld_r2=1), tmp_path)
    (step,) = [row for row in attrition if row[0] == "ld"]
    assert step[1] == step[2] > 0


def test_people_who_are_not_participants_are_left_out(study, tmp_path):
    table = pd.read_csv(study.participants, sep="\t").iloc[:80]
    table.loc[5, "genotype_id"] = "n/a"
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc"), tmp_path, tmp_path / "qc", tmp_path / "p.tsv", say=quiet
    )
    strangers = {*study.people[80:], study.people[5]}
    gone = account.dropped.query("reason == 'not_a_participant'")
    assert set(gone["id"]) == strangers
    assert strangers.isdisjoint(bed.read_fam(tmp_path / "qc")["iid"])
    read = account.attrition[account.attrition["step"].str.startswith("read")]
    assert read["samples_in"].sum() - read["samples_out"].sum() == len(gone)


def test_a_participant_in_no_fileset_is_named(study, tmp_path):
    table = pd.read_csv(study.participants, sep="\t")
    table.loc[[2, 9], "genotype_id"] = ["NOBODY", "NOONE"]
    table.to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    said = []
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc"), tmp_path, tmp_path / "qc", tmp_path / "p.tsv", say=said.append
    )
    assert "WARNING: 2 are in none: sub-G003: NOBODY, sub-G010: NOONE" in said
    gone = account.dropped.query("reason == 'no_genotypes'")
    assert gone[["kind", "id", "step"]].to_numpy().tolist() == [["sample", n, "read"] for n in ("NOBODY", "NOONE")]
    matching = account.matching.set_index("genotype_id")
    assert list(matching.loc[["NOBODY", "NOONE"], "status"]) == ["no_genotypes"] * 2
    assert list(matching.loc[[study.people[2], study.people[9]], "status"]) == ["not_a_participant"] * 2
    strict = settings("genotype_qc", min_participants_found=0.995)
    with pytest.raises(InputError, match=r"2 of 240 participants.*sub-G003: NOBODY, sub-G010"):
        pipeline.prepare(study.genotypes, strict, tmp_path, tmp_path / "qc", tmp_path / "p.tsv", say=quiet)


def test_one_array_alone(study, tmp_path):
    account = pipeline.prepare(study.genotypes[:1], settings("genotype_qc"), tmp_path, tmp_path / "qc", say=quiet)
    assert account.attrition.set_index("step").loc["merge", "samples_out"] == len(bed.read_fam(study.genotypes[0]))
    assert set(account.harmonised["action"]) <= {"kept", "renamed"}
    renamed = account.harmonised.query("action == 'renamed'")
    assert (renamed["array_id"] == "dup-" + renamed["id"]).all()
    assert study.ids("ambiguous") <= set(account.harmonised["id"])
    assert account.strand["effect_snps"].isna().all()


def test_filters_that_leave_nothing_say_so(study, tmp_path):
    fam = bed.read_fam(study.genotypes[2])
    bim = pd.DataFrame({"chrom": "1", "id": [f"rs{n}" for n in range(1, 30)], "cm": 0, "pos": range(1000, 30000, 1000)})
    bim = bim.assign(a1="A", a2="G")
    calls = np.zeros((len(bim), len(fam)), np.int8)
    calls[:, 0] = 1
    bed.write_fileset(tmp_path / "rare", calls, bim, fam)
    with pytest.raises(InputError, match="step maf: nothing is left"):
        pipeline.prepare([tmp_path / "rare"], settings("genotype_qc"), tmp_path, tmp_path / "qc", say=quiet)
    calls = np.random.default_rng(1).binomial(2, 0.4, calls.shape).astype(np.int8)
    calls[:, ::3] = -1
    bed.write_fileset(tmp_path / "missing", calls, bim, fam)
    late = settings("genotype_qc", maf=0.0, max_snp_missing=0.1)
    with pytest.raises(InputError, match="step snp_missing: nothing is left"):
        pipeline.prepare([tmp_path / "missing"], late, tmp_path, tmp_path / "qc", say=quiet)


def test_steps_are_the_papers():
    names = [name for name, _, _ in qc.steps(settings("genotype_qc"))]
    assert names == ["hwe", "maf", "ld", "snp_missing", "sample_missing"]


def test_an_array_without_any_id_goes_through(study, tmp_path):
    bim, fam = bed.read_bim(study.genotypes[0]), bed.read_fam(study.genotypes[0])
    calls = bed.read_bed(study.genotypes[0], len(fam), np.arange(len(bim)))
    with_ids = pipeline.prepare(study.genotypes[:1], settings("genotype_qc"), tmp_path, tmp_path / "a", say=quiet)
    bed.write_fileset(tmp_path / "dots", calls, bim.assign(id="."), fam)
    without = pipeline.prepare([tmp_path / "dots"], settings("genotype_qc"), tmp_path, tmp_path / "b", say=quiet)
    pd.testing.assert_frame_equal(
        with_ids.attrition.query("step.str.contains('hh610') == False"),
        without.attrition.query("step.str.contains('dots') == False"),
    )
    one, other = bed.read_bim(tmp_path / "a"), bed.read_bim(tmp_path / "b")
    assert list(one["pos"]) == list(other["pos"])
    assert list(other["id"].str.split(":").str[1].astype(int)) == list(other["pos"])
    assert other["id"].is_unique
