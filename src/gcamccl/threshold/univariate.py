"""One test a feature, high against low: what the maps have to beat."""

import numpy as np
from scipy import stats


def t_test(values, labels):
    """Welch's two-sample t-test of each feature, high against low.

    Unequal variances are allowed for, since the groups are the two tails of a score and nothing makes their spreads
    equal; where they are equal the loss of power is negligible. Missing values are left out feature by feature.

    Parameters
    ----------
    values : ndarray of float (people, features)
        NaN: missing.
    labels : ndarray of int (people,)
        1 high, 0 low.

    Returns
    -------
    t, p : ndarray of float64 (features,)
        Positive t: larger in high. Two-sided p. NaN where a group has fewer than two values or nothing varies.
    """
    moments = []
    for label in (1, 0):
        group = np.asarray(values[labels == label], dtype=np.float64)
        missing = np.isnan(group)
        n = (~missing).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(missing, 0, group).sum(axis=0) / n
            deviation = np.where(missing, 0, group - mean)
            # A group without spread has variance 0 exactly; rounding in its mean must not make a test of it.
            variance = np.where(
                np.ptp(np.where(missing, mean, group), axis=0) == 0, 0, (deviation**2).sum(axis=0) / (n - 1)
            )
        moments += [mean, np.sqrt(variance), n]
    with np.errstate(invalid="ignore", divide="ignore"):
        t, p = stats.ttest_ind_from_stats(*moments, equal_var=False)
    untestable = (np.minimum(moments[2], moments[5]) < 2) | ~np.isfinite(t)
    return np.where(untestable, np.nan, t), np.where(untestable, np.nan, p)


def bh(p):
    """Benjamini and Hochberg's q over the tests that could be made: float64 (features,), NaN where `p` is NaN."""
    q = np.full(len(p), np.nan)
    made = np.isfinite(p)
    if made.any():
        q[made] = stats.false_discovery_control(p[made])
    return q
