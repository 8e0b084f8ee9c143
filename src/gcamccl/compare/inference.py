"""Inference over repeated splits: corrected intervals, paired differences, permutation p.

Accuracies of several random splits of the same people are not independent: training parts overlap, and a person is
tested in several. The t interval that takes them for independent is far too narrow, and narrower with every split that
is added. Nadeau and Bengio (2003, Machine Learning 52, 239-281) replace the variance S^2 / J of a mean over J splits
by

    (1 / J + n_test / n_train) S^2

with J - 1 degrees of freedom. It does not vanish with many splits: a cohort has only so many people. n_train counts the
training part alone, not the validation part on which epochs and hyper-parameters are chosen; that makes the interval
wider (at 70/15/15, by 10 % with many splits) than counting both.
"""

import numpy as np
from scipy import stats

# A spread that rounding leaves where all splits agree.
NO_SPREAD = 1e-12


def resampled_variance(values, test_train_ratio):
    """Nadeau and Bengio's variance of a mean over splits, (1/J + n_test/n_train) S^2; NaN for one split.

    Parameters
    ----------
    values : array_like of float (J,)
    test_train_ratio : float
        People in the test part by people in the training part. 0: the naive variance S^2 / J.
    """
    values = np.asarray(values, float)
    if len(values) < 2:
        return np.nan
    return (1 / len(values) + test_train_ratio) * values.var(ddof=1)


def resampled_interval(values, test_train_ratio, confidence, bounds=(0.0, 1.0)):
    """Mean over splits with the corrected resampled t interval.

    Parameters
    ----------
    values : array_like of float (J,)
        One a split. Splits without a value (NaN: nobody of a class in the test part) are left out.
    test_train_ratio : float
    confidence : float
    bounds : (float, float)
        The interval is cut off there; the mean is inside.

    Returns
    -------
    mean, low, high : float
        The ends are NaN with fewer than two splits, or where all splits agree (no spread to judge from).
    """
    values = _known(values)
    mean = values.mean() if len(values) else np.nan
    variance = resampled_variance(values, test_train_ratio)
    if not variance > NO_SPREAD**2:
        return float(mean), np.nan, np.nan
    half = stats.t.isf((1 - confidence) / 2, len(values) - 1) * np.sqrt(variance)
    return float(mean), float(max(mean - half, bounds[0])), float(min(mean + half, bounds[1]))


def paired_difference(one, other, test_train_ratio, confidence):
    """Mean difference of two methods over the same splits, with corrected interval and p.

    Parameters
    ----------
    one, other : array_like of float (J,)
        The same splits in the same order; those of which either has no value are left out.
    test_train_ratio : float
    confidence : float

    Returns
    -------
    difference, low, high, p : float
        `one` minus `other`; two-sided p of the corrected resampled t-test. Without any spread the ends are NaN and p
        is 1 where both agree everywhere, else NaN. All but the difference are NaN with fewer than two splits.
    """
    differences = _known(np.asarray(one, float) - np.asarray(other, float))
    mean, low, high = resampled_interval(differences, test_train_ratio, confidence, (-1.0, 1.0))
    if len(differences) < 2:
        return mean, np.nan, np.nan, np.nan
    if np.isnan(low):
        return mean, np.nan, np.nan, 1.0 if abs(mean) < NO_SPREAD else np.nan
    t = mean / np.sqrt(resampled_variance(differences, test_train_ratio))
    return mean, low, high, float(2 * stats.t.sf(abs(t), len(differences) - 1))


def permutation_p(value, null, smaller_is_better=False):
    """Permutation p, (1 + B) / (1 + P), with B of P permutations at least as good as the true labels.

    Each permutation of the labels is used with every split, so its mean over splits is one draw from the null
    distribution of the true labels' mean. The smallest p that P permutations can give is 1 / (1 + P).

    Parameters
    ----------
    value : float
    null : array_like of float (P,)
        Permutations without a value (NaN) do not count.
    smaller_is_better : bool

    Returns
    -------
    float
        NaN without permutations.
    """
    null = _known(null)
    if not len(null) or np.isnan(value):
        return np.nan
    sign = -1 if smaller_is_better else 1
    return float((1 + (sign * null >= sign * value - NO_SPREAD).sum()) / (1 + len(null)))


def holm(p):
    """P-values adjusted for their number by Holm's (1979) step-down rule; NaN stay and do not count.

    Parameters
    ----------
    p : array_like of float (k,)

    Returns
    -------
    ndarray of float (k,)
    """
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = (len(order) - np.arange(len(order))) * p[order]
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _known(values):
    values = np.asarray(values, float)
    return values[~np.isnan(values)]
