"""What the report says about classification: sentences, warnings, tables, figures and methods, from compare's "
"tables."""

import functools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from comparison_fixture import CONFOUNDS, METHODS, predictions, write_compare

from gcamccl.compare import inference
from gcamccl.report import comparison, methods_model, tables, training
from gcamccl.report.collect import TABLES, Results, read_table
from gcamccl.report.figures import comparison as figures
from gcamccl.report.figures import style
from gcamccl.report.figures import training as training_figures
from gcamccl.workflow.config import stage_defaults

GOOD = dict.fromkeys(METHODS, 1.5) | {"gcamccl": 3.0, "confounds": 0.0}
BOTH = "connectivity+snps"


def results_of(folder, skill, splits=12, permutations=19, seed=1, **kwargs):
    """Results with the tables of compare only, of a cohort of 200."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    label = np.repeat([0, 1], 100)
    names = np.array([f"sub-{number:03d}" for number in range(200)], object)
    parts = np.zeros((splits, 200), np.int8)
    for split in parts:
        for own in (np.arange(100), np.arange(100, 200)):
            split[rng.permutation(own)[:30]] = np.repeat([1, 2], 15)
    people = predictions([(names[p == 2], label[p == 2]) for p in parts], skill, permutations, rng, **kwargs)
    write_compare(folder, people, 30 / 140)
    found = {
        f"compare/{name}": read_table(folder / f"{name}.tsv", TABLES["compare"][name])
        for name in ("metrics", "table3", "differences", "calibration")
    }
    found["cohort/cohort"] = pd.DataFrame({"participant_id": names})
    return Results({}, tables=found, splits=parts)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return results_of(tmp_path_factory.mktemp("good"), GOOD)


def changed(results, table="table3", method="gcamccl", features=BOTH, metric=None, **values):
    """The same with other values in one row of a table of compare."""
    own = results.tables[f"compare/{table}"].copy()
    rows = (own["method"] == method) & (own["features"] == features)
    rows &= own["metric"] == metric if metric else True
    assert rows.sum() == 1
    for name, value in values.items():
        own.loc[rows, name] = value
    return replace(results, tables=results.tables | {f"compare/{table}": own})


def test_nothing_is_warned_of_where_all_is_well(good):
    calibrated = changed(good, calibration_slope_low=0.9, calibration_slope_high=1.1, expected_calibration_error=0.02)
    assert list(comparison.warnings(calibrated)) == []
    assert not any(bad for _, _, bad in comparison.summary(good))


def test_the_summary_has_the_tables_numbers(good):
    said = {heading: text for heading, text, _ in comparison.summary(good)}
    table = good.tables["compare/table3"].set_index(["method", "features"])
    row = table.loc[("gcamccl", BOTH)]
    assert (
        f"an accuracy of {row['accuracy_mean']:.3f} (95% interval {row['accuracy_low']:.3f} to "
        f"{row['accuracy_high']:.3f}); mean of 12 splits of 30 test people"
    ) in said["Accuracy"]
    assert "permutation p = 0.05; 19 permutations cannot give less than 0.05" in said["Accuracy"]
    error = np.sqrt(row["accuracy_mean"] * (1 - row["accuracy_mean"]) / 30)
    assert f"A single split of 30 test people has a standard error of {error:.3f}." in said["Accuracy"]
    assert "The paper reports 0.750" in said["Accuracy"]
    others = table.loc[[(method, BOTH) for method in METHODS[1:]]]
    best = others.loc[others["accuracy_mean"].idxmax()]
    assert f"is {best['label']}, {best['accuracy_mean']:.3f}" in said["Other classifiers"]
    found = good.tables["compare/differences"].set_index(["label", "metric"]).loc[(best["label"], "accuracy")]
    words = f"{found['difference']:+.3f} (95% interval {found['low']:.3f} to {found['high']:.3f}, p = {found['p']:.2g})"
    assert f"gCAM-CCL minus {best['label']}: {words}." in said["Other classifiers"]
    for text in ("connectivity alone", "SNPs alone"):
        assert text in said["Each view alone"]
    assert (
        f"All confounds alone name the group with an accuracy of {table.loc[('confounds', 'all'), 'accuracy_mean']:.3f}"
        in (said["Confounds"])
    )


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (
            {"n_splits": 4},
            "Only 4 splits: intervals rest on 3 degrees of freedom, very wide or by luck too short. With 30",
        ),
        ({"balanced_accuracy_low": 0.49}, "the interval includes 0.5, which is chance"),
        ({"accuracy_permuted": 0.95}, "did not learn the groups"),
        ({"n_permutations": 5}, "5 permutations of the labels cannot give a p below 0.17"),
        ({"n_permutations": 0}, "No permuted labels"),
        ({"accuracy_p": 0.1}, "Permutation p = 0.100 (19 permutations): the accuracy can be chance."),
        (
            {"calibration_slope": 0.4, "calibration_slope_high": 0.7},
            "probabilities are too extreme: calibration slope 0.40",
        ),
        ({"calibration_slope": 1.8, "calibration_slope_low": 1.2}, "probabilities are too cautious"),
        (
            {"expected_calibration_error": 0.3, "calibration_slope_low": 0.5, "calibration_slope_high": 1.5},
            "0.300 (calib",
        ),
        (
            {"balanced_accuracy_permuted": 0.6},
            "gCAM-CCL with permuted labels has a balanced accuracy of 0.600, not 0.5: sites",
        ),
        ({"balanced_accuracy_permuted": 0.4}, "no model should be worse"),
    ],
)
def test_warnings_on_gcamccl_itself(good, change, warning):
    assert any(warning in line for line in comparison.warnings(changed(good, **change))), warning
    assert not any(warning in line for line in comparison.warnings(good)) or "slope" in str(change)


@pytest.mark.parametrize(
    ("method", "features", "change", "warning"),
    [
        ("rf", BOTH, {"difference": -0.1, "low": -0.2, "high": -0.01}, "gCAM-CCL is the less accurate one."),
        ("logist", BOTH, {"difference": -0.01, "low": -0.2, "high": 0.1}, "a simpler model is at least as accurate"),
        ("logist", BOTH, {"difference": -0.01, "low": np.nan, "high": np.nan}, "(p = "),
        (
            "confounds",
            "motion",
            {"difference": 0.1, "low": -0.01, "high": 0.2},
            "is not shown to know more than head motion 0.",
        ),
        (
            "confounds",
            "all",
            {"difference": -0.1, "low": np.nan, "high": np.nan},
            "is not shown to know more than all confounds 0.",
        ),
        ("gcamccl", "snps", {"difference": 0.0, "low": -0.1, "high": 0.1}, "SNPs alone is as accurate as both"),
    ],
)
def test_warnings_on_what_others_can_do(good, method, features, change, warning):
    other = changed(good, "differences", method, features, "accuracy", **change)
    assert any(warning in line for line in comparison.warnings(other)), list(comparison.warnings(other))
    assert not any(warning in line for line in comparison.warnings(good))


def test_a_forest_or_a_view_that_is_hardly_worse_is_no_warning(good):
    for method, features in (("rf", BOTH), ("gcamccl", "connectivity")):
        other = changed(good, "differences", method, features, "accuracy", difference=0.01, low=-0.1, high=0.1)
        assert len(list(comparison.warnings(other))) == len(list(comparison.warnings(good)))


def test_permuted_labels_at_chance_are_not_warned_of(tmp_path):
    """Labels that nothing predicts: balanced accuracy of permuted labels is one half up to chance."""
    lines = []
    for seed in range(10):
        study = results_of(tmp_path, dict.fromkeys(("gcamccl", "svm"), 0.0), 10, 5, seed, alone=False)
        lines += [line for line in comparison.warnings(study) if "with permuted labels has" in line]
    assert len(lines) <= 1


def test_one_split_says_what_its_interval_lacks(tmp_path):
    study = results_of(tmp_path, GOOD, splits=1, permutations=0)
    said = {heading: (text, bad) for heading, text, bad in comparison.summary(study)}
    assert "one split of 30 test people; another split or training is not in the interval" in said["Accuracy"][0]
    assert said["Accuracy"][1]  # no permuted labels
    assert "Wilson" in next(iter(comparison.sentences(study)))
    assert any("Only 1 split: the interval is that of one test part" in line for line in comparison.warnings(study))
    text, references = methods_model.model(study)
    assert "McNemar 1947" in text and "Nadeau" not in text
    assert not any(reference.startswith("Nadeau") for reference in references)
    draw_all(study)


def draw_all(study):
    """Draw the three figures; the texts of the rows."""
    get = study.tables.__getitem__
    with style.styled():
        drawn = (
            figures.classifiers(get("compare/table3"), get("compare/metrics"), 0.5),
            figures.differences(get("compare/differences"), 0.95),
            figures.calibration(get("compare/calibration"), get("compare/table3")),
        )
        for drawing in drawn:
            drawing.canvas.draw()
    labels = [[text.get_text() for text in drawing.axes[0].get_yticklabels()] for drawing in drawn]
    titles = [axis.get_title() for axis in drawn[2].axes]
    style.plt.close("all")
    return labels, titles


def test_figures_have_every_row_once(good):
    labels, titles = draw_all(good)
    assert len(labels[0]) == 8 * 3 + len(CONFOUNDS)
    assert labels[1] == labels[0][1:]  # gCAM-CCL is not compared with itself
    assert titles[0] == "gCAM-CCL, raw outputs" and len(titles) == 8


def test_places_of_rows_do_not_meet(good):
    table = good.tables["compare/table3"]
    where, starts = figures.places(table)
    assert (np.diff(where) > 1 - 1e-9).all()
    assert [text for _, text in starts] == ["all views", "each view alone", "confounds alone"]
    assert all(abs(where - place).min() > 0.9 for place, _ in starts)


def test_dots_and_lines_are_the_tables(good):
    table = good.tables["compare/table3"]
    with style.styled():
        drawing = figures.classifiers(table, good.tables["compare/metrics"], 0.5)
    axis, where = drawing.axes[0], figures.places(table)[0]
    main = (table["kind"] == "main").to_numpy()
    bars = [container for container in axis.containers if hasattr(container, "has_xerr")]
    for container, own in zip(bars, (main, ~main), strict=True):
        line, _, (segments,) = container.lines
        assert line.get_xdata() == pytest.approx(table["accuracy_mean"][own])
        ends = np.array(segments.get_segments())[:, :, 0]
        assert ends[:, 0] == pytest.approx(table["accuracy_low"][own])
        assert ends[:, 1] == pytest.approx(table["accuracy_high"][own])
    null = np.array(axis.collections[0].get_segments())
    means = good.tables["compare/metrics"].query("method == 'svm' and features == @BOTH and permutation > 0")
    means = means.groupby("permutation")["accuracy"].mean()
    row = np.flatnonzero(null[:, 0, 1] == where[list(table["method"]).index("svm")])[0]
    assert null[row, :, 0] == pytest.approx([means.min(), means.max()])
    style.plt.close(drawing)


def test_without_gcamccl_the_rest_is_still_there(tmp_path):
    study = results_of(tmp_path, {"svm": 1.0, "rf": 1.0}, splits=3, permutations=2)
    assert comparison.summary(study) == [("Accuracy", "gCAM-CCL was not among the classifiers compared.", True)]
    assert comparison.warnings(study)[0] == "gCAM-CCL is not among the classifiers that were run."
    assert list(comparison.sentences(study))
    labels, titles = draw_all(study)
    assert (len(labels[0]), titles) == (6, ["SVM", "RF"])
    text, _ = methods_model.model(study)
    assert "Differences" not in text and "SVM, RF (scikit-learn)" in text


def test_one_view_and_one_method(tmp_path):
    study = results_of(tmp_path, {"gcamccl": 2.0}, splits=2, permutations=1, views=("snps",))
    assert [heading for heading, _, _ in comparison.summary(study)] == ["Accuracy"]
    assert draw_all(study)[0][0] == ["gCAM-CCL"]
    assert study.tables["compare/differences"].empty
    study.records["train"] = [{"settings": stage_defaults("train") | {"views": ["snps"]}}]
    text, _ = methods_model.model(study)
    assert "the convolutional branch of SNPs (Table IV) alone, trained with cross-entropy" in text
    assert "Each view alone" not in text and "collaborative loss (Eq. 12)" not in text
    shown = comparison.table3_for_page(study.tables["compare/table3"])
    assert len(shown) == 1 and shown["accuracy, paper"][0] == 0.7501


def test_page_tables_show_mean_interval_and_paper(good):
    table = good.tables["compare/table3"]
    shown = comparison.table3_for_page(table)
    row = table.iloc[0]
    assert shown["accuracy"][0] == (
        f"{row['accuracy_mean']:.3f} [{row['accuracy_low']:.3f}, {row['accuracy_high']:.3f}]"
    )
    assert tables.is_number(shown["accuracy"]) and tables.is_number(shown["Brier score"])
    assert list(shown.columns[1:9]) == [
        *("accuracy", "accuracy, paper", "sensitivity", "sensitivity, paper"),
        *("specificity", "specificity, paper", "F1", "F1, paper"),
    ]
    differences = comparison.differences_for_page(good.tables["compare/differences"])
    assert set(differences["metric"]) == {"accuracy", "AUC", "Brier score"}
    kinds = comparison.calibration_for_page(table).set_index("classifier")["probabilities"]
    assert kinds["gCAM-CCL"] == "raw network outputs"
    assert (kinds["SVM"], kinds["Logist"]) == ("fitted on the validation part", "the model's own")


def test_null_means_are_those_of_the_permutation_p(good):
    table = good.tables["compare/table3"].iloc[0]
    null = comparison.null_means(good.tables["compare/metrics"], "gcamccl", BOTH)
    assert len(null) == 19
    for metric in ("auc", "brier"):
        p = inference.permutation_p(table[f"{metric}_mean"], null[metric], metric == "brier")
        assert p == pytest.approx(table[f"{metric}_p"])


@functools.cache
def defaults(stage):
    return stage_defaults(stage)


def described(results, **settings):
    records = {
        stage: [{"settings": defaults(stage) | settings.get(stage, {})}] for stage in ("cohort", "train", "compare")
    }
    return methods_model.model(replace(results, records=records))


def test_methods_tell_the_papers_settings(good):
    text, references = described(good)
    for part in (
        "top and bottom 20% of the score. 12 random splits, stratified by group",
        "into training (140 people), validation (30) and test part (30).",
        "a convolutional branch for each view (connectivity and SNPs; Table IV), trained together with the "
        "collaborative loss (Eq. 12); the prediction is the mean of the views' probabilities",
        "SGD with momentum 0.9, learning rate 1e-05, halved every 200 epochs, batches of 4, at most 500 epochs, "
        "stopped after 50 without a better validation loss",
        "Inputs: raw.",
        "CCL+SVM, CCL+RF, MLP+SVM, SVM, DT, RF, Logist (scikit-learn)",
        "by the AUC on the validation part",
        "logistic regression on age, sex, head motion, ancestry and site, each and together",
        "95% corrected resampled t intervals (Nadeau and Bengio 2003)",
    ):
        assert part in text, part
    assert [reference.split()[0] for reference in references] == [
        *("Brier", "Holm", "Nadeau", "Naeini", "Newcombe", "Phipson", "Platt", "Van", "Wilson")
    ]


def test_methods_change_with_every_setting_of_training(good):
    usual = described(good)[0]
    for section, key, value in (
        ("train", "optimizer", "adamw"),
        ("train", "learning_rate", 0.01),
        ("train", "halve_every_epochs", 0),
        ("train", "weight_decay", 0.1),
        ("train", "dropout", 0.5),
        ("train", "block_order", "relu_pool_bn"),
        ("train", "last_batch_norm", False),
        ("train", "collaboration", 0.5),
        ("train", "input_scale", "global"),
        ("train", "fusion", "product"),
        ("train", "select_on", "auc"),
        ("train", "patience_epochs", 7),
        ("train", "views", ["connectivity"]),
        ("compare", "selection", "cross_validation"),
        ("cohort", "relatives_together", None),
        ("cohort", "permutations", 99),
    ):
        value = value if value is not None else not defaults("cohort").get(key, False)
        assert described(good, **{section: {key: value}})[0] != usual, key


# --- training ---


def replicates(count=8, label_rows=4):
    rows = [(r, r // label_rows, r % label_rows, 5 + r, 20 + r) for r in range(count)]
    table = pd.DataFrame(rows, columns=["replicate", "split", "permutation", "best_epoch", "epochs"])
    history = [
        (r, epoch, 1 / (1 + epoch), r, 2 * r, 0.5 + 0.01 * r) for r, *_, epochs in rows for epoch in range(epochs)
    ]
    columns = ["replicate", "epoch", "train_loss", "validation_loss", "validation_cross_entropy", "validation_auc"]
    return table, pd.DataFrame(history, columns=columns)


def test_curves_are_median_and_range_over_replicates():
    table, history = replicates()
    for select_on, title in (
        ("loss", "validation loss"),
        ("cross_entropy", "cross-entropy"),
        ("auc", "validation AUC"),
    ):
        with style.styled():
            drawing = training_figures.curves(history, table, select_on)
        assert title in drawing.axes[1].get_title() and "picks the epoch" in drawing.axes[1].get_title()
        lines = {line.get_label(): line for line in drawing.axes[1].get_lines()}
        own = lines["true labels: median, range"]
        column = training.SCORES[select_on][0]
        at_first = history[(history["epoch"] == 0) & history["replicate"].isin([0, 4])][column]
        assert own.get_ydata()[0] == pytest.approx(at_first.median())
        assert (own.get_xdata()[0], own.get_xdata()[-1]) == (1, 24)  # replicate 0 stops after 20, replicate 4 after 24
        style.plt.close(drawing)


def test_curves_without_permuted_labels():
    table, history = replicates(label_rows=1)
    with style.styled():
        drawing = training_figures.curves(history, table)
    assert len(drawing.axes[0].get_lines()) == 1
    style.plt.close(drawing)


def test_sentences_on_training():
    table, _ = replicates()
    job = {"started": "2025-01-01T00:00:00+00:00", "ended": "2025-01-01T02:30:00+00:00", "cpu_seconds": 600}
    records = {"train": [job | {"device": "cpu"}, job | {"device": "H200"}]}
    count, epochs, device = training.sentences(Results({}, records=records, replicates=table))
    assert count == "8 replicates: 2 splits, each with the true labels and 3 permutations of the labels."
    assert epochs == "True labels: epoch 8 kept (median; 6 to 10), stopped after 22 (20 to 24)."
    assert device.startswith("Computed on cpu, H200 by 2 jobs: 5.0 h of wall time and 20 min of CPU time")
    alone = table[table["permutation"] == 0].iloc[:1]
    assert next(training.sentences(Results({}, replicates=alone))) == (
        "1 replicate: 1 split with the true labels, no permuted labels."
    )
