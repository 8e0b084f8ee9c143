"""genotype_qc, ancestry: components, groups, heterozygosity, Hardy-Weinberg; planted truth and others' numbers."""

import subprocess

import numpy as np
import pandas as pd
import pytest
from genetics_fixture import checked_people, make_people, quiet, settings, with_real_ids
from sklearn.decomposition import PCA

from gcamccl.genotype_qc import ancestry, bed, hardy_weinberg, heterozygosity, pipeline
from gcamccl.workflow.errors import InputError


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


@pytest.fixture(scope="module")
def calls(result):
    """Copies of A1 at the independent SNPs (SNPs, people) and the ids of the people."""
    _, folder = result
    fam, n_snps = bed.read_fam(folder / "independent"), len(bed.read_bim(folder / "independent"))
    return bed.read_bed(folder / "independent", len(fam), np.arange(n_snps)), list(fam["iid"])


def who(study, fault):
    table = study.faults["people"]
    return set(table["genotype_id"][table["fault"] == fault])


def flags(account, name):
    text = account.samples.set_index("genotype_id")["flags"][name]
    return text.split(";") if isinstance(text, str) else []


# --- ancestry, heterozygosity


def test_components_are_those_of_scikit_learn_and_show_the_populations(study, result, calls):
    account, folder = result
    copies, ids = calls
    fit = set((folder / "pca.fit").read_text().split())
    pairs = account.relatedness[account.relatedness["kinship"] > 0.0884]
    assert not any(a in fit and b in fit for a, b in pairs[["genotype_id_1", "genotype_id_2"]].to_numpy())
    assert fit.isdisjoint(who(study, "sample_missing"))
    rows = [row for row, name in enumerate(ids) if name in fit]
    own = np.where(copies[:, rows] < 0, np.nan, copies[:, rows].astype(float))
    p = np.nanmean(own, axis=1, keepdims=True) / 2
    standard = np.nan_to_num((own - 2 * p) / np.sqrt(2 * p * (1 - p)))
    other = PCA(2, svd_solver="full").fit_transform(standard.T)
    table = account.samples.set_index("genotype_id").loc[[ids[row] for row in rows]]
    assert abs(np.corrcoef(table["pc1"], other[:, 0])[0, 1]) > 0.9999
    assert abs(np.corrcoef(table["pc2"], other[:, 1])[0, 1]) > 0.95
    values = PCA(svd_solver="full").fit(standard.T).explained_variance_ratio_
    assert account.eigenvalues["variance_share"].iloc[0] == pytest.approx(values[0], rel=0.02)
    assert list(account.eigenvalues["stands_out"]) == [True, False, False, False, False]
    everybody = account.samples.set_index("genotype_id").reindex(study.people)
    assert abs(np.corrcoef(everybody["pc1"], study.populations)[0, 1]) > 0.97
    kept = list(bed.read_fam(folder / "qc")["iid"])
    assert list(account.pca["genotype_id"]) == kept
    assert np.allclose(account.pca["pc3"], everybody.loc[kept, "pc3"])


def test_projected_people_lie_among_their_own(study, result, tmp_path):
    """Left out of the fit, a third of the people land where the others of their population are, not nearer to 0."""
    _, folder = result
    n_snps = len(bed.read_bim(folder / "independent"))
    ids = bed.read_fam(folder / "independent")["iid"]
    relatives = {person for pair in study.pairs for person in (study.people[pair.one], study.people[pair.other])}
    fit = {name for number, name in enumerate(ids) if number % 3 and name not in relatives}
    table, values, _ = ancestry.components(folder / "independent", n_snps, fit, 5, tmp_path / "p")
    population = study.populations[[study.people.index(name) for name in table["genotype_id"]]]
    strangers = ~table["fitted"] & ~table["genotype_id"].isin(relatives)
    assert strangers.sum() > 30
    gap = {}
    for kind, rows in (("fitted", table["fitted"]), ("projected", strangers)):
        means = table[rows].groupby(population[rows])["pc1"].mean()
        gap[kind] = means[1] - means[0]
    assert gap["projected"] / gap["fitted"] == pytest.approx(1, abs=0.05)
    raw = values["eigenvalue"].iloc[0]
    trace = raw / values["variance_share"].iloc[0]
    assert ancestry.shrinkage(np.r_[raw, np.full(9, 1.3)], trace, len(fit))[0] < 0.9


def test_the_way_of_large_studies_finds_the_same(study, result, tmp_path, monkeypatch):
    account, folder = result
    n_snps = len(bed.read_bim(folder / "independent"))
    fit = {name for name in (folder / "pca.fit").read_text().split() if name != study.people[0]}
    exact, _, _ = ancestry.components(folder / "independent", n_snps, fit, 5, tmp_path / "exact")
    monkeypatch.setattr(ancestry, "MANY_PEOPLE", 10)
    table, values, _ = ancestry.components(folder / "independent", n_snps, fit, 5, tmp_path / "p")
    strangers = ~table["fitted"]
    assert strangers.any()
    sign = np.sign(np.corrcoef(exact["pc1"], table["pc1"])[0, 1])
    assert np.allclose(exact["pc1"], sign * table["pc1"], atol=0.005)
    assert list(values["stands_out"]) == [True, False, False, False, False]
    assert values["variance_share"].iloc[0] == pytest.approx(account.eigenvalues["variance_share"].iloc[0], rel=0.05)


def test_projections_are_the_formula(result, calls, tmp_path):
    """Mean over the calls of the standardised genotype times its weight: missing calls draw nobody to 0."""
    account, folder = result
    copies, ids = calls
    fit = set((folder / "pca.fit").read_text().split())
    ancestry.components(folder / "independent", len(copies), fit, 5, tmp_path / "p")
    bim = bed.read_bim(folder / "independent")
    weights = pd.read_csv(tmp_path / "p.eigenvec.var", sep="\t").set_index("VAR")
    known = bim["id"].isin(weights.index).to_numpy()
    weights = weights.loc[bim["id"][known]]
    same = weights["A1"].to_numpy() == bim["a1"][known].to_numpy()
    own = np.where(copies[known] < 0, np.nan, copies[known])
    own = np.where(same[:, None], own, 2 - own)
    p = np.nanmean(own[:, [name in fit for name in ids]], axis=1, keepdims=True) / 2
    scores = np.nanmean((own - 2 * p) / np.sqrt(2 * p * (1 - p)) * weights["PC1"].to_numpy()[:, None], axis=0)
    table = account.samples.set_index("genotype_id").loc[ids]
    projected = np.array([name not in fit for name in ids])
    poor = (table["call_rate"] < 0.95).to_numpy()
    assert (projected & poor).any()
    ratio = table["pc1"].to_numpy()[projected] / scores[projected]
    assert np.allclose(ratio, ratio[0], rtol=1e-4)
    assert ratio[0] > table["pc1"].to_numpy()[~projected].std() / scores[~projected].std()  # shrinkage undone


def test_groups_are_the_populations(study, result):
    account, _ = result
    group = account.samples.set_index("genotype_id")["group"].reindex(study.people)
    assert group.notna().all()
    assert set(zip(group, study.populations, strict=True)) == {("group1", 0), ("group2", 1)}


def test_one_population_is_one_group(study, result, tmp_path):
    _, folder = result
    ids = list(bed.read_fam(folder / "independent")["iid"])
    major = {name for name in ids if study.populations[study.people.index(name)] == 0}
    major -= {study.people[person] for pair in study.pairs for person in (pair.one, pair.other)}
    n_snps = len(bed.read_bim(folder / "independent"))
    table, values, _ = ancestry.components(folder / "independent", n_snps, major, 5, tmp_path / "p")
    assert not values["stands_out"].any()
    groups, notes = ancestry.groups(table, values, 30)
    assert set(groups) == {"group1"}
    assert "one group" in notes[0]


def test_small_groups_are_none():
    rng = np.random.default_rng(0)
    sizes, centres = (120, 60, 8), np.array([[0, 0], [1, 0], [0, 1.5]])
    points = np.concatenate([rng.normal(c, 0.05, (n, 2)) for n, c in zip(sizes, centres, strict=True)])
    table = pd.DataFrame(points, columns=["pc1", "pc2"])
    table.insert(0, "genotype_id", [f"p{n}" for n in range(len(table))])
    table.insert(1, "fitted", np.arange(len(table)) % 10 > 0)
    values = pd.DataFrame({"component": ["pc1", "pc2"], "stands_out": True})
    groups, notes = ancestry.groups(table, values, 30)
    assert set(groups[:120]) == {"group1"}
    assert set(groups[120:180]) == {"group2"}
    assert groups[180:].isna().all()
    assert notes == ["people in no ancestry group of at least 30: 8"]


def test_a_sample_without_any_call_is_in_no_group(study, tmp_path):
    """Its projection is missing, which a mixture model refuses."""
    copied = []
    for prefix in study.genotypes:
        bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
        calls = bed.read_bed(prefix, len(fam), np.arange(len(bim)))
        failed = fam["iid"][0]
        calls[:, 0] = -1
        copied.append(tmp_path / prefix.name)
        bed.write_fileset(copied[-1], calls, bim, fam)
    (tmp_path / "scratch").mkdir()
    account = pipeline.prepare(copied, settings("genotype_qc"), tmp_path / "scratch", tmp_path / "qc", say=quiet)
    assert account.eigenvalues["stands_out"].any()
    row = account.samples.set_index("genotype_id").loc[failed]
    assert (row["call_rate"], row["dropped_at"]) == (0, "sample_missing")
    assert pd.isna(row["group"]) and "low_call_rate" in row["flags"]
    assert {"group1", "group2"} <= set(account.samples["group"])


def test_long_range_ld_is_left_out(result, tmp_path):
    _, folder = result
    bim = bed.read_bim(folder / "independent")
    inside = [
        ((bim["chrom"] == str(chrom)) & bim["pos"].between(1e6 * start, 1e6 * end)).sum()
        for chrom, start, end in ancestry.LONG_RANGE_LD_MB
    ]
    assert sum(inside) == 0
    everything = bed.read_bim(folder / "merged")
    assert ((everything["chrom"] == "6") & everything["pos"].between(25e6, 35e6)).any()
    assert len(bim) > 4000


def test_heterozygosity_is_the_formula(study, result, calls):
    """F = (observed - expected homozygotes) / (called - expected), by the allele frequencies of the group."""
    account, _ = result
    copies, ids = calls
    samples = account.samples.set_index("genotype_id").loc[ids]
    assert np.allclose(samples["heterozygosity"], (copies == 1).sum(axis=0) / (copies >= 0).sum(axis=0), atol=1e-9)
    own = (samples["group"] == "group1").to_numpy()
    group = copies[:, own]
    called = group >= 0
    p = np.where(called, group, 0).sum(axis=1) / (2 * called.sum(axis=1))
    expected = (called * (1 - 2 * p * (1 - p))[:, None]).sum(axis=0)
    observed = (called & (group != 1)).sum(axis=0)
    f = (observed - expected) / (called.sum(axis=0) - expected)
    assert np.allclose(samples["f"][own], f, atol=1e-5)
    rate = samples["heterozygosity"][own]
    assert np.allclose(samples["heterozygosity_z"][own], (rate - rate.mean()) / rate.std(), atol=1e-6)
    assert samples["f"][~own].isna().all()  # fewer than 50 people


def test_the_mixed_sample_is_flagged(study, result):
    account, _ = result
    high = {name for name in account.samples["genotype_id"] if "high_heterozygosity" in flags(account, name)}
    assert high == who(study, "contaminated")
    assert list(heterozygosity.outliers([0, 3.1, -3.1, np.nan], 3)) == [
        *(None, "high_heterozygosity", "low_heterozygosity", None)
    ]
    warnings = account.notes.query("level == 'warning'")["text"].str.cat(sep="\n")
    assert f"{high.pop()} looks related to" in warnings
    assert "same DNA" in warnings


# --- Hardy-Weinberg


def exact_p(het, hom_1, hom_2):
    """Sum of the probabilities of all tables no likelier than the observed one, given the allele counts."""
    from math import exp, lgamma, log

    n, rare = het + hom_1 + hom_2, 2 * min(hom_1, hom_2) + het

    def probability(h):
        one = (rare - h) // 2
        two = n - h - one
        counts = h * log(2) + lgamma(n + 1) - lgamma(h + 1) - lgamma(one + 1) - lgamma(two + 1)
        return exp(counts + lgamma(rare + 1) + lgamma(2 * n - rare + 1) - lgamma(2 * n + 1))

    p = {h: probability(h) for h in range(rare % 2, rare + 1, 2)}
    assert sum(p.values()) == pytest.approx(1)
    return sum(value for value in p.values() if value <= p[het] * (1 + 1e-9))


def test_hardy_weinberg_is_exact_within_groups_and_over_all(result):
    account, folder = result
    fam, bim = bed.read_fam(folder / "merged"), bed.read_bim(folder / "merged")
    assert list(account.hwe["id"]) == list(bim["id"])
    group = account.samples.set_index("genotype_id")["group"].loc[fam["iid"]].to_numpy()
    rows = np.r_[np.argsort(account.hwe["p"].to_numpy())[:10], np.arange(0, len(bim), len(bim) // 20)]
    copies = bed.read_bed(folder / "merged", len(fam), rows)
    for row, own in zip(rows, copies, strict=True):
        for column, who_counts in (
            ("p", slice(None)),
            ("p_group1", group == "group1"),
            ("p_group2", group == "group2"),
        ):
            counts = [(own[who_counts] == value).sum() for value in (1, 0, 2)]
            assert account.hwe[column].iloc[row] == pytest.approx(exact_p(*counts), rel=1e-4)
    plink("plink1.9", "--bfile", folder / "merged", "--hardy", "--allow-no-sex", "--out", folder / "old")
    old = pd.read_csv(folder / "old.hwe", sep=r"\s+")
    assert np.allclose(account.hwe["p"], old["P"], rtol=2e-3)  # PLINK 1.9 prints four digits


@pytest.fixture(scope="module")
def structured(tmp_path_factory):
    """Two populations far apart (F_ST 0.15), nothing else wrong, but ten SNPs without heterozygotes."""
    folder = tmp_path_factory.mktemp("wahlund")
    rng = np.random.default_rng(1)
    n_snps, population = 3000, np.repeat([0, 1], 100)
    ancestral = rng.uniform(0.2, 0.8, (n_snps, 1))
    frequency = rng.beta(ancestral * 0.85 / 0.15, (1 - ancestral) * 0.85 / 0.15, (n_snps, 2)).clip(0.05, 0.95)
    copies = rng.binomial(2, frequency[:, population]).astype(np.int8)
    copies[:10] = 2 * rng.integers(0, 2, (10, 200))
    bim = pd.DataFrame({"chrom": 1 + np.arange(n_snps) % 22, "id": [f"rs{n}" for n in range(n_snps)], "cm": 0})
    bim["pos"], bim["a1"], bim["a2"] = 1000 * (1 + np.arange(n_snps)), "A", "G"
    order = np.lexsort((bim["pos"], bim["chrom"]))
    ids = [f"p{n:03d}" for n in range(200)]
    fam = pd.DataFrame({"fid": ids, "iid": ids, "father": "0", "mother": "0", "sex": "0", "phenotype": "-9"})
    bed.write_fileset(folder / "array", copies[order], bim.iloc[order], fam)
    return folder


def test_pooled_tests_remove_sound_snps_and_it_is_said(structured, tmp_path):
    said = []
    account = pipeline.prepare(
        [structured / "array"], settings("genotype_qc"), tmp_path, tmp_path / "qc", say=said.append
    )
    counts = account.hwe_summary.iloc[0]
    assert counts["n_groups"] == 2
    assert counts["pooled"] > 100
    assert counts["within"] <= 12
    assert counts["far_more"]
    note = account.notes.query("check == 'hwe'").iloc[0]
    assert note["level"] == "warning"
    assert "Wahlund" in note["text"]
    assert any(line.startswith("WARNING: hwe:") for line in said)
    gone = account.dropped.query("step == 'hwe'")["id"]
    assert len(gone) == counts["pooled"]  # the paper's filter, all the same
    within = settings("genotype_qc", hwe_within_ancestry=True)
    other = pipeline.prepare([structured / "array"], within, tmp_path, tmp_path / "qc2", say=quiet)
    steps = other.attrition.set_index("step")
    assert "hwe" not in steps.index
    lost = other.dropped.query("step == 'hwe_within_ancestry'")
    assert steps.loc["hwe_within_ancestry", "snps_in"] - steps.loc["hwe_within_ancestry", "snps_out"] == len(lost)
    assert {f"rs{n}" for n in range(10)} <= set(lost["id"])
    assert len(lost) == counts["within"]
    assert lost["reason"].str.fullmatch(r"hwe_p < 1e-05 within group[12]").all()
    with_real_ids(other, tmp_path)
    # PLINK's own filter in each group
    failed = set()
    for group, members in other.samples.groupby("group"):
        (tmp_path / group).write_text("".join(f"{name}\t{name}\n" for name in members["genotype_id"]))
        keep = ["--keep", tmp_path / group, "--hwe", 1e-5, "--write-snplist", "--out", tmp_path / group]
        plink("plink2", "--bfile", tmp_path / "merged", *keep)
        failed |= set(other.hwe["id"]) - set((tmp_path / f"{group}.snplist").read_text().split())
    assert set(lost["id"]) == failed


def test_far_more_needs_a_ratio_and_a_share():
    table = pd.DataFrame({"id": [f"rs{n}" for n in range(1000)], "p": 1.0, "p_group1": 1.0})
    table.loc[:3, "p"] = 0
    assert not hardy_weinberg.summary(table, 1e-5)["far_more"]
    table.loc[:8, "p"] = 0
    assert hardy_weinberg.summary(table, 1e-5)["far_more"]
    table.loc[:4, "p_group1"] = 0
    assert not hardy_weinberg.summary(table, 1e-5)["far_more"]
    assert "Wahlund" not in hardy_weinberg.sentence(hardy_weinberg.summary(table, 1e-5))


def test_people_of_small_groups_are_counted(study, tmp_path):
    on = settings("genotype_qc", hwe_within_ancestry=True, min_group_people=70)
    assert not hardy_weinberg.summary(pd.DataFrame({"id": ["a"], "p": [0.0]}), 1e-5)["far_more"]
    account = pipeline.prepare(study.genotypes, on, tmp_path, tmp_path / "qc", study.participants, say=quiet)
    assert set(account.samples["group"].dropna()) == {"group1"}
    assert account.samples["group"].isna().sum() == 45
    assert "people in no ancestry group of at least 70: 45" in set(account.notes["text"])


def test_no_group_at_all_is_an_error(study, tmp_path, monkeypatch):
    nobody = lambda table, values, least: (pd.Series(None, index=table["genotype_id"], dtype=object), [])  # noqa: E731
    monkeypatch.setattr(ancestry, "groups", nobody)
    on = settings("genotype_qc", hwe_within_ancestry=True)
    with pytest.raises(InputError, match="no ancestry group has at least 30 people"):
        pipeline.prepare(study.genotypes, on, tmp_path, tmp_path / "qc", study.participants, say=quiet)
    off = settings("genotype_qc")
    account = pipeline.prepare(study.genotypes, off, tmp_path, tmp_path / "qc", study.participants, say=quiet)
    assert not account.hwe_summary["far_more"].item()
    assert account.samples["f"].isna().all()
