"""Replicates of one method: what it takes from the train stage, its table, its program."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from compare_fixture import SETTINGS, train_folders
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TEST
from gcamccl.cohort_files import write_cohort
from gcamccl.compare import classifiers
from gcamccl.compare.run import COLUMNS, feature_sets, predictions
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError

VIEWS_ALONE = {**SETTINGS, "views_alone": True}


def test_sets_of_features():
    both = ("connectivity", "snps")
    assert feature_sets(both[::-1], True) == {"connectivity+snps": both, "connectivity": both[:1], "snps": both[1:]}
    assert list(feature_sets(both, False)) == ["connectivity+snps"]
    assert feature_sets(["snps"], True) == feature_sets(["snps"], False) == {"snps": ("snps",)}


@pytest.mark.parametrize("method", ["gcamccl", "ccl_svm", "ccl_rf"])
def test_methods_on_the_network(method, tmp_path, monkeypatch):
    monkeypatch.setattr(classifiers, "TREES", 50)
    cohort = tiny_cohort(people=40, permutations=1)
    folders = train_folders(cohort, tmp_path)
    said = []
    table = predictions(method, cohort, VIEWS_ALONE, folders, said.append)
    assert list(table.columns) == list(COLUMNS)
    assert table.dtypes[["label", "predicted"]].eq(np.int8).all()
    assert list(table["features"].unique()) == ["connectivity+snps", "connectivity", "snps"]
    assert len(table) == 3 * 2 * len(cohort.labels) * (cohort.splits[0] == TEST).sum()
    assert (table["predicted"] == table["label"]).mean() > 0.85
    assert table["p_high"].between(0, 1).all()
    total = 2 * len(cohort.labels)
    assert said[-1].startswith(f"{method}: split 1, accuracy")
    assert f"({total} of {total}), 0 s left" in said[-1]
    for (_, split, permutation), rows in table.groupby(["features", "split", "permutation"]):
        test = cohort.splits[split][cohort.permutations[permutation]] == TEST
        assert list(rows["participant_id"]) == list(cohort.table["participant_id"][test])
        assert list(rows["label"]) == list(cohort.labels[permutation][test])
    if method == "gcamccl":
        assert (table["predicted"] == (table["p_high"] > 0.5)).all()
        known = pd.concat([pd.read_parquet(folder / "predictions.parquet") for folder in folders])
        for features, column in (("connectivity+snps", ""), ("connectivity", "_connectivity"), ("snps", "_snps")):
            both = table[table["features"] == features].drop(columns="p_high")
            both = both.merge(known, on=["split", "permutation", "participant_id"])
            ours = table.loc[table["features"] == features, "p_high"].to_numpy()
            assert np.array_equal(ours, both[f"p_high{column}"])


def test_a_branch_alone_is_its_half_of_the_embeddings(tmp_path):
    cohort = tiny_cohort(people=40, permutations=0, splits=2)
    folders = train_folders(cohort, tmp_path)
    before = predictions("ccl_svm", cohort, VIEWS_ALONE, folders).set_index("features")["p_high"]
    for folder in folders:
        with np.load(folder / "embeddings.npz") as file:
            arrays = {name: file[name].copy() for name in file.files}
        for values in arrays.values():
            values[:, 64:] = np.random.default_rng(0).normal(size=values[:, 64:].shape)
        np.savez(folder / "embeddings.npz", **arrays)
    after = predictions("ccl_svm", cohort, VIEWS_ALONE, folders).set_index("features")["p_high"]
    assert np.array_equal(before["connectivity"], after["connectivity"])
    assert not np.allclose(before["snps"], after["snps"])


def test_one_view(tmp_path):
    cohort = tiny_cohort(people=40)
    folders = train_folders(cohort, tmp_path)
    alone = dataclasses.replace(cohort, fc=None)
    for method in ("svm", "gcamccl"):
        table = predictions(method, alone, VIEWS_ALONE, folders, views=["snps"])
        assert set(table["features"]) == {"snps"}
        assert (table["predicted"] == table["label"])[table["permutation"] == 0].mean() > 0.8


def test_all_methods_see_identical_people(tmp_path):
    cohort = tiny_cohort(people=40)
    cohort.fc[0, 1, 5] = cohort.fc[0, 5, 1] = np.nan  # a missing connection stops nobody
    keys = ["split", "permutation", "participant_id", "label"]
    tables = [predictions(m, cohort, SETTINGS, train_folders(cohort, tmp_path / m)) for m in ("gcamccl", "svm", "dt")]
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table[keys], tables[0][keys])


def test_train_folders_that_do_not_fit(tmp_path):
    cohort = tiny_cohort(people=40)
    folders = train_folders(cohort, tmp_path)
    with pytest.raises(InputError, match="gcamccl needs the folders"):
        predictions("gcamccl", cohort, SETTINGS)
    with pytest.raises(InputError, match="no replicate 2, 3"):
        predictions("ccl_svm", cohort, SETTINGS, folders[:1])
    with pytest.raises(InputError, match="replicate 0 is in another folder"):
        predictions("gcamccl", cohort, SETTINGS, [folders[0], folders[0]])
    with pytest.raises(InputError, match="no such file"):
        predictions("gcamccl", cohort, SETTINGS, [tmp_path / "nowhere"])
    smaller = tiny_cohort(people=38)
    for method in ("gcamccl", "ccl_rf"):
        with pytest.raises(InputError, match="other people than the cohort"):
            predictions(method, smaller, SETTINGS, folders)
    # Trained on another split, or with the label permutation of another seed: test people may have been trained on.
    split, labels = cohort.splits.copy(), cohort.labels.copy()
    split[1, [np.flatnonzero(split[1] == part)[0] for part in (0, TEST)]] = TEST, 0
    labels[1] = 1 - labels[1]
    for method in ("gcamccl", "ccl_svm"):
        with pytest.raises(InputError, match="replicate 2 was trained on other parts than the cohort's"):
            predictions(method, dataclasses.replace(cohort, splits=split), SETTINGS, folders)
        with pytest.raises(InputError, match="replicate 1 was trained on other labels than the cohort's"):
            predictions(method, dataclasses.replace(cohort, labels=labels), SETTINGS, folders)
    (folders[0] / "embeddings.npz").write_bytes((folders[0] / "embeddings.npz").read_bytes()[:900])
    with pytest.raises(InputError, match="not the embeddings"):
        predictions("ccl_svm", cohort, SETTINGS, folders)
    (folders[0] / "predictions.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not the predictions"):
        predictions("gcamccl", cohort, SETTINGS, folders)


def test_shards_with_other_contents(tmp_path):
    cohort = tiny_cohort(people=40, permutations=0)
    folders = train_folders(cohort, tmp_path)
    with np.load(folders[0] / "embeddings.npz") as file:
        good = file["0000"]
    for bad, said in (
        (np.where(np.arange(128) == 3, np.nan, good), "not finite"),
        (good[:, :63], "trained on other views"),
        (good[:-1], "other people"),
    ):
        np.savez(folders[0] / "embeddings.npz", **{"0000": bad})
        with pytest.raises(InputError, match=said):
            predictions("ccl_svm", cohort, SETTINGS, folders)
    np.savez(folders[0] / "embeddings.npz", weights=good)
    with pytest.raises(InputError, match="it holds weights"):
        predictions("ccl_svm", cohort, SETTINGS, folders)
    table = pd.read_parquet(folders[1] / "predictions.parquet")
    table.assign(p_high_snps=np.nan).to_parquet(folders[1] / "predictions.parquet")
    assert len(predictions("gcamccl", cohort, SETTINGS, folders))
    with pytest.raises(InputError, match="replicate 1 has values that are not finite"):
        predictions("gcamccl", cohort, VIEWS_ALONE, folders)


def run_program(name, *words):
    command = [sys.executable, str(ROOT / f"workflow/scripts/{name}.py"), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_programs(tmp_path):
    cohort = tiny_cohort(people=40)
    (tmp_path / "cohort").mkdir()
    write_cohort(dataclasses.replace(cohort, people=pd.DataFrame()), lambda name: tmp_path / "cohort" / name)
    folders = train_folders(cohort, tmp_path / "train")
    for method, words in (("gcamccl", ("--train", *folders)), ("svm", ("--processes", "2")), ("confounds", ())):
        done = run_program(
            "compare", "--method", method, "--cohort", tmp_path / "cohort", *words, "--out", tmp_path / "out" / method
        )
        assert done.returncode == 0, done.stderr
        assert "(4 of 4)" in done.stdout
    alone = predictions("svm", cohort, {**SETTINGS, "views_alone": True})  # on one process, without the program
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out/svm/predictions.parquet"), alone, check_exact=True)
    record = json.loads((tmp_path / "out/svm/artifact.json").read_text())
    assert record["seed"] == 1
    failed = run_program(
        "compare", "--method", "ccl_rf", "--cohort", tmp_path / "cohort", "--out", tmp_path / "out" / "ccl_rf"
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("ERROR: --train: ccl_rf needs the folders of the train stage")
