"""Table III with what it lacks: intervals, permuted labels, each view alone, confounds; the paper's values beside."""

import numpy as np
import pandas as pd

from gcamccl.cohort import TEST, TRAIN
from gcamccl.compare import inference, intervals, reliability
from gcamccl.compare.metrics import METRICS, SMALLER_IS_BETTER, metrics
from gcamccl.workflow.errors import InputError

# Paper, Table III: label, then accuracy, sensitivity, specificity, F1.
PAPER = {
    "gcamccl": ("gCAM-CCL", 0.7501, 0.7762, 0.7157, 0.7610),
    "ccl_svm": ("CCL+SVM", 0.7387, 0.7637, 0.7083, 0.7504),
    "ccl_rf": ("CCL+RF", 0.7419, 0.7666, 0.7014, 0.7523),
    "mlp_svm": ("MLP+SVM", 0.7231, 0.7555, 0.6915, 0.7215),
    "svm": ("SVM", 0.7082, 0.7562, 0.6785, 0.7093),
    "dt": ("DT", 0.6626, 0.6778, 0.6430, 0.6605),
    "rf": ("RF", 0.7119, 0.7559, 0.6714, 0.7138),
    "logist": ("Logist", 0.6745, 0.7386, 0.6285, 0.6900),
}
PAPER_METRICS = METRICS[:4]
REFERENCE = "gcamccl"  # the others are compared with its main row
CONFOUNDS = "confounds"
ALONE = {"connectivity": "connectivity alone", "snps": "SNPs alone"}
CONFOUND_LABELS = {
    "age": "Age",
    "sex": "Sex",
    "motion": "Head motion",
    "ancestry": "Ancestry",
    "site": "Site",
    "all": "All confounds",
}
KINDS = ("main", "view_alone", "confound")
PREDICTIONS = ("method", "features", "split", "permutation", "participant_id", "label", "p_high", "predicted")
ROW = ["method", "features"]
REPLICATE = [*ROW, "split", "permutation"]
TEXT = (*ROW, "participant_id")


def read_predictions(path):
    """Predictions of one method.

    Returns
    -------
    DataFrame
        `PREDICTIONS`, as `gcamccl.compare.run.predictions` returns, text as categories: a thousand permutations of a
        hundred splits make 15 million rows. No rows where a cohort has no confounds.

    Raises
    ------
    InputError
        Not such a file, a column is missing, or p_high is not a probability.
    """
    try:
        table = pd.read_parquet(path, read_dictionary=list(TEXT))
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"not a Parquet table: {error}".replace("\n", " ")) from None
    missing = [column for column in PREDICTIONS if column not in table]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", "run compare again")
    wrong = table[~table["p_high"].between(0, 1)]
    if len(wrong):
        first = wrong.iloc[0]
        raise InputError(
            path, f"p_high of {first['participant_id']} is {first['p_high']}, no probability", "run compare again"
        )
    kinds = {**dict.fromkeys(TEXT, "category"), "split": np.int32, "permutation": np.int32}
    return table[list(PREDICTIONS)].astype(kinds, copy=False)


def true_labels(predictions):
    """Rows with the true labels (permutation 0), text as text."""
    return predictions[predictions["permutation"] == 0].astype(dict.fromkeys(TEXT, str))


def test_train_ratio(path):
    """People in the test part by people in the training part, over all splits of ``splits.npy``.

    Raises
    ------
    InputError
        Not such a file, or a part is empty.
    """
    try:
        splits = np.load(path)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(path, f"not an array: {error}".replace("\n", " ")) from None
    train, test = int((splits == TRAIN).sum()), int((splits == TEST).sum())
    if not train or not test:
        raise InputError(path, "nobody in the training or in the test part", "run cohort again")
    return test / train


def metrics_table(predictions):
    """Figures of merit of every method, features, split and label row.

    Parameters
    ----------
    predictions : DataFrame
        `PREDICTIONS`, of any number of methods; at least one row.

    Returns
    -------
    DataFrame
        method, features, split, permutation, n_test and `METRICS`; in the order of `rows`.
    """
    group = predictions.groupby(REPLICATE, sort=False, observed=True).ngroup().to_numpy()
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    parts = [np.split(predictions[name].to_numpy()[order], starts[1:]) for name in ("label", "predicted", "p_high")]
    found = [metrics(*part) for part in zip(*parts, strict=True)]
    table = predictions[REPLICATE].iloc[order[starts]].reset_index(drop=True).astype(dict.fromkeys(ROW, str))
    table["n_test"] = np.diff(starts, append=len(order))
    return in_order(pd.concat([table, pd.DataFrame(found, columns=list(METRICS))], axis=1))


def rows(table):
    """The rows of Table III: which (method, features) there are, and what each is called.

    Parameters
    ----------
    table : DataFrame
        With columns method and features.

    Returns
    -------
    DataFrame
        method, features, kind (`KINDS`), label. Main rows (the features of all views in use) in Table III's order,
        then each view alone, then confounds.
    """
    found = table[ROW].drop_duplicates().reset_index(drop=True)
    count = found["features"].str.count(r"\+")
    most = count.groupby(found["method"]).transform("max")
    main = (count == most) & (found["method"] != CONFOUNDS)
    found["kind"] = np.select([main, found["method"] != CONFOUNDS], KINDS[:2], KINDS[2])
    found["label"] = [_label(row.method, row.features, row.kind) for row in found.itertuples()]
    order = {name: place for place, name in enumerate([*PAPER, CONFOUNDS, *ALONE, *CONFOUND_LABELS])}
    keys = [found["kind"].map(KINDS.index), *(found[name].map(order).fillna(len(order)) for name in ROW)]
    return found.iloc[np.lexsort([found["features"], *reversed(keys)])].reset_index(drop=True)


def _label(method, features, kind):
    if kind == "confound":
        return CONFOUND_LABELS.get(features, features)
    name = PAPER[method][0] if method in PAPER else method
    return name if kind == "main" else f"{name}, {ALONE.get(features, features)}"


def in_order(table):
    """`table` sorted by `rows`, then split and permutation."""
    place = {(row.method, row.features): number for number, row in enumerate(rows(table).itertuples())}
    rank = [place[pair] for pair in zip(table["method"], table["features"], strict=True)]
    return table.iloc[np.lexsort([table["permutation"], table["split"], rank])].reset_index(drop=True)


def check_same_people(true):
    """All methods must have judged the same people of every split with the same labels.

    Parameters
    ----------
    true : DataFrame
        `PREDICTIONS` with the true labels (permutation 0).

    Raises
    ------
    InputError
    """
    known = {}
    for (method, features, split), people in true.groupby([*ROW, "split"], sort=False, observed=True):
        own = dict(zip(people["participant_id"], people["label"], strict=True))
        if len(own) < len(people):
            raise InputError(method, f"split {split}, {features}: a person is there twice", "run compare again")
        first, expected = known.setdefault(split, (method, own))
        if own != expected:
            raise InputError(
                method, f"split {split}, {features}: other people or labels than {first}", "run both methods again"
            )
    splits = {key: frozenset(part) for key, part in true.groupby(ROW, sort=False, observed=True)["split"]}
    for (method, features), own in splits.items():
        if own != frozenset(known):
            raise InputError(method, f"{features}: {len(own)} of {len(known)} splits", "run compare again")


def table3(figures, true, test_train_ratio, confidence):
    """Means over splits with intervals, permutation p and calibration; the paper's values beside them.

    Parameters
    ----------
    figures : DataFrame
        As `metrics_table` returns.
    true : DataFrame
        `PREDICTIONS` with the true labels (permutation 0).
    test_train_ratio : float
        People in the test part by people in the training part.
    confidence : float

    Returns
    -------
    DataFrame
        method, features, kind, label, n_splits, n_permutations, n_test (mean of the splits), interval
        (``corrected_t``: `gcamccl.compare.inference.resampled_interval`; ``one_split``:
        `gcamccl.compare.intervals.one_split`), confidence; of each metric ``<metric>_mean``, ``_sd`` (over splits),
        ``_low``, ``_high``, ``_permuted`` (mean), ``_p`` (`gcamccl.compare.inference.permutation_p`);
        calibration_slope, calibration_intercept with ``_low`` and ``_high``, expected_calibration_error,
        calibration_error_by_chance (of calibrated probabilities); ``paper_`` of `PAPER_METRICS` (main rows).
        Where all splits have the same value, its interval is that of the split with the fewest people.
    """
    made = []
    for row in rows(figures).to_dict("records"):
        own = _of(figures, row)
        values, permuted = own[own["permutation"] == 0], own[own["permutation"] > 0]
        null = permuted.groupby("permutation")[list(METRICS)].mean()
        row |= {"n_splits": len(values), "n_permutations": len(null), "n_test": values["n_test"].mean()}
        row |= {"interval": "corrected_t" if len(values) > 1 else "one_split", "confidence": confidence}
        smallest = _smallest_split(values, _of(true, row), confidence)
        for metric in METRICS:
            mean, low, high = inference.resampled_interval(values[metric], test_train_ratio, confidence)
            if np.isnan(low) and values[metric].notna().any():
                low, high = smallest[metric]
            row |= {f"{metric}_mean": mean, f"{metric}_sd": values[metric].std(ddof=1)}
            row |= {f"{metric}_low": low, f"{metric}_high": high, f"{metric}_permuted": null[metric].mean()}
            smaller = metric in SMALLER_IS_BETTER
            row[f"{metric}_p"] = inference.permutation_p(mean, null[metric], smaller)
        row |= _calibration(_of(true, row), confidence)
        printed = PAPER[row["method"]][1:] if row["kind"] == "main" and row["method"] in PAPER else [np.nan] * 4
        row |= zip([f"paper_{metric}" for metric in PAPER_METRICS], printed, strict=True)
        made.append(row)
    return pd.DataFrame(made)


def _of(table, row):
    return table[(table["method"] == row["method"]) & (table["features"] == row["features"])]


def _smallest_split(values, people, confidence):
    """Intervals of the split with the fewest test people."""
    figures = values.loc[values["n_test"].idxmin()]
    own = people[people["split"] == figures["split"]]
    label, predicted, p_high = (own[name].to_numpy() for name in ("label", "predicted", "p_high"))
    return intervals.one_split(label, predicted, p_high, figures[list(METRICS)].to_dict(), confidence)


def _calibration(people, confidence):
    """Calibration columns of one row, over the test people of all splits."""
    columns = [people[name].to_numpy() for name in ("label", "p_high", "participant_id")]
    found = reliability.recalibration(*columns, confidence)
    bins = reliability.reliability_bins(*columns, confidence)
    names = [f"{name}{end}" for name in ("slope", "intercept") for end in ("", "_low", "_high")]
    return {f"calibration_{name}": getattr(found, name) for name in names} | {
        "expected_calibration_error": reliability.expected_calibration_error(bins),
        "calibration_error_by_chance": reliability.error_by_chance(bins),
    }


def calibration_table(true, confidence):
    """Reliability bins of every row.

    Parameters
    ----------
    true : DataFrame
        `PREDICTIONS` with the true labels (permutation 0).
    confidence : float

    Returns
    -------
    DataFrame
        method, features and the columns of `gcamccl.compare.reliability.reliability_bins`; empty bins are left out.
    """
    made = []
    for row in rows(true).to_dict("records"):
        people = _of(true, row)
        columns = [people[name].to_numpy() for name in ("label", "p_high", "participant_id")]
        bins = pd.DataFrame(reliability.reliability_bins(*columns, confidence))
        made.append(bins[bins["n"] > 0].assign(method=row["method"], features=row["features"]))
    table = pd.concat(made, ignore_index=True)
    return table[[*ROW, *table.columns.drop(ROW)]]


def differences(figures, true, test_train_ratio, confidence):
    """gCAM-CCL minus every other row, on the same splits.

    Parameters
    ----------
    figures, true, test_train_ratio, confidence
        As for `table3`.

    Returns
    -------
    DataFrame
        method, features, kind, label, metric, difference (mean over splits of gCAM-CCL's main row minus this one;
        of the Brier score, negative is better), low, high, p, p_holm (adjusted for all rows of this metric), n_splits,
        test (``corrected_t``: `gcamccl.compare.inference.paired_difference`; ``mcnemar``: one split, accuracy and the
        two recalls, `gcamccl.compare.intervals.paired_proportions`; ``none``). No rows without gCAM-CCL.
    """
    columns = [*ROW, "kind", "label", "metric", "difference", "low", "high", "p", "p_holm", "n_splits", "test"]
    names = rows(figures)
    reference = names[(names["method"] == REFERENCE) & (names["kind"] == "main")]
    if reference.empty:
        return pd.DataFrame(columns=columns)
    chosen = reference.iloc[0]
    truth = figures[figures["permutation"] == 0]
    base, made = _of(truth, chosen).set_index("split"), []
    for row in names.drop(reference.index).to_dict("records"):
        own = _of(truth, row).set_index("split").reindex(base.index)
        paired = _one_split_differences(_of(true, chosen), _of(true, row), confidence) if len(base) == 1 else {}
        for metric in METRICS:
            test = "corrected_t" if len(base) > 1 else "mcnemar" if metric in paired else "none"
            found = inference.paired_difference(base[metric], own[metric], test_train_ratio, confidence)
            found = paired.get(metric, found)
            facts = dict(zip(("difference", "low", "high", "p"), found, strict=True))
            made.append(row | {"metric": metric, **facts, "n_splits": len(base), "test": test})
    table = pd.DataFrame(made, columns=columns)
    for metric in METRICS:
        own = table["metric"] == metric
        table.loc[own, "p_holm"] = inference.holm(table.loc[own, "p"])
    return table.astype({"p_holm": float})


def _one_split_differences(one, other, confidence):
    """McNemar's test and interval of accuracy and both recalls of the only split."""
    both = one.merge(other, on="participant_id", suffixes=("", "_other"))
    right, right_other = both["predicted"] == both["label"], both["predicted_other"] == both["label"]
    found = {}
    for metric, part in (
        ("accuracy", np.ones(len(both), bool)),
        ("sensitivity", both["label"] == 1),
        ("specificity", both["label"] == 0),
    ):
        found[metric] = intervals.paired_proportions(right[part], right_other[part], confidence)
    return found
