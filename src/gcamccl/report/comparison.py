"""What is said about classification, from the tables of the stage compare: sentences, warnings, tables of the page."""

import math

import numpy as np
import pandas as pd

METRICS = ("accuracy", "sensitivity", "specificity", "f1", "balanced_accuracy", "auc", "brier")
NAMES = {"f1": "F1", "auc": "AUC", "balanced_accuracy": "balanced accuracy", "brier": "Brier score"}
PAPER_METRICS = METRICS[:4]
CHANCE = 0.5  # of balanced accuracy and AUC
SIMPLE = ("svm", "logist")  # linear, or with a kernel that is chosen against linear ones
# Judgement, not law; the page prints the numbers beside each warning.
ABOVE_PERMUTED = 0.05  # accuracy that is hardly above that of permuted labels
FEW_SPLITS = 10  # the interval's width itself rests on J - 1 degrees of freedom
FEW_PERMUTATIONS = 19  # p can just reach 0.05
POOR_CALIBRATION, BY_CHANCE = 0.1, 2  # expected calibration error, and times what calibrated probabilities have
NULL_ERRORS = 3  # standard errors of the permuted labels' mean from chance
SVMS = ("svm", "ccl_svm", "mlp_svm")  # their margins become probabilities by a logistic function (Platt)
RAW = (
    "gCAM-CCL's are raw network outputs, never calibrated; those of SVMs are a logistic function of the margin, fitted "
    "on the validation part; the others' are the model's own."
)


def own_row(table3):
    """gCAM-CCL's main row of ``compare/table3.tsv``, or None."""
    found = table3[(table3["method"] == "gcamccl") & (table3["kind"] == "main")]
    return None if found.empty else found.iloc[0]


def difference(results, row, metric="accuracy"):
    """gCAM-CCL minus this row of Table III, a row of ``compare/differences.tsv``; None where there is none."""
    table = results.tables["compare/differences"]
    same = (table["method"] == row["method"]) & (table["features"] == row["features"]) & (table["metric"] == metric)
    return table[same].iloc[0] if same.any() else None


def _interval(low, high, confidence=None):
    text = f"{low:.3f} to {high:.3f}"
    return f"{confidence:.0%} interval {text}" if confidence else text


def estimate(row, metric="accuracy", confidence=True):
    """A mean with its interval in words."""
    text = f"{row[f'{metric}_mean']:.3f}"
    if row[f"{metric}_low"] != row[f"{metric}_low"]:
        return text
    interval = _interval(row[f"{metric}_low"], row[f"{metric}_high"], row["confidence"] if confidence else None)
    return f"{text} ({interval})"


def difference_words(found, confidence):
    """A paired difference with interval and p in words."""
    if found is None or found["difference"] != found["difference"]:
        return "cannot be compared"
    parts = []
    if found["low"] == found["low"]:
        parts.append(_interval(found["low"], found["high"], confidence))
    if found["p"] == found["p"]:
        parts.append(f"p = {found['p']:.2g}")
    return f"{found['difference']:+.3f}" + (f" ({', '.join(parts)})" if parts else " (not tested)")


def as_good(found):
    """Whether a row is not shown to be worse than gCAM-CCL: the paired interval includes 0 or favours the row."""
    if found is None:
        return False
    return bool((found["difference"] if math.isnan(found["low"]) else found["low"]) <= 0)


def one_split_error(row):
    """Standard error of the accuracy of a single split with that many test people, sqrt(p (1 - p) / n)."""
    return math.sqrt(row["accuracy_mean"] * (1 - row["accuracy_mean"]) / row["n_test"])


def hardly_above_permuted(row):
    """Whether the accuracy is hardly above that with permuted labels."""
    return bool(row["n_permutations"] and row["accuracy_mean"] <= row["accuracy_permuted"] + ABOVE_PERMUTED)


def summary(results):
    """Sentences of the page's summary.

    Parameters
    ----------
    results : gcamccl.report.collect.Results

    Returns
    -------
    list of (str, str, bool)
        Heading, text, and whether it is a warning.
    """
    table3 = results.tables["compare/table3"]
    row = own_row(table3)
    if row is None:
        return [("Accuracy", "gCAM-CCL was not among the classifiers compared.", True)]
    return [_accuracy(row), *_others(results, table3, row), *_alone(results, table3, row), *_confounds(results, table3)]


def _accuracy(row):
    splits, n = int(row["n_splits"]), int(row["n_permutations"])
    text = f"gCAM-CCL names the group of held-out people with an accuracy of {estimate(row)}; "
    if splits > 1:
        text += f"mean of {splits} splits of {row['n_test']:.0f} test people, the interval corrected for their overlap."
    else:
        text += f"one split of {row['n_test']:.0f} test people; another split or training is not in the interval."
    if n:
        text += (
            f" With permuted labels it is {row['accuracy_permuted']:.3f} (permutation p = {row['accuracy_p']:.2g}; "
            f"{n} permutation{'s' * (n > 1)} cannot give less than {1 / (n + 1):.2g})."
        )
    else:
        text += " No permuted labels were run."
    text += f" A single split of {row['n_test']:.0f} test people has a standard error of {one_split_error(row):.3f}."
    if not math.isnan(row["paper_accuracy"]):
        text += f" The paper reports {row['paper_accuracy']:.3f} on its own cohort, without an interval."
    chance = includes_chance(row)
    if hardly_above_permuted(row):
        text += " The model did not learn the groups better than chance."
    elif chance:
        text += " Chance is not excluded."
    return "Accuracy", text, not n or hardly_above_permuted(row) or chance


def includes_chance(row):
    """Whether the interval of balanced accuracy includes one half."""
    return bool(row["balanced_accuracy_low"] <= CHANCE)


def _others(results, table3, own):
    """The best of the other classifiers."""
    others = table3[(table3["kind"] == "main") & (table3["method"] != "gcamccl")]
    if others.empty or others["accuracy_mean"].isna().all():
        return
    best = others.loc[others["accuracy_mean"].idxmax()]
    found = difference(results, best)
    worse = found is not None and found["high"] < 0
    text = (
        f"The best of the {len(others)} other classifiers by accuracy is {best['label']}, {estimate(best)}; gCAM-CCL "
        f"minus {best['label']}: {difference_words(found, own['confidence'])}."
    )
    yield "Other classifiers", text + (" gCAM-CCL is the less accurate of the two." if worse else ""), bool(worse)


def _alone(results, table3, own):
    """gCAM-CCL's branches."""
    rows = table3[(table3["kind"] == "view_alone") & (table3["method"] == "gcamccl")]
    if rows.empty:
        return
    parts = [
        f"{_view(row['features'])} {estimate(row)}, both minus it "
        f"{difference_words(difference(results, row), own['confidence'])}"
        for _, row in rows.iterrows()
    ]
    yield "Each view alone", f"Accuracy of gCAM-CCL's branches: {'; '.join(parts)}.", False


def _view(features):
    return {"connectivity": "connectivity alone", "snps": "SNPs alone"}.get(features, features)


def confound_row(table3):
    """The row to compare with: all confounds together, else the best one; None without any."""
    rows = table3[table3["kind"] == "confound"]
    if rows.empty:
        return None
    every = rows[rows["features"] == "all"]
    return every.iloc[0] if len(every) else rows.loc[rows["accuracy_mean"].idxmax()]


def _confounds(results, table3):
    row, own = confound_row(table3), own_row(table3)
    if row is None:
        return
    singles = table3[(table3["kind"] == "confound") & (table3["features"] != "all")]
    found = difference(results, row)
    every = row["features"] == "all"
    text = f"{row['label']} alone name{'' if every else 's'} the group with an accuracy of {estimate(row)}"
    if every and len(singles):
        best = singles.loc[singles["accuracy_mean"].idxmax()]
        text += f"; the best single one is {_lower(best['label'])}, {best['accuracy_mean']:.3f}"
    text += f". gCAM-CCL minus {_lower(row['label'])}: {difference_words(found, own['confidence'])}."
    bad = as_good(found)
    if bad:
        text += " That gCAM-CCL knows more than these confounds is not shown."
    yield "Confounds", text, bad


def _lower(label):
    return label[:1].lower() + label[1:]


def warnings(results):
    """Warnings of the section compare."""
    table3 = results.tables["compare/table3"]
    row = own_row(table3)
    if row is None:
        return ["gCAM-CCL is not among the classifiers that were run.", *_null(table3, results)]
    return [
        *_permutations(row),
        *_precision(row),
        *_beaten(results, table3, row),
        *_doubtful_confounds(results, table3, row),
        *_one_view(results, table3, row),
        *_calibration(row),
        *_null(table3, results),
    ]


def _permutations(row):
    n, p = int(row["n_permutations"]), row["accuracy_p"]
    if n == 0:
        yield "No permuted labels: there is nothing to tell an accuracy from chance with."
    elif n < FEW_PERMUTATIONS:
        yield (
            f"{n} permutation{'s' * (n > 1)} of the labels cannot give a p below {1 / (n + 1):.2g}: too few "
            "for a test at 0.05."
        )
    if hardly_above_permuted(row):
        yield (
            f"gCAM-CCL's accuracy ({row['accuracy_mean']:.3f}) is hardly above that with permuted labels "
            f"({row['accuracy_permuted']:.3f}): it did not learn the groups, and what it used must not be interpreted."
        )
    elif n >= FEW_PERMUTATIONS and p > 0.05:
        yield f"Permutation p = {p:.3f} ({n} permutations): the accuracy can be chance."


def _precision(row):
    splits = int(row["n_splits"])
    if splits < FEW_SPLITS:
        what = (
            "the interval is that of one test part"
            if splits == 1
            else f"intervals rest on {splits - 1} degree{'s' * (splits > 2)} of freedom, very wide or by luck too short"
        )
        yield (
            f"Only {splits} split{'s' * (splits > 1)}: {what}. With {row['n_test']:.0f} test people the accuracy of "
            f"one split has a standard error of {one_split_error(row):.3f}."
        )
    if includes_chance(row):
        yield (
            f"gCAM-CCL's balanced accuracy is {estimate(row, 'balanced_accuracy')}: the interval includes "
            f"{CHANCE}, which is chance."
        )


def _beaten(results, table3, own):
    mains = table3[(table3["kind"] == "main") & (table3["method"] != "gcamccl")]
    for _, row in mains.iterrows():
        found = difference(results, row)
        if found is None or found["difference"] != found["difference"]:
            continue
        words = f"{row['label']} {estimate(row, confidence=False)} against {estimate(own, confidence=False)}"
        tested = f"gCAM-CCL minus {row['label']}: {difference_words(found, own['confidence'])}"
        if found["high"] < 0:
            yield f"{words}: gCAM-CCL is the less accurate one. {tested}."
        elif row["method"] in SIMPLE and found["difference"] <= 0:
            yield f"{words}: a simpler model is at least as accurate on these splits. {tested}."


def _doubtful_confounds(results, table3, own):
    parts = []
    for _, row in table3[table3["kind"] == "confound"].iterrows():
        found = difference(results, row)
        if as_good(found):
            words = difference_words(found, own["confidence"])
            parts.append(f"{_lower(row['label'])} {row['accuracy_mean']:.3f}, gCAM-CCL minus it {words}")
    if parts:
        yield (
            f"Confounds alone: gCAM-CCL ({own['accuracy_mean']:.3f}) is not shown to know more than "
            f"{'; '.join(parts)}. It may know nothing but that."
        )


def _one_view(results, table3, own):
    rows = table3[(table3["kind"] == "view_alone") & (table3["method"] == "gcamccl")]
    for _, row in rows.iterrows():
        found = difference(results, row)
        if found is not None and found["difference"] <= 0:
            yield (
                f"{_view(row['features']).capitalize().replace('Snps', 'SNPs')} is as accurate as both views together: "
                f"{estimate(row, confidence=False)}; both minus it {difference_words(found, own['confidence'])}. The "
                "other view adds nothing that these splits show."
            )


def _calibration(row):
    slope, low, high = (row[f"calibration_slope{end}"] for end in ("", "_low", "_high"))
    error, chance = row["expected_calibration_error"], row["calibration_error_by_chance"]
    uneven = low > 1 or high < 1
    if uneven or error > max(POOR_CALIBRATION, BY_CHANCE * chance):
        which = "too extreme" if slope < 1 else "too cautious" if slope > 1 else "not what they say"
        text = f"calibration slope {slope:.2f} ({_interval(low, high)}; 1 is calibrated), " if slope == slope else ""
        yield (
            f"gCAM-CCL's probabilities are {which if uneven else 'not what they say'}: {text}expected calibration "
            f"error {error:.3f} (calibrated ones would have {chance:.3f}). Use its decisions, not its probabilities."
        )


def _null(table3, results):
    """Permuted labels must be at chance: every part has as many of each class as with the true ones."""
    people = len(results.tables["cohort/cohort"])
    for _, row in table3[(table3["kind"] == "main") & (table3["n_permutations"] > 0)].iterrows():
        tested = min(people, row["n_splits"] * row["n_test"])
        spread = math.sqrt(0.25 / tested)  # of one permutation, were all people tested once and independent
        null = null_means(results.tables["compare/metrics"], row["method"], row["features"])
        if len(null) > 1:  # relatives, and people tested in several splits, are not
            spread = max(spread, null["balanced_accuracy"].std(ddof=1))
        mean = row["balanced_accuracy_permuted"]
        if abs(mean - CHANCE) > NULL_ERRORS * spread / math.sqrt(row["n_permutations"]):
            why = (
                "sites or families, within which labels are permuted, tell the groups apart, or labels reach the model "
                "that should not"
                if mean > CHANCE
                else "no model should be worse than chance"
            )
            yield (
                f"{row['label']} with permuted labels has a balanced accuracy of {mean:.3f}, not {CHANCE}: {why}; "
                "compare accuracies with those of permuted labels."
            )


def sentences(results):
    """What the section compare says above its figures."""
    table3 = results.tables["compare/table3"]
    first = table3.iloc[0]
    confidence, splits = first["confidence"], int(first["n_splits"])
    if splits > 1:
        yield (
            f"Intervals ({confidence:.0%}) and differences are over {splits} splits with Nadeau and Bengio's "
            "correction: splits share people, and more splits cannot make up for more people."
        )
    else:
        yield (
            f"Intervals ({confidence:.0%}) are of the one test part (Wilson; AUC: Newcombe; none for F1): they do not "
            "contain what another split or another training would have changed."
        )
    n = int(first["n_permutations"])
    if n:
        yield f"The smallest p that {n} permutation{'s' * (n > 1)} can give is {1 / (1 + n):.2g}."
    table = results.tables["compare/differences"]
    if len(table):
        count = table.groupby("metric").size().max()
        yield f"P-values of differences are of one comparison each; p (Holm) is adjusted for all {count} of a metric."
    yield f"Probabilities: {RAW}"


def table3_for_page(table3):
    """Table III in few columns: ``mean [low, high]`` and the paper's value; AUC, Brier score; permuted labels."""
    shown = table3[["label"]].rename(columns={"label": "classifier"})
    for metric in METRICS:
        name = NAMES.get(metric, metric)
        ends = zip(*(table3[f"{metric}_{part}"] for part in ("mean", "low", "high")), strict=True)
        shown[name] = [f"{a:.3f}" + (f" [{b:.3f}, {c:.3f}]" if b == b else "") if a == a else None for a, b, c in ends]
        if metric in PAPER_METRICS:
            shown[f"{name}, paper"] = table3[f"paper_{metric}"]
    shown["accuracy, permuted"] = table3["accuracy_permuted"].round(3)
    shown["permutation p, accuracy"], shown["permutation p, AUC"] = table3["accuracy_p"], table3["auc_p"]
    return shown


def differences_for_page(table):
    """Paired differences of accuracy, AUC and Brier score."""
    shown = table[table["metric"].isin(["accuracy", "auc", "brier"])]
    columns = ["label", "metric", "difference", "low", "high", "p", "p_holm"]
    shown = shown[columns].rename(columns={"label": "gCAM-CCL minus", "p_holm": "p (Holm)"})
    return shown.assign(metric=shown["metric"].map(lambda name: NAMES.get(name, name)))


def calibration_for_page(table3):
    """Calibration of every row in few columns."""
    shown = table3[["label"]].rename(columns={"label": "classifier"})
    for name in ("slope", "intercept"):
        values = zip(*(table3[f"calibration_{name}{end}"] for end in ("", "_low", "_high")), strict=True)
        shown[name] = [f"{a:.3f} [{b:.3f}, {c:.3f}]" if a == a else None for a, b, c in values]
    shown["expected calibration error"] = table3["expected_calibration_error"]
    shown["of calibrated ones"] = table3["calibration_error_by_chance"]
    own, svm = table3["method"].eq("gcamccl"), table3["method"].isin(SVMS)
    kinds = np.select([own, svm], ["raw network outputs", "fitted on the validation part"], "the model's own")
    return shown.assign(probabilities=kinds)


def null_means(metrics, method, features):
    """Means over splits with permuted labels, one row a permutation, of one row of Table III."""
    own = metrics[(metrics["method"] == method) & (metrics["features"] == features) & (metrics["permutation"] > 0)]
    return own.groupby("permutation")[[name for name in METRICS if name in own]].mean() if len(own) else pd.DataFrame()
