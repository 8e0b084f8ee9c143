"""Studies of nothing: accuracy at chance, and the permutation p is uniform."""

import numpy as np
import pandas as pd
from compare_fixture import SETTINGS
from scipy.stats import chisquare

from gcamccl.cohort import COHORT_COLUMNS, Cohort, permuted_rows, stratified_split
from gcamccl.compare import classifiers
from gcamccl.compare.run import predictions

STUDIES, PERMUTATIONS = 50, 19


def null_study(seed, people=40, splits=1):
    """Five loci that have nothing to do with the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.tile([0, 1], people // 2)).astype(np.int8)
    table = pd.DataFrame(
        {"participant_id": [f"s{row}" for row in range(people)], "group": np.array(["low", "high"])[labels]}
    ).reindex(columns=COHORT_COLUMNS)
    nobody = [None] * people
    rows = np.stack([np.arange(people), *(permuted_rows(nobody, nobody, rng) for _ in range(PERMUTATIONS))])
    splits = [stratified_split(labels, (0.5, 0.25, 0.25), rng) for _ in range(splits)]
    loci = rng.uniform(0, 2, (people, 5)).astype(np.float32)
    return Cohort(table, None, loci, labels[rows], np.stack(splits), rows, None)


def test_permutation_p_is_uniform_and_accuracy_at_chance(monkeypatch):
    monkeypatch.setattr(classifiers, "LOGISTIC_PENALTIES", (0.1, 10.0))  # two candidates to choose from: time
    ps, right = [], []
    for seed in range(STUDIES):
        table = predictions("logist", null_study(seed), SETTINGS, views=["snps"])
        # Squared error has no ties, so that p = (1 + as good or better) / (1 + permutations) is exact.
        error = ((table["p_high"] - table["label"]) ** 2).groupby(table["permutation"]).mean()
        ps.append((1 + (error[1:] <= error[0]).sum()) / (1 + PERMUTATIONS))
        right += list((table["label"] == table["predicted"])[table["permutation"] == 0])
    counts = np.histogram(ps, bins=[0, 0.205, 0.405, 0.605, 0.805, 1])[0]  # p is k / 20: five equal classes
    assert counts.sum() == STUDIES
    assert chisquare(counts).pvalue > 0.01, counts
    assert np.mean(np.array(ps) <= 0.05) <= 0.14  # 99.9 % point of the binomial: 7 of 50
    assert 0.42 < np.mean(right) < 0.58  # 10 test people in each of 50 studies: 3.5 standard errors
