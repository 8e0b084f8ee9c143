"""From maps and checks of all replicates to one verdict a method and check: passes or fails, with the number.

Likeness is Spearman's rho of mean |map|. What trained networks' maps have in common with each other, from split to
split, is what there is to explain; a map passes a check where little of it is shared with maps that should differ:
those of an untrained network, of networks trained on permuted labels, of the other class. No absolute size of a
correlation is asked for, since all of these maps share the mean input and the network's shape.
"""

import numpy as np
import pandas as pd
from scipy import stats
from scipy.stats import rankdata

from gcamccl.activation.checks import RANDOM

CLASSES = ("low", "high")
COLUMNS = ("method", "view", "check", "map_class", "likeness", "other", "shared", "low", "high", "n_splits", "verdict")
CONFIDENCE = 0.95  # of the jackknife intervals
FEWEST_SPLITS = 3  # that an interval and a verdict need


def ranked(maps):
    """Ranks of |map|, centred and of unit length, so that a product of two is Spearman's rho.

    Parameters
    ----------
    maps : ndarray of float (maps, features)

    Returns
    -------
    ndarray of float32 (maps, features)
        Rows of constant maps are NaN.
    """
    ranks = np.stack([rankdata(np.abs(one)) for one in maps])
    ranks -= ranks.mean(axis=1, keepdims=True)
    size = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.divide(ranks, size, out=np.full_like(ranks, np.nan), where=size > 0).astype(np.float32)


def jackknife(statistic, n):
    """Estimate, and its confidence interval from leaving out one of `n` splits at a time.

    Parameters
    ----------
    statistic : callable
        Of an ndarray of int, the numbers of the splits to use.
    n : int

    Returns
    -------
    estimate, low, high : float
        NaN bounds below `FEWEST_SPLITS`, or where leaving one out leaves nothing. Splits share people: the interval is
        about the choice of splits, not about new people.
    """
    every = np.arange(n)
    estimate = statistic(every)
    if n < FEWEST_SPLITS:
        return estimate, np.nan, np.nan
    left = np.array([statistic(np.delete(every, one)) for one in every])
    error = np.sqrt((n - 1) / n * ((left - left.mean()) ** 2).sum())
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * error
    return estimate, estimate - reach, estimate + reach


def likeness_between(own, other=None):
    """Mean rho of maps of different splits: `own` (splits, features) with itself, or with `other` of the same splits.

    Maps of one split come from the same people and, where they come from one network too, would be alike for that
    alone; so a map is compared with those of the other splits.
    """
    rho = own @ (own if other is None else other).T
    np.fill_diagonal(rho, np.nan)
    return np.nanmean(rho) if np.isfinite(rho).any() else np.nan


def shared(own, other, splits):
    """Share of what the maps have in common that others have too: likeness to them over likeness to each other."""
    among, across = likeness_between(own[splits]), likeness_between(own[splits], other[splits])
    return across / among if among > 0 else np.nan


def compare(own, other, max_shared):
    """A line's figures.

    Parameters
    ----------
    own, other : ndarray of float32 (splits, features)
        As from `ranked`, in the same order of splits.
    max_shared : float

    Returns
    -------
    dict
        ``likeness`` of own maps to each other, ``other``: to the other maps, ``shared``: their ratio, with ``low`` and
        ``high``, ``n_splits``, ``verdict``: ``passes`` (the upper bound is at most `max_shared`), ``fails``, or
        ``nothing to judge`` where own maps are not surely alike, as always with one or two splits.
    """
    among, surely, _ = jackknife(lambda splits: likeness_between(own[splits]), len(own))
    share, low, high = jackknife(lambda splits: shared(own, other, splits), len(own))
    if not surely > 0 or not np.isfinite(high):
        judged, share, low, high = "nothing to judge", np.nan, np.nan, np.nan  # a ratio to next to nothing
    else:
        judged = "passes" if high <= max_shared else "fails"
    return {
        "likeness": among,
        "other": likeness_between(own, other),
        "shared": share,
        "low": low,
        "high": high,
        "n_splits": len(own),
        "verdict": judged,
    }


def map_checks(true, permuted, untrained, max_shared):
    """Lines of one method and view.

    Parameters
    ----------
    true, permuted, untrained : ndarray of float (splits, 2, features)
        Mean maps of the true labels, of one label permutation, of untrained networks, split by split; `permuted` or
        `untrained` None: not there.
    max_shared : float
        A check passes where the upper bound of the shared part is at most this.

    Returns
    -------
    list of dict
        ``check`` (untrained, permuted_labels, other_class), ``map_class`` and `compare`'s figures. No other_class where
        the two classes' maps are equal but for the sign.
    """
    lines = []
    for label, name in enumerate(CLASSES):
        own = ranked(true[:, label])
        for check, other in (("untrained", untrained), ("permuted_labels", permuted)):
            if other is not None:
                lines.append({"check": check, "map_class": name, **compare(own, ranked(other[:, label]), max_shared)})
        # Gradients of the margin differ between the classes in their sign only: there is nothing to check.
        if not np.array_equal(np.abs(true[:, 0]), np.abs(true[:, 1])):
            other = ranked(true[:, 1 - label])
            lines.append({"check": "other_class", "map_class": name, **compare(own, other, max_shared)})
    return lines


def deletion_lines(checks):
    """Verdict on deletion: does the score fall faster than with features in random order?

    Parameters
    ----------
    checks : DataFrame
        `gcamccl.activation.checks.COLUMNS`, of one view.

    Returns
    -------
    list of dict
        ``method``, ``check`` ("deletion"), ``map_class`` ("said"), ``likeness`` (area under the curve of the fall: the
        mean over the fractions), ``other`` (that of random order), ``shared`` (their ratio), ``low``, ``high`` (of it),
        ``n_splits``, ``verdict``: passes where the random order's fall is surely less than the map's, fails otherwise.
    """
    falls = checks[checks["check"] == "deletion"].pivot_table("value", "replicate", "method", aggfunc="mean")
    lines = []
    for method in (name for name in falls.columns if name != RANDOM):
        pair = falls[[method, RANDOM]].dropna().to_numpy()
        share, low, high = jackknife(lambda splits, pair=pair: _ratio(pair[splits]), len(pair))
        own, random = pair.mean(axis=0) if len(pair) else (np.nan, np.nan)
        # Where the score does not fall there is no ratio, and the check fails.
        judged = "passes" if high < 1 else "fails"
        if len(pair) < FEWEST_SPLITS:
            judged = "nothing to judge"
        lines.append(
            {
                "method": method,
                "check": "deletion",
                "map_class": "said",
                "likeness": own,
                "other": random,
                "shared": share,
                "low": low,
                "high": high,
                "n_splits": len(pair),
                "verdict": judged,
            }
        )
    return lines


def _ratio(pair):
    """Random order's fall over the map's, means over splits; NaN where the map's is not positive."""
    own, random = pair.mean(axis=0) if len(pair) else (np.nan, np.nan)
    return random / own if own > 0 else np.nan


def summarise(checks):
    """Curves for the figures: mean and SD over replicates of every value of the checks.

    Returns
    -------
    DataFrame
        ``view``, ``method``, ``check``, ``level``, ``map_class``, ``mean``, ``sd``, ``n_splits``.
    """
    place = ["view", "method", "check", "level", "map_class"]
    values = checks.astype({"value": float}).groupby(place, sort=False)["value"]
    return values.agg(mean="mean", sd="std", n_splits="count").reset_index()


def table(means, checks, max_shared):
    """All lines.

    Parameters
    ----------
    means : dict of (str, str) to dict of str to ndarray (splits, 2, features)
        (method, view) -> ``true``, ``permuted``, ``untrained``: mean maps split by split, in the same order; the last
        two may be missing.
    checks : DataFrame
        `gcamccl.activation.checks.COLUMNS`.
    max_shared : float

    Returns
    -------
    DataFrame
        `COLUMNS`.
    """
    lines = []
    for (method, view), maps in means.items():
        for line in map_checks(maps["true"], maps.get("permuted"), maps.get("untrained"), max_shared):
            lines.append({"method": method, "view": view, **line})
    for view, rows in checks.groupby("view", sort=False):
        lines += [{"view": view, **line} for line in deletion_lines(rows)]
    return pd.DataFrame(lines, columns=COLUMNS)
