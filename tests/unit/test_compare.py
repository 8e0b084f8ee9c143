"""The classifiers of Table III: fair, right on easy data, and scored as scikit-learn scores them."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TEST, TRAIN
from gcamccl.cohort_files import write_cohort
from gcamccl.compare.classifiers import concatenate, fit_predict, raw_features, rotate
from gcamccl.compare.run import predictions
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

RAW_METHODS = ("mlp_svm", "svm", "dt", "rf", "logist")


def train_folders(cohort, folder, informative=True):
    """Folders as the train stage leaves them, with a made-up network; two shards."""
    rng = np.random.default_rng(3)
    total = len(cohort.splits) * len(cohort.labels)
    folders = []
    for first, last in ((0, total // 2 - 1), (total // 2, total - 1)):
        folders.append(folder / f"replicates-{first}-{last}")
        folders[-1].mkdir(parents=True)
        tables, embeddings = [], {}
        for replicate in range(first, last + 1):
            split, permutation = divmod(replicate, len(cohort.labels))
            label = cohort.labels[permutation]
            score = np.clip(0.5 + 0.3 * (label - 0.5) * informative + rng.normal(0, 0.1, len(label)), 0, 1)
            numbers = {"replicate": replicate, "split": split, "permutation": permutation}
            names = cohort.table["participant_id"]
            tables.append(pd.DataFrame({**numbers, "participant_id": names, "label": label, "p_high": score}))
            values = rng.normal(0, 1, (len(label), 128)) + 2 * label[:, None] * informative
            embeddings[f"{replicate:04d}"] = values.astype(np.float32)
        pd.concat(tables).to_parquet(folders[-1] / "predictions.parquet")
        np.savez(folders[-1] / "embeddings.npz", **embeddings)
    return folders


def test_features_are_every_connection_once():
    cohort = tiny_cohort(people=20)
    edges, loci = raw_features(cohort.fc, cohort.dosage)
    assert edges.shape == (20, 40 * 39 // 2)
    assert np.array_equal(edges[3, :39], cohort.fc[3, 0, 1:])
    assert loci is cohort.dosage


def test_scaling_is_fitted_on_the_training_part():
    rng = np.random.default_rng(0)
    views = [rng.normal(3, 2, (30, 50)).astype(np.float32), rng.binomial(2, 0.3, (30, 5)).astype(np.float32)]
    views[1][:20, 0] = 1.7  # constant in training only
    train = np.arange(20)
    for balanced in (False, True):
        z = concatenate(views, train, balanced)
        assert z.shape == (30, 55)
        assert np.allclose(z[train].mean(axis=0), 0, atol=1e-5)
        assert (z[train] ** 2).sum(axis=1).mean() == pytest.approx(1, rel=1e-4)
        assert not z[:, 50].any()
        variance = (z[train] ** 2).mean(axis=0)
        parts = variance[:50].sum(), variance[51:].sum()
        expected = (0.5, 0.4) if balanced else (50, 4)  # one locus of five is constant
        assert parts[0] / parts[1] == pytest.approx(expected[0] / expected[1], rel=1e-3)
    changed = [view.copy() for view in views]
    changed[0][25] += 100
    assert np.array_equal(concatenate(changed, train, True)[:25], concatenate(views, train, True)[:25])


def test_rotation_changes_no_prediction():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 0.05, (40, 300)).astype(np.float32)
    labels, train = rng.integers(0, 2, 40), np.arange(25)
    few = rotate(features, train)
    assert few.shape == (40, 26)
    for model in (SVC(kernel="linear", C=10), SVC(kernel="rbf", C=10, gamma=1.0)):
        full = model.fit(features[train], labels[train]).decision_function(features)
        assert np.allclose(model.fit(few[train], labels[train]).decision_function(few), full, atol=1e-4)
    logistic = LogisticRegression(C=10, tol=1e-10, max_iter=10000)
    full = logistic.fit(features[train].astype(float), labels[train]).predict_proba(features)
    assert np.allclose(logistic.fit(few[train], labels[train]).predict_proba(few), full, atol=1e-5)


@pytest.mark.parametrize("method", RAW_METHODS)
def test_easy_data_is_classified(method):
    cohort = tiny_cohort(effect=1.0)
    parts, labels = cohort.splits[0], cohort.labels[0]
    score = fit_predict(method, raw_features(cohort.fc, cohort.dosage), labels, parts, 1)
    assert score.shape == (60,)
    assert ((score >= 0) & (score <= 1)).all()
    assert ((score > 0.5) == labels)[parts == TEST].mean() >= 0.9
    again = fit_predict(method, raw_features(cohort.fc, cohort.dosage), labels, parts, 1)
    assert np.array_equal(score, again)


@pytest.mark.parametrize("method", RAW_METHODS)
def test_nothing_leaks_from_the_test_part(method):
    cohort = tiny_cohort(people=40, effect=0.2)
    parts, labels = cohort.splits[0], cohort.labels[0].copy()
    views = raw_features(cohort.fc, cohort.dosage)
    before = fit_predict(method, views, labels, parts, 1)
    test = parts == TEST
    changed = [view.copy() for view in views]
    for view in changed:
        view[test] = view[test][::-1] * 3 + 1
    labels[test] = 1 - labels[test]
    after = fit_predict(method, changed, labels, parts, 1)
    assert np.allclose(before[~test], after[~test], atol=1e-9)


def test_one_class_in_training():
    cohort = tiny_cohort(people=40)
    labels = np.where(cohort.splits[0] == TRAIN, 1, cohort.labels[0])
    with pytest.raises(InputError, match="one class only"):
        fit_predict("svm", raw_features(cohort.fc, cohort.dosage), labels, cohort.splits[0], 1)


@pytest.mark.parametrize("method", ["gcamccl", "ccl_svm"])
def test_methods_on_the_network(method, tmp_path):
    cohort = tiny_cohort(people=40)
    folders = train_folders(cohort, tmp_path)
    table = predictions(method, cohort, 1, folders)
    assert list(table.columns) == ["method", "split", "permutation", "participant_id", "label", "p_high", "predicted"]
    assert len(table) == 4 * (cohort.splits[0] == TEST).sum()
    assert (table["predicted"] == table["label"]).mean() > 0.85
    assert (table["predicted"] == (table["p_high"] > 0.5)).all()
    for (split, permutation), rows in table.groupby(["split", "permutation"]):
        test = cohort.splits[split] == TEST
        assert list(rows["participant_id"]) == list(cohort.table["participant_id"][test])
        assert list(rows["label"]) == list(cohort.labels[permutation][test])
    if method == "gcamccl":
        known = pd.concat([pd.read_parquet(folder / "predictions.parquet") for folder in folders])
        both = table.merge(known, on=["split", "permutation", "participant_id"])
        assert np.array_equal(both["p_high_x"], both["p_high_y"])


def test_all_methods_see_identical_people(tmp_path):
    cohort = tiny_cohort(people=40)
    cohort.fc[0, 1, 5] = cohort.fc[0, 5, 1] = np.nan  # a missing connection stops nobody
    keys = ["split", "permutation", "participant_id", "label"]
    tables = [predictions(m, cohort, 1, train_folders(cohort, tmp_path / m)) for m in ("gcamccl", "svm", "dt")]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table[keys], tables[0][keys])


def test_train_folders_that_do_not_fit(tmp_path):
    cohort = tiny_cohort(people=40)
    folders = train_folders(cohort, tmp_path)
    with pytest.raises(InputError, match="gcamccl needs the folders"):
        predictions("gcamccl", cohort, 1)
    with pytest.raises(InputError, match="no replicate 2, 3"):
        predictions("ccl_svm", cohort, 1, folders[:1])
    with pytest.raises(InputError, match="replicate 0 is in another folder"):
        predictions("gcamccl", cohort, 1, [folders[0], folders[0]])
    with pytest.raises(InputError, match="no such file"):
        predictions("gcamccl", cohort, 1, [tmp_path / "nowhere"])
    smaller = tiny_cohort(people=38)
    for method in ("gcamccl", "ccl_rf"):
        with pytest.raises(InputError, match="other people than the cohort"):
            predictions(method, smaller, 1, folders)
    (folders[0] / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not the predictions"):
        predictions("gcamccl", cohort, 1, folders)
    (folders[0] / "embeddings.npz").write_bytes((folders[0] / "embeddings.npz").read_bytes()[:900])
    with pytest.raises(InputError, match="not the embeddings"):
        predictions("ccl_svm", cohort, 1, folders)


def run_program(name, *words):
    command = [sys.executable, str(ROOT / f"workflow/scripts/{name}.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_programs(tmp_path):
    cohort = tiny_cohort(people=40)
    (tmp_path / "cohort").mkdir()
    write_cohort(dataclasses.replace(cohort, people=pd.DataFrame()), lambda name: tmp_path / "cohort" / name)
    folders = train_folders(cohort, tmp_path / "train")
    for method, words in (("gcamccl", ("--train", *folders)), ("svm", ())):
        done = run_program(
            "compare", "--method", method, "--cohort", tmp_path / "cohort", *words, "--out", tmp_path / "out" / method
        )
        assert done.returncode == 0, done.stderr
        assert "(4 of 4)" in done.stdout
    record = json.loads((tmp_path / "out/svm/artifact.json").read_text())
    assert record["seed"] == 1
    failed = run_program(
        "compare", "--method", "ccl_rf", "--cohort", tmp_path / "cohort", "--out", tmp_path / "out" / "ccl_rf"
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("ERROR: --train: ccl_rf needs the folders of the train stage")
