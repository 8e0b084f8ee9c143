"""Studies of nothing: accuracy at chance, and the permutation p of Table III is uniform."""

import numpy as np
import pandas as pd
import pytest
from compare_fixture import SETTINGS, write_trained
from scipy.stats import binom, chisquare

from gcamccl.cohort import COHORT_COLUMNS, Cohort, permuted_rows, stratified_split
from gcamccl.compare import classifiers
from gcamccl.compare.run import predictions
from gcamccl.compare.table import metrics_table, table3
from gcamccl.train.replicates import train_replicates
from gcamccl.workflow.config import stage_defaults

STUDIES, PERMUTATIONS, SPLITS = 50, 19, 2
# A network that learns in few steps: it must depend on the labels for its p to mean anything.
TRAIN = {
    **stage_defaults("train"),
    "views": ["snps"],
    "epochs": 6,
    "batch_size": 20,
    "optimizer": "adamw",
    "learning_rate": 3e-2,
}


def null_study(seed, people=40):
    """Five loci that have nothing to do with the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.tile([0, 1], people // 2)).astype(np.int8)
    table = pd.DataFrame(
        {"participant_id": [f"s{row}" for row in range(people)], "group": np.array(["low", "high"])[labels]}
    ).reindex(columns=COHORT_COLUMNS)
    nobody = [None] * people
    rows = np.stack([np.arange(people), *(permuted_rows(nobody, nobody, rng) for _ in range(PERMUTATIONS))])
    splits = [stratified_split(labels, (0.5, 0.25, 0.25), rng) for _ in range(SPLITS)]
    loci = rng.uniform(0, 2, (people, 5)).astype(np.float32)
    return Cohort(table, None, loci, labels[rows], np.stack(splits), rows, None)


def classical(cohort, folder):
    """Predictions of logistic regression."""
    return predictions("logist", cohort, SETTINGS, views=["snps"])


def network(cohort, folder):
    """Predictions of gCAM-CCL, trained on every split and label row."""
    total = SPLITS * (1 + PERMUTATIONS)
    results = train_replicates(cohort, range(total), TRAIN, at_once=total)
    return predictions("gcamccl", cohort, SETTINGS, [write_trained(results, folder)], views=["snps"])


@pytest.mark.parametrize("method", [classical, network])
def test_permutation_p_of_accuracy_is_uniform_and_accuracy_at_chance(method, tmp_path, monkeypatch):
    monkeypatch.setattr(classifiers, "LOGISTIC_PENALTIES", (0.1, 10.0))  # two candidates to choose from: time
    p, fair_p, accuracy, permuted = [], [], [], []
    for seed in range(STUDIES):
        table = method(null_study(seed), tmp_path / str(seed))
        figures = metrics_table(table)
        row = table3(figures, table[table["permutation"] == 0], 0.5, 0.95).iloc[0]
        assert (row["n_splits"], row["n_permutations"]) == (SPLITS, PERMUTATIONS)
        p.append(row["accuracy_p"])
        accuracy.append(row["accuracy_mean"])
        permuted.append(row["accuracy_permuted"])
        # Few test people make ties, all of which count against the true labels. With each tie's order drawn instead,
        # p is uniform on 1/20, 2/20 ... 1 if and only if true and permuted labels are exchangeable.
        means = figures.groupby("permutation")["accuracy"].mean().round(9)
        ties = int((means[1:] == means[0]).sum())
        worse_rank = np.random.default_rng(seed).integers(ties + 1)
        fair_p.append((1 + (means[1:] > means[0]).sum() + worse_rank) / (1 + PERMUTATIONS))
    counts = np.histogram(fair_p, bins=[0, 0.205, 0.405, 0.605, 0.805, 1])[0]  # p is k / 20: five equal classes
    assert counts.sum() == STUDIES
    assert chisquare(counts).pvalue > 0.01, counts
    p = np.array(p)
    assert (p >= np.array(fair_p) - 1e-9).all()
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):  # never more often significant than the level says
        assert (p <= level + 1e-9).sum() <= binom.isf(0.001, STUDIES, level), level
    assert np.std(accuracy) > 0.05
    assert abs(np.mean(accuracy) - 0.5) < 0.07  # 50 x 20 tests of people, half of them independent: 3.5 errors
    assert abs(np.mean(permuted) - 0.5) < 0.02  # 19 times as many
