"""Confidence intervals of what one test set shows: proportions, AUC, Brier score, paired differences.

They speak of new people of the same kind, judged by the one model that was fitted; how much another training part would
have changed the model is not in them (that needs several splits: `gcamccl.compare.inference`).
"""

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from gcamccl.compare.metrics import METRICS

INSIDE = 1e-9


def wilson(proportion, n, confidence):
    """Wilson's score interval of a proportion (Wilson 1927).

    Parameters
    ----------
    proportion : array_like of float
        0 to 1; need not be a whole number of `n`.
    n : array_like of float
        People behind it; 0 gives NaN.
    confidence : float

    Returns
    -------
    low, high : ndarray of float
    """
    p, n = np.asarray(proportion, float), np.asarray(n, float)
    z = stats.norm.isf((1 - confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def auc_variance(auc, n_high, n_low):
    """Variance of an AUC by Hanley and McNeil (1982), with the group sizes' mean where they have each (Newcombe 2006).

    Exact for exponential scores and equal groups; needs no scores.
    """
    half = (n_high + n_low) / 2 - 1
    spread = 1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)
    return auc * (1 - auc) * spread / (n_high * n_low)


def auc_interval(auc, n_high, n_low, confidence):
    """Score interval of an AUC: the values that lie within z of *their own* Hanley-McNeil standard errors.

    Newcombe (2006), method 5: like Wilson's interval it stays inside 0 to 1 and has a length at an AUC of 1.

    Returns
    -------
    low, high : float
        NaN where `auc` is, or where a group is empty.
    """
    if np.isnan(auc) or min(n_high, n_low) < 1:
        return np.nan, np.nan
    z = stats.norm.isf((1 - confidence) / 2)

    def end(value, sign):
        return sign * (value - auc) - z * np.sqrt(auc_variance(value, n_high, n_low))

    # At 0 and 1 the standard error is 0, which also solves the equation: the end that counts is the one inside.
    low = brentq(end, 0, min(auc, 1 - INSIDE), args=(-1,)) if auc > 0 else 0.0
    high = brentq(end, max(auc, INSIDE), 1, args=(1,)) if auc < 1 else 1.0
    return float(low), float(high)


def one_split(labels, predicted, scores, values, confidence):
    """Intervals of the metrics of one test set.

    Accuracy, sensitivity, specificity: Wilson. Balanced accuracy: the two recalls' Wilson limits by square-and-add
    (MOVER; Newcombe 1998). AUC: `auc_interval`. Brier score: t interval of the people's squared distances, clipped
    to 0 and 1. F1: none.

    Parameters
    ----------
    labels, predicted, scores : ndarray (n,)
        As for `gcamccl.compare.metrics.metrics`.
    values : dict of str to float
        What `gcamccl.compare.metrics.metrics` says of them.
    confidence : float

    Returns
    -------
    dict of str to (float, float)
        One pair for each of `METRICS`; NaN: none.
    """
    labels, scores = np.asarray(labels, bool), np.asarray(scores, float)
    n, high, low = len(labels), int(labels.sum()), int((~labels).sum())
    found = dict.fromkeys(METRICS, (np.nan, np.nan))
    for metric, size in (("accuracy", n), ("sensitivity", high), ("specificity", low)):
        found[metric] = tuple(float(end) for end in wilson(values[metric], size, confidence))
    ends = [(values[name], *found[name]) for name in ("sensitivity", "specificity")]
    below = np.sqrt(sum((value - lower) ** 2 for value, lower, _ in ends)) / 2
    above = np.sqrt(sum((upper - value) ** 2 for value, _, upper in ends)) / 2
    middle = values["balanced_accuracy"]
    found["balanced_accuracy"] = (float(middle - below), float(middle + above))
    found["auc"] = auc_interval(values["auc"], high, low, confidence)
    if n > 1:
        squares = (scores - labels) ** 2
        half = stats.t.isf((1 - confidence) / 2, n - 1) * squares.std(ddof=1) / np.sqrt(n)
        if half > 0:
            found["brier"] = (max(values["brier"] - half, 0.0), min(values["brier"] + half, 1.0))
    return found


def paired_proportions(one, other, confidence):
    """Two classifiers on the same people: difference of their shares of right answers.

    Parameters
    ----------
    one, other : array_like of bool (n,)
        Who is rightly classified.
    confidence : float

    Returns
    -------
    difference : float
        Share of `one` minus that of `other`.
    low, high : float
        Bonett and Price's (2012) adjusted Wald interval; NaN without people.
    p : float
        McNemar's exact test: of the people who are right in one only, is it one as often as the other? 1 where there
        are none.
    """
    one, other = np.asarray(one, bool), np.asarray(other, bool)
    n = len(one)
    if not n:
        return np.nan, np.nan, np.nan, np.nan
    gained, lost = int((one & ~other).sum()), int((~one & other).sum())
    p = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    more, less = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = stats.norm.isf((1 - confidence) / 2) * np.sqrt((more + less - (more - less) ** 2) / (n + 2))
    return (
        (gained - lost) / n,
        float(max(more - less - half, -1)),
        float(min(more - less + half, 1)),
        float(p),
    )
