"""Numbers the report states: Table III over splits, permutation p, balance of the groups, accuracy of each view."""

import numpy as np
import pandas as pd

from gcamccl.report.names import plain_reasons

METRICS = ("accuracy", "sensitivity", "specificity", "f1", "balanced_accuracy", "auc")
CONFOUNDS = ("age", "mean_fd_mm", "max_translation_mm", "pc1", "pc2", "pc3", "pc4", "pc5")


def table3(metrics, printed):
    """Table III: mean and SD of each metric over splits, its mean with permuted labels, the paper's values.

    Parameters
    ----------
    metrics : DataFrame
        ``compare/metrics.tsv``.
    printed : DataFrame
        ``compare/table3.tsv``: order, labels and the paper's values.

    Returns
    -------
    DataFrame
        method, label, n_splits, and per metric ``<metric>_mean``, ``<metric>_sd`` (NaN with one split),
        ``<metric>_permuted``; ``paper_accuracy``, ``paper_sensitivity``, ``paper_specificity``, ``paper_f1``.
    """
    present = [metric for metric in METRICS if metric in metrics]
    true = metrics[metrics["permutation"] == 0].groupby("method")[present]
    permuted = metrics[metrics["permutation"] > 0].groupby("method")[present].mean()
    mean, spread = true.mean(), true.std(ddof=1)
    paper = [f"paper_{metric}" for metric in METRICS[:4]]
    rows = printed.loc[printed["method"].isin(mean.index), ["method", "label", *paper]].reset_index(drop=True)
    rows["n_splits"] = rows["method"].map(metrics[metrics["permutation"] == 0].groupby("method")["split"].nunique())
    for metric in present:
        rows[f"{metric}_mean"] = rows["method"].map(mean[metric])
        rows[f"{metric}_sd"] = rows["method"].map(spread[metric])
        rows[f"{metric}_permuted"] = rows["method"].map(permuted[metric]).astype(float)
    return rows


def permutation_p(metrics, method, metric="accuracy"):
    """Permutation p of a method's mean over splits.

    Every permutation of the labels is shared by all splits, so its mean over splits is one draw from the null.

    Returns
    -------
    p : float
        (1 + permutations at least as good) / (1 + permutations); NaN without permutations.
    n : int
        Permutations.
    """
    own = metrics[metrics["method"] == method]
    means = own.groupby("permutation")[metric].mean()
    null = means[means.index > 0]
    if null.empty or 0 not in means.index:
        return float("nan"), 0
    return float((1 + (null >= means[0] - 1e-12).sum()) / (1 + len(null))), len(null)


def view_accuracy(predictions):
    """Test accuracy of the fused prediction and of each view alone, true and permuted labels.

    Parameters
    ----------
    predictions : DataFrame
        ``train``'s predictions: split, permutation, part, label, p_high, p_high_connectivity, p_high_snps.

    Returns
    -------
    DataFrame
        prediction, accuracy_mean, accuracy_sd (over splits), accuracy_permuted.
    """
    part = predictions["part"].astype(str)
    test = predictions[(part == "test") | (part == "2")]
    rows = []
    for column, text in (
        ("p_high", "both views"),
        ("p_high_connectivity", "connectivity alone"),
        ("p_high_snps", "SNPs alone"),
    ):
        if column not in test or test[column].isna().all():
            continue
        right = ((test[column] > 0.5).astype(int) == test["label"]).groupby([test["split"], test["permutation"]]).mean()
        number = right.index.get_level_values("permutation")
        rows.append(
            {
                "prediction": text,
                "accuracy_mean": right[number == 0].mean(),
                "accuracy_sd": right[number == 0].std(ddof=1),
                "accuracy_permuted": right[number > 0].mean(),
            }
        )
    return pd.DataFrame(rows, columns=["prediction", "accuracy_mean", "accuracy_sd", "accuracy_permuted"])


def balance(cohort):
    """Do the groups differ in anything but the score?

    Parameters
    ----------
    cohort : DataFrame
        ``cohort/cohort.tsv``.

    Returns
    -------
    DataFrame
        variable, low, high (means; share of women for sex), p (Welch's t-test; Fisher's exact test for sex; NaN where
        it cannot be tested), n_low, n_high with a value.
    """
    from scipy import stats

    rows = []
    for column in ("score", *CONFOUNDS):
        if column not in cohort or cohort[column].isna().all():  # no such modality, or unknown of everybody
            continue
        low, high = (
            pd.to_numeric(cohort.loc[cohort["group"] == name, column], errors="coerce").dropna()
            for name in ("low", "high")
        )
        testable = min(len(low), len(high)) > 1 and max(low.std(), high.std()) > 0
        p = stats.ttest_ind(high, low, equal_var=False).pvalue if testable and column != "score" else np.nan
        rows.append((column, low.mean(), high.mean(), p, len(low), len(high)))
    if "sex" in cohort and cohort["sex"].notna().any():
        counts = [
            [int(((cohort["group"] == name) & (cohort["sex"] == sex)).sum()) for sex in "FM"]
            for name in ("low", "high")
        ]
        share = [women / (women + men) if women + men else np.nan for women, men in counts]
        rows.append(("sex (share F)", *share, stats.fisher_exact(counts)[1], *map(sum, counts)))
    return pd.DataFrame(rows, columns=["variable", "low", "high", "p", "n_low", "n_high"])


def people_flow(everybody):
    """Steps of the flow of people, each with those lost on the way to the next one.

    Parameters
    ----------
    everybody : DataFrame
        ``cohort/people.tsv``.

    Returns
    -------
    steps : list of (str, int, list of (str, int))
        Text, people left, and (reason, count) of those lost before the next step, most frequent first.
    groups : dict of str to int
    """
    left, steps, flags, having = everybody, [], [], []
    for name in ("connectivity", "genotypes"):
        if left[f"has_{name}"].any():  # of a study without the modality nobody has it
            flags.append(
                (f"with {' and '.join(having)}" if having else "in the study", ~left[f"has_{name}"], f"no {name}")
            )
            having.append(name)
    ungrouped = ~left["group"].isin(["low", "middle", "high"])
    flags.append((f"with {' and '.join(having)}", ungrouped, "not grouped"))
    flags.append(
        (
            f"with {', '.join(['score', *having[:-1]])} and {having[-1]}",
            left["group"] == "middle",
            "middle of the score",
        )
    )
    for text, lost, default in flags:
        gone = left[lost.reindex(left.index)]
        steps.append((text, len(left), _reasons(gone, default)))
        left = left.drop(gone.index)
    steps.append(("in the two groups", len(left), []))
    return steps, {name: int((left["group"] == name).sum()) for name in ("low", "high")}


def _reasons(lost, default):
    """Reasons with counts; of several joined by semicolons the one that belongs to this step is taken."""
    reasons = [str(reason) for reason in lost["reason"].fillna(default)]
    own = [
        next((part.strip() for part in text.split(";") if part.strip().startswith(default)), text) for text in reasons
    ]
    counts = pd.Series(own, dtype=object).str.slice(0, 60).value_counts()
    return [(plain_reasons(str(reason)), int(number)) for reason, number in counts.items()]


def mean_connectivity(path, rows=None):
    """Mean over people of a stack of matrices, read one by one.

    Parameters
    ----------
    path : Path
        float32 (people, R, R), NaN: ROI missing.
    rows : sequence of int, optional
        People to take; all by default.

    Returns
    -------
    ndarray, float64 (R, R)
        NaN where nobody has a value.
    """
    stack = np.load(path, mmap_mode="r")
    total, count = np.zeros(stack.shape[1:]), np.zeros(stack.shape[1:])
    for row in range(len(stack)) if rows is None else rows:
        there = np.isfinite(stack[row])
        total[there] += stack[row][there]
        count += there
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def group_difference(path, groups):
    """Mean matrix of the high group minus that of the low group; `groups` names each row's group."""
    groups = np.asarray(groups)
    low, high = (mean_connectivity(path, np.flatnonzero(groups == name)) for name in ("low", "high"))
    return high - low
