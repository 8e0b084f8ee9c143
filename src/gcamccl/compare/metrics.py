"""Figures of merit of a binary classification; the positive class is high (1)."""

import numpy as np
from scipy.stats import rankdata

METRICS = ("accuracy", "sensitivity", "specificity", "f1", "balanced_accuracy", "auc", "brier")
SMALLER_IS_BETTER = ("brier",)


def recalls(labels, predicted):
    """Sensitivity and specificity, the recalls of high and low (bool arrays); NaN: nobody is in that class."""
    right = labels == predicted
    return tuple(float(right[own].mean()) if own.any() else np.nan for own in (labels, ~labels))


def area_under_curve(labels, scores):
    """AUC of scores (n,) for labels of bool (n,); ties count half. NaN: a class nobody is in."""
    high = int(labels.sum())
    low = len(labels) - high
    if not high or not low:
        return np.nan
    return float((rankdata(scores)[labels].sum() - high * (high + 1) / 2) / (high * low))


def metrics(labels, predicted, scores):
    """All of `METRICS` (the first four are the columns of Table III).

    Parameters
    ----------
    labels, predicted : array_like of {0, 1} (n,)
    scores : array_like of float (n,)
        Probability of high, 0 to 1. Ties count half in the AUC.

    Returns
    -------
    dict of str to float
        ``sensitivity`` is the recall of high, ``specificity`` that of low; ``brier`` is the mean squared distance of
        the probability from the label (Brier 1950; 0.25 for always saying 0.5). NaN: a recall or AUC that needs a
        class nobody is in. F1 is 0 where nobody is rightly called high.

    Raises
    ------
    ValueError
        No people, different lengths, or scores that are no probabilities.
    """
    labels, predicted = np.asarray(labels, bool), np.asarray(predicted, bool)
    scores = np.asarray(scores, float)
    if not len(labels) or not labels.shape == predicted.shape == scores.shape:
        raise ValueError("labels, predicted and scores must be of one length, at least 1")
    if not ((scores >= 0) & (scores <= 1)).all():  # NaN fails too
        raise ValueError("scores must be probabilities, 0 to 1")
    right = labels == predicted
    sensitivity, specificity = recalls(labels, predicted)
    hits = int((labels & predicted).sum())
    return {
        "accuracy": float(right.mean()),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "f1": 2 * hits / (2 * hits + int((~right).sum())) if hits else 0.0,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "auc": area_under_curve(labels, scores),
        "brier": float(((scores - labels) ** 2).mean()),
    }
