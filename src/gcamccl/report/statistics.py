"""Numbers the report states itself: balance of the groups, flow of people, mean connectivity."""

import numpy as np
import pandas as pd

from gcamccl.report.names import plain_reasons

CONFOUNDS = ("age", "mean_fd_mm", "max_translation_mm", "pc1", "pc2", "pc3", "pc4", "pc5")


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
        it cannot be tested), people_low, people_high with a value.
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
    return pd.DataFrame(rows, columns=["variable", "low", "high", "p", "people_low", "people_high"])


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
