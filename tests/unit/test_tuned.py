"""The tuned settings, and the cohorts they were searched and are reported on (benchmarks/)."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from gcamccl.cohort import TEST, TRAIN, VALIDATION
from gcamccl.workflow import config
from gcamccl.workflow.artifacts import ROOT

TUNED = ROOT / "config" / "tuned.yaml"


@pytest.fixture
def cohorts(monkeypatch):
    """The benchmarks' cohorts, of 300 people instead of 1,501."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import cohorts

    monkeypatch.setattr(cohorts, "POPULATION", 301)
    monkeypatch.setattr(cohorts, "PER_CLASS", {"train": 40, "validation": 10})
    monkeypatch.setattr(cohorts, "N_VOLUMES", 120)
    return cohorts


def test_tuned_names_only_what_differs_from_the_paper():
    paper, tuned = config.read_yaml(config.PAPER), config.read_yaml(TUNED)
    assert set(tuned) == {"train"}  # the model's training: not one setting of the data
    assert tuned["train"]
    assert all(value != paper["train"][key] for key, value in tuned["train"].items())


def test_a_cohort_has_the_planted_truth(cohorts, tmp_path):
    cohort, truth = cohorts.simulate_cohort("strong", 101, n_rois=44, splits=2)
    assert cohort.fc.shape == (120, 44, 44) and cohort.dosage.shape == (120, cohorts.N_LOCI)
    labels = cohort.labels[0]
    for split in cohort.splits:
        sizes = [np.bincount(labels[split == part]).tolist() for part in (TRAIN, VALIDATION, TEST)]
        assert sizes == [[40, 40], [10, 10], [10, 10]]
    for name, sign in (("edges_high", 1), ("edges_low", -1)):
        a, b = np.array(truth[name]).T - 1
        difference = cohort.fc[labels == 1][:, a, b].mean(axis=0) - cohort.fc[labels == 0][:, a, b].mean(axis=0)
        # The tails are some 2.6 SD of ability apart
        np.testing.assert_allclose(difference.mean(), sign * 2.6 * 0.15, atol=0.08)
    correlation = [
        np.corrcoef(cohort.table["score"].astype(float), cohort.dosage[:, column])[0, 1] ** 2
        for column in range(cohorts.N_LOCI)
    ]
    causal = truth["causal_loci"]
    assert len(causal) == 12
    assert np.mean(np.array(correlation)[causal]) > 3 * np.delete(correlation, causal).mean()
    again = cohorts.cached(tmp_path, "strong", 101, n_rois=44, splits=2)
    read = cohorts.cached(tmp_path, "strong", 101, n_rois=44, splits=2)
    for name in ("fc", "dosage", "labels", "splits", "permutations"):
        np.testing.assert_array_equal(getattr(again, name), getattr(cohort, name))
        np.testing.assert_array_equal(getattr(read, name), getattr(cohort, name))


def test_cohorts_for_choosing_and_for_reporting_share_no_seed(cohorts):
    assert not set(cohorts.TUNING) & set(cohorts.REPORT)


def test_epochs_are_chosen_as_the_training_chooses_them(cohorts):
    import tune

    curve = {"loss": np.array([0.7, 0.5, 0.6, 0.6, 0.4]), "auc": np.array([0.5, 0.8, 0.8, 0.9, 0.7])}
    assert tune.best_epoch(curve, "loss") == 4
    assert tune.best_epoch(curve, "loss", patience=2) == 1  # stopped before the better one
    assert tune.best_epoch(curve, "auc") == 3  # the larger the better
    assert tune.best_epoch({"auc": np.array([0.5, 0.8, 0.8])}, "auc") == 1  # the first of equals


def test_a_search_goes_on_where_it_stopped(cohorts, tmp_path):
    import tune

    table, change = tmp_path / "trials.tsv", {"epochs": 2, "batch_size": 8}
    plan = [(name, {**change, **more}, "strong", 101, 22, 0) for name, more in (("a", {}), ("b", {"views": ["snps"]}))]
    tune.run(plan[:1], "stage", table, tmp_path)
    first = table.read_text()
    tune.run(plan, "stage", table, tmp_path)
    assert table.read_text().startswith(first) and len(table.read_text().splitlines()) == 3
    assert "stage" in tune.summary(table)
    # One training tells what the program would have chosen and predicted.
    from gcamccl.train.replicates import train_replicate

    with np.load(tmp_path / "stage-a-strong-101-22-0.npz") as curve:
        settings = {**tune.settings_of(change), "seed": 101 * 100}
        cohort = cohorts.cached(tmp_path, "strong", 101, 22)
        result = train_replicate(cohort, 0, settings)
        np.testing.assert_array_equal(curve["loss"], result.history["validation_loss"])
        people = result.predictions[result.predictions["part"] == "test"]
        found = curve["test_auc"][tune.best_epoch(curve, settings["select_on"])]
    assert found == pytest.approx(roc_auc_score(people["label"], people["p_high"]), abs=1e-12)


def test_report_cohorts(cohorts, tmp_path, monkeypatch, capsys):
    import report_cohorts

    out = tmp_path / "report.tsv"
    words = f"x --cache {tmp_path} --out {out} --n-rois 22 --scenarios strong --epochs 1 --methods logist tuned"
    monkeypatch.setattr("sys.argv", [*words.split(), "--splits", "1"])
    report_cohorts.main()
    lines = pd.read_csv(out, sep="\t")
    assert lines.groupby("method").size().to_dict() == {"logist": 3, "tuned": 5}
    assert lines["auc"].between(0, 1).all()
    assert lines.query("method == 'logist' and features == 'connectivity'")["auc"].item() > 0.8
    report_cohorts.main()  # nothing is fitted again
    assert len(pd.read_csv(out, sep="\t")) == len(lines)
    assert "logist" in capsys.readouterr().out
