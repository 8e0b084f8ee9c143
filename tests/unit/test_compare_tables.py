"""Tables of the comparison and the program that writes them."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from comparison_fixture import METHODS, predictions
from scipy import stats
from sklearn import metrics as peer
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from gcamccl.compare import inference, reliability, table
from gcamccl.compare.metrics import METRICS
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import schema
from gcamccl.workflow.errors import InputError

RATIO = 0.15 / 0.7


def people_of(splits=4, n=20):
    """Test people of each split, drawn from 60, half of them high."""
    rng = np.random.default_rng(20)
    names = np.array([f"sub-{number:02d}" for number in range(60)], object)
    chosen = [
        np.concatenate([rng.permutation(30)[: n // 2], 30 + rng.permutation(30)[: n // 2]]) for _ in range(splits)
    ]
    return [(names[rows], (rows >= 30).astype(int)) for rows in chosen]


@pytest.fixture(scope="module")
def study_predictions():
    skill = {"svm": 1.0, "gcamccl": 2.0, "confounds": 0.2, "logist": 1.5}
    return predictions(people_of(), skill, 3, np.random.default_rng(21))


def tables_of(people):
    figures, true = table.metrics_table(people), people[people["permutation"] == 0]
    arguments = (figures, true, RATIO, 0.95)
    return figures, table.table3(*arguments), table.differences(*arguments)


def test_rows_are_in_the_papers_order_then_views_then_confounds(study_predictions):
    names = table.rows(study_predictions)
    assert list(names["label"]) == [
        *("gCAM-CCL", "SVM", "Logist", "gCAM-CCL, connectivity alone", "gCAM-CCL, SNPs alone"),
        *("SVM, connectivity alone", "SVM, SNPs alone", "Logist, connectivity alone", "Logist, SNPs alone"),
        *("Age", "Sex", "Head motion", "Ancestry", "Site", "All confounds"),
    ]
    one_view = table.rows(pd.DataFrame({"method": ["svm", "gcamccl"], "features": ["snps", "snps"]}))
    assert list(one_view["kind"]) == ["main", "main"]
    assert list(one_view["label"]) == ["gCAM-CCL", "SVM"]


def test_table3_is_what_the_predictions_say(study_predictions):
    figures, summary, _ = tables_of(study_predictions)
    assert list(figures.columns) == ["method", "features", "split", "permutation", "n_test", *METRICS]
    assert len(figures) == 4 * 4 * (3 * 3 + 6)
    both = "connectivity+snps"
    row = summary.set_index(["method", "features"]).loc[("svm", both)]
    own = study_predictions[(study_predictions["method"] == "svm") & (study_predictions["features"] == both)]
    true = own[own["permutation"] == 0]
    each = [peer.brier_score_loss(part["label"], part["p_high"]) for _, part in true.groupby("split")]
    assert row["brier_mean"] == pytest.approx(np.mean(each))
    assert row["brier_sd"] == pytest.approx(np.std(each, ddof=1))
    half = stats.t.isf(0.025, 3) * np.sqrt((1 / 4 + RATIO) * np.var(each, ddof=1))
    assert (row["brier_low"], row["brier_high"]) == pytest.approx((np.mean(each) - half, np.mean(each) + half))
    null = own[own["permutation"] > 0].groupby(["permutation", "split"])
    null = null.apply(lambda part: peer.brier_score_loss(part["label"], part["p_high"]), include_groups=False)
    null = null.groupby("permutation").mean()
    assert row["brier_permuted"] == pytest.approx(null.mean())
    assert row["brier_p"] == pytest.approx((1 + (null <= row["brier_mean"]).sum()) / 4)
    assert (row["n_splits"], row["n_permutations"], row["n_test"]) == (4, 3, 20)
    assert (row["interval"], row["kind"], row["paper_f1"]) == ("corrected_t", "main", 0.7093)
    assert summary.loc[summary["kind"] != "main", "paper_accuracy"].isna().all()
    found = reliability.recalibration(true["label"], true["p_high"], true["participant_id"], 0.95)
    assert row["calibration_slope"] == pytest.approx(found.slope)
    # every metric has an interval, with the mean inside
    for metric in METRICS:
        assert (summary[f"{metric}_low"] <= summary[f"{metric}_mean"]).all()
        assert (summary[f"{metric}_mean"] <= summary[f"{metric}_high"]).all()


def test_differences_are_paired_by_split(study_predictions):
    figures, _, found = tables_of(study_predictions)
    assert len(found) == 14 * len(METRICS)  # all rows but gCAM-CCL's own
    assert (found["test"] == "corrected_t").all()
    true = figures[figures["permutation"] == 0].set_index(["method", "features", "split"]).sort_index()["auc"]
    rows = found.set_index(["method", "features", "metric"])
    difference, low, high, p = inference.paired_difference(
        true.xs(("gcamccl", "connectivity+snps")), true.xs(("confounds", "age")), RATIO, 0.95
    )
    row = rows.loc[("confounds", "age", "auc")]
    assert (row["difference"], row["low"], row["high"], row["p"]) == pytest.approx((difference, low, high, p))
    auc = found[found["metric"] == "auc"]
    assert auc["p_holm"].to_numpy() == pytest.approx(multipletests(auc["p"], method="holm")[1])


def test_one_split_has_intervals_of_its_own():
    people = predictions(people_of(splits=1, n=50), {"gcamccl": 1.5, "svm": 1.0}, 0, np.random.default_rng(22))
    _, summary, found = tables_of(people)
    row = summary.iloc[0]
    assert row["interval"] == "one_split"
    assert np.isnan(row["accuracy_sd"]) and np.isnan(row["accuracy_p"]) and row["n_permutations"] == 0
    theirs = stats.binomtest(round(row["accuracy_mean"] * 50), 50).proportion_ci(0.95, "wilson")
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((theirs.low, theirs.high))
    assert row["auc_low"] < row["auc_mean"] < row["auc_high"]
    assert np.isnan(row["f1_low"])
    svm = found[(found["method"] == "svm") & (found["features"] == "connectivity+snps")].set_index("metric")
    assert list(svm["test"]) == ["mcnemar", "mcnemar", "mcnemar", "none", "none", "none", "none"]
    assert svm.loc["accuracy", "difference"] == pytest.approx(summary["accuracy_mean"][0] - summary["accuracy_mean"][1])
    assert svm.loc["f1", ["low", "high", "p"]].isna().all()
    wide = people.pivot_table(index="participant_id", columns=["method", "features"], values="predicted")
    right = wide.eq(people.drop_duplicates("participant_id").set_index("participant_id")["label"], axis=0)
    one, two = right[("gcamccl", "connectivity+snps")], right[("svm", "connectivity+snps")]
    counts = [[(one & two).sum(), (one & ~two).sum()], [(~one & two).sum(), (~one & ~two).sum()]]
    assert svm.loc["accuracy", "p"] == pytest.approx(mcnemar(counts, exact=True).pvalue)


def test_splits_that_all_agree_are_not_certain():
    """Perfect in every split: no spread, but a test part of 20 does not prove an accuracy of 1."""
    people = predictions(people_of(), {"gcamccl": 20.0}, 0, np.random.default_rng(23), alone=False)
    _, summary, found = tables_of(people)
    assert summary["accuracy_mean"][0] == 1
    theirs = stats.binomtest(20, 20).proportion_ci(0.95, "wilson")
    assert (summary["accuracy_low"][0], summary["accuracy_high"][0]) == pytest.approx((theirs.low, 1))
    assert np.isnan(summary["calibration_slope"][0])
    assert found.empty and "p_holm" in found


def test_without_gcamccl_there_are_no_differences():
    people = predictions(people_of(), {"svm": 1.0, "confounds": 0.0}, 2, np.random.default_rng(24), views=("snps",))
    _, summary, found = tables_of(people)
    assert found.empty
    assert list(summary["kind"]) == ["main", *["confound"] * 6]


def test_methods_that_judged_other_people_are_refused(study_predictions):
    true = study_predictions[study_predictions["permutation"] == 0]
    table.check_same_people(true)
    svm = (true["method"] == "svm") & (true["features"] == "snps")
    first = true.index[svm][0]
    for broken, what in (
        (true.drop(first), "split 0, snps: other people or labels than svm"),
        (true.assign(label=true["label"].mask(true.index == first, 1 - true["label"])), "other people or labels"),
        (true[~(svm & (true["split"] == 2))], "3 of 4 splits"),
        (pd.concat([true, true.loc[[first]]]), "a person is there twice"),
    ):
        with pytest.raises(InputError, match=what):
            table.check_same_people(broken)


def test_the_papers_table_is_consistent():
    allowed = schema()["properties"]["compare"]["properties"]["methods"]["items"]["enum"]
    assert sorted(METHODS) == sorted(set(allowed) - {table.CONFOUNDS})
    for label, *values in table.PAPER.values():
        assert len(values) == 4
        accuracy, sensitivity, specificity, _ = values
        # Groups of equal size: accuracy is near the mean of the two recalls. The worst row of the paper is 0.013 off.
        assert abs(accuracy - (sensitivity + specificity) / 2) < 0.015, label
    assert table.PAPER["gcamccl"] == ("gCAM-CCL", 0.7501, 0.7762, 0.7157, 0.7610)


def run_table(folder, *files):
    command = [sys.executable, str(ROOT / "workflow/scripts/compare_table.py"), "--predictions", *map(str, files)]
    command += ["--cohort", str(folder), "--out", str(folder / "out")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_program(tmp_path, study_predictions):
    splits = np.zeros((4, 60), np.int8)
    splits[:, :9], splits[:, 9:18] = 1, 2
    np.save(tmp_path / "splits.npy", splits)
    files = []
    for method, own in study_predictions.groupby("method"):
        files.append(tmp_path / f"{method}.parquet")
        own.to_parquet(files[-1], index=False)
    files.append(tmp_path / "nothing.parquet")
    own.iloc[:0].to_parquet(files[-1], index=False)
    done = run_table(tmp_path, *files)
    assert done.returncode == 0, done.stderr
    assert "gCAM-CCL: accuracy" in done.stdout and "(paper 0.750)" in done.stdout
    figures, _, _ = tables_of(study_predictions)
    written = {
        name: pd.read_csv(tmp_path / f"out/{name}.tsv", sep="\t", na_values="n/a")
        for name in ("metrics", "table3", "differences", "calibration")
    }
    pd.testing.assert_frame_equal(written["metrics"], figures, check_exact=False, rtol=1e-6)
    expected = table.table3(figures, study_predictions[study_predictions["permutation"] == 0], 9 / 42, 0.95)
    assert written["table3"]["accuracy_low"].to_numpy() == pytest.approx(expected["accuracy_low"])
    assert written["differences"].shape == (14 * len(METRICS), 12)
    bins = written["calibration"]
    assert (bins.groupby(["method", "features"])["n"].sum() == 80).all()
    assert (bins["n_people"] <= bins["n"]).all()


def test_program_refuses_what_is_not_a_prediction(tmp_path, study_predictions):
    np.save(tmp_path / "splits.npy", np.array([[0, 2]], np.int8))
    path = tmp_path / "x.parquet"
    for content, message in (
        (study_predictions.drop(columns="features"), "no column features; run compare again"),
        (study_predictions.assign(p_high=1.5), "p_high of sub-"),
    ):
        content.to_parquet(path, index=False)
        with pytest.raises(InputError, match=message):
            table.read_predictions(path)
    study_predictions.iloc[:0].to_parquet(path, index=False)  # as of confounds that the cohort lacks
    done = run_table(tmp_path, path)
    assert (done.returncode, "no predictions" in done.stderr) == (2, True)
    path.write_bytes(b"PAR1")
    done = run_table(tmp_path, path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ERROR: {path}: not a Parquet table")
    np.save(tmp_path / "splits.npy", np.zeros((1, 4), np.int8))
    with pytest.raises(InputError, match="nobody in the training or in the test part"):
        table.test_train_ratio(tmp_path / "splits.npy")
    with pytest.raises(InputError, match="no such file"):
        table.test_train_ratio(tmp_path / "none.npy")
