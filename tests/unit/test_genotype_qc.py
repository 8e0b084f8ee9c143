"""genotype_qc: planted faults found, every SNP and person accounted for, counts as plain PLINK's."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import make, quiet, settings

from gcamccl.genotype_qc import bed, merge, pipeline, qc
from gcamccl.genotype_qc.harmonise import harmonise
from gcamccl.workflow.errors import InputError


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return make(tmp_path_factory.mktemp("genetics"))


@pytest.fixture(scope="module")
def result(study, tmp_path_factory):
    """The stage's account and its scratch folder, which holds qc.bed and what came before it."""
    folder = tmp_path_factory.mktemp("qc")
    account = pipeline.prepare(
        study.genotypes, settings("genotype_qc"), folder, folder / "qc", participants=study.participants, say=quiet
    )
    return account, folder


def dropped_with(account, reason, array=None):
    table = account.dropped
    return set(table["id"][(table["reason"] == reason) & ((table["array"] == array) | (array is None))])


def test_planted_faults_are_found_and_nothing_else(study, result):
    account, _ = result
    actions = account.harmonised
    flipped = set(actions["id"][actions["action"].isin(["flipped", "renamed+flipped"])])
    final = set(actions["id"])
    assert study.ids("flipped")
    assert flipped == study.ids("flipped") & final
    assert dropped_with(account, "position_differs", "omni") == study.ids("moved")
    assert dropped_with(account, "alleles_irreconcilable") == study.ids("triallelic")
    renamed = set(actions["id"][(actions["array"] == "omni") & actions["action"].str.contains("renamed")])
    assert study.ids("renamed") & final <= renamed
    # Beside the planted ones only SNPs of which the probe named dup-... had more calls.
    probes = set(actions["id"][actions["array_id"].str.startswith("dup-")])
    assert renamed <= study.ids("renamed") | probes
    ambiguous = dropped_with(account, "strand_ambiguous")
    assert study.ids("ambiguous") <= {name.removeprefix("dup-") for name in ambiguous}
    core = study.genome.variants[study.genome.variants["core"]]
    lost = set(core["id"]) - final - study.ids("ambiguous") - study.ids("moved") - study.ids("triallelic")
    assert lost == set()
    twice = study.faults["snps"].query("fault == 'duplicate_probe'")
    for row in twice.itertuples():
        here = account.dropped[account.dropped["array"] == row.array]
        assert "duplicate_probe" in set(here["reason"][here["id"].isin([row.id, row.array_id])])


def test_merged_calls_are_the_true_genotypes(study, result):
    """Strand, allele order and people are right: calls equal the simulated genotypes."""
    _, folder = result
    bim, fam = bed.read_bim(folder / "merged"), bed.read_fam(folder / "merged")
    calls = bed.read_bed(folder / "merged", len(fam), np.arange(len(bim)))
    known = ~bim["id"].isin(study.ids("hwe")).to_numpy() & (bim["a1"] != "0").to_numpy()
    columns = [study.people.index(name) for name in fam["iid"]]
    truth = study.true_copies(bim["id"][known], bim["a1"][known])[:, columns]
    called = calls[known] >= 0
    assert (calls[known] == truth)[called].mean() > 0.999
    worst = [(a == b)[c].mean() for a, b, c in zip(calls[known], truth, called, strict=True)]
    assert min(worst) > 0.95


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
    # An array's SNPs: common to all, or dropped on this array, or one without a partner on the others.
    for prefix in study.genotypes:
        here = snps[snps["array"] == prefix.name]["id"]
        common = table["array_id"][table["array"] == prefix.name]
        others = set(snps[snps["array"] == "hh610"]["id"])
        absent = set(bed.read_bim(prefix)["id"]) - set(here) - set(common)
        assert {name for name in absent if name not in others} == set()
        assert here.is_unique
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
    with pytest.raises(InputError, match=r"2 of 120 participants.*sub-G003 \(genotype_id NOBODY\), sub-G010"):
        pipeline.prepare(
            study.genotypes, settings("genotype_qc"), tmp_path, tmp_path / "qc", tmp_path / "p.tsv", say=quiet
        )


def test_one_array_alone(study, tmp_path):
    account = pipeline.prepare(study.genotypes[:1], settings("genotype_qc"), tmp_path, tmp_path / "qc", say=quiet)
    assert account.attrition.set_index("step").loc["merge", "samples_out"] == len(bed.read_fam(study.genotypes[0]))
    assert set(account.harmonised["action"]) == {"kept"}


def test_filters_that_leave_nothing_say_so(study, tmp_path):
    fam = bed.read_fam(study.genotypes[2])
    bim = table_of(*[("1", f"rs{number}", 1000 * number, "A", "G") for number in range(1, 30)])
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


def table_of(*rows):
    table = pd.DataFrame(rows, columns=["chrom", "id", "pos", "a1", "a2"]).assign(cm=0.0)
    return table[bed.BIM]


def agreed(*tables, **more):
    names = [f"array{number}" for number in range(len(tables))]
    return harmonise(list(tables), [np.zeros(len(table)) for table in tables], names, **more)


def test_harmonise_decides_strand_by_alleles():
    base = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs2", 20, "A", "T"), ("1", "rs3", 30, "0", "C"))
    other = table_of(("1", "rs1", 10, "C", "T"), ("1", "rs2", 20, "A", "T"), ("1", "kgp3", 30, "A", "G"))
    found = agreed(base, other)
    assert list(found.snps[1]["id"]) == ["rs1", "rs3"]
    # rs1 turned; of rs3 the first array knows only C, which A/G has on the other strand.
    assert found.snps[1][["a1", "a2"]].to_numpy().tolist() == [["G", "A"], ["T", "C"]]
    assert list(found.table.query("array == 'array1'")["action"]) == ["flipped", "renamed+flipped"]
    assert list(agreed(base, other, keep_ambiguous=True).snps[1]["id"]) == ["rs1", "rs2", "rs3"]


def test_harmonise_prefers_rs_names_and_the_better_probe():
    base = table_of(("1", "kgp1", 10, "A", "G"), ("1", "rs9", 20, "A", "C"), ("1", "rs9", 99, "A", "C"))
    other = table_of(("1", "rs1", 10, "A", "G"), ("1", "rs9", 20, "A", "C"))
    found = harmonise([base, other], [np.array([0, 0.1, 0.3]), np.zeros(2)], ["one", "two"])
    assert list(found.snps[0]["id"]) == ["rs1", "rs9"]
    assert list(found.snps[0]["row"]) == [0, 1]
    assert found.dropped[["id", "array", "reason"]].to_numpy().tolist() == [["rs9", "one", "duplicate_probe"]]


def test_three_arrays_can_contradict_only_together():
    tables = [table_of(("1", "rs1", 10, *pair), ("1", "rs2", 20, "A", "G")) for pair in ("0A", "AG", "AC")]
    found = agreed(*tables)
    assert list(found.snps[0]["id"]) == ["rs2"]
    assert "alleles_irreconcilable" in set(found.dropped["reason"])


def test_another_genome_build_is_an_error():
    rows = [("1", f"rs{number}", 1000 * number, "A", "G") for number in range(1, 101)]
    moved = [(chrom, name, pos + 777, a1, a2) for chrom, name, pos, a1, a2 in rows]
    with pytest.raises(InputError, match=r"100 of the 100 SNPs.*same genome build"):
        agreed(table_of(*rows), table_of(*moved))


def test_no_common_snp_is_an_error():
    with pytest.raises(InputError, match="no SNP is common"):
        agreed(table_of(("1", "rs1", 10, "A", "G")), table_of(("2", "rs2", 20, "A", "G")))


def test_steps_are_the_papers():
    names = [name for name, _, _ in qc.steps(settings("genotype_qc"))]
    assert names == ["hwe", "maf", "ld", "snp_missing", "sample_missing"]


def test_snps_without_an_id_are_known_by_their_position_only():
    """Dots are neither probes of one SNP nor the same SNP on two arrays."""
    base = table_of(
        *(("1", ".", 10, "A", "G"), ("1", ".", 20, "A", "C"), ("1", ".", 30, "A", "G"), ("1", ".", 30, "A", "C")),
        *(("1", "1:40", 50, "A", "G"), ("1", ".", 40, "A", "G"), ("1", ".", 60, "A", "G")),
    )
    other = table_of(
        *(("1", ".", 20, "T", "G"), ("1", "rs1", 10, "A", "G"), ("1", ".", 30, "A", "G"), ("1", ".", 50, "A", "G")),
        *(("1", ".", 40, "A", "G"), ("1", "1:60", 70, "A", "G"), ("1", ".", 60, "A", "G")),
    )
    found = agreed(base, other)
    assert list(found.snps[0]["id"]) == ["rs1", "1:20", "1:30:A:G", "1:40", "1:40:A:G", "1:60"]
    assert list(found.snps[0]["row"]) == [0, 1, 2, 4, 5, 6]
    assert list(found.snps[1]["row"]) == [1, 0, 2, 3, 4, 6]
    assert list(found.snps[1]["array_id"]) == ["rs1", ".", ".", ".", ".", "."]
    second = found.table.query("array == 'array1'")["action"]
    assert list(second) == ["kept", "renamed+flipped", "renamed", "renamed", "renamed", "renamed"]
    assert found.dropped[["id", "array", "reason"]].to_numpy().tolist() == [
        ["1:30:A:C", "array0", "duplicate_probe"],
        ["1:60", "array1", "not_on_array0"],
    ]


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
