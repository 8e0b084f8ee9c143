"""Nominate and confirm: features that a network names on one half of the people, tested on the other half.

Each of several random halvings gives two one-sided tests of a feature, one a half, in the direction that the network
trained on the other half says; only the top share of its features is tested there. Relatives of one group count once,
with their mean. The tests of all halves that name one direction are combined by the Cauchy rule (Liu and Xie 2020),
which needs no independence and, other than a median, keeps the power of the halves that do see a feature. Twice the
better direction's p, as much as simulations call for (docs/decisions), goes into Benjamini and Hochberg's procedure.
The confirming half has no say in what is nominated, so a network that has learned nothing, or something else, makes the
selection empty, not wrong. A study with several views selects from any of them only if it shows that anything differs
at all (`gate`), so that the level holds for the study where nothing does.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from gcamccl.threshold.univariate import bh

# On the combined p: without it 11 to 15 % of pure null views had a selection at q 0.1, with it 3 to 7 %.
SAFETY = 2.0
LARGEST = 0.99  # p that counts as no evidence: at 1 a single half would outweigh all others
TINY = 1e-15  # below it tan is its first term
CHUNK = 16384  # features tested at once: bounds the float64 copies


@dataclass(frozen=True)
class Confirmation:
    """What the halves say of every feature of a view.

    Attributes
    ----------
    p : ndarray of float64 (features,)
        Combined, one-sided in the directions nominated; 1: never nominated, or untestable.
    q : ndarray of float64 (features,)
        Benjamini and Hochberg over all features, but at least ``p_any``.
    direction : ndarray of int8 (features,)
        1: larger in high, -1: larger in low, 0: never nominated; that of the smaller combined p.
    stability : ndarray of float64 (features,)
        Share of the halves that nominate the feature in that direction.
    p_any : float
        Simes' p of the study: does anything differ at all, in this view or, after `gate`, in any? NaN: no features.
    """

    p: np.ndarray
    q: np.ndarray
    direction: np.ndarray
    stability: np.ndarray
    p_any: float


def adjusted_t(values, labels, covariates=None):
    """t of high against low in a linear model of each feature on group and covariates.

    Parameters
    ----------
    values : ndarray of float (people, features)
        NaN: missing; the person is left out of that feature's test.
    labels : ndarray of int (people,)
        1 high, 0 low.
    covariates : ndarray of float (people, covariates), optional
        Beside the intercept, which is always there.

    Returns
    -------
    t : ndarray of float64 (features,)
        Positive where larger in high. NaN where there is nothing to test: no degrees of freedom, or a feature or group
        that the covariates explain.
    dof : ndarray of int64 (features,)
        Residual degrees of freedom.
    """
    constant = np.ones((len(labels), 1))
    design = constant if covariates is None else np.hstack([constant, covariates])
    values = np.asarray(values, dtype=np.float64)
    t, dof = np.full(values.shape[1], np.nan), np.zeros(values.shape[1], dtype=np.int64)
    missing = np.isnan(values)
    whole = ~missing.any(axis=0)
    t[whole], dof[whole] = _partial_t(values[:, whole], labels, design)
    for column in np.flatnonzero(~whole):
        there = ~missing[:, column]
        if there.any():
            one_t, one_dof = _partial_t(values[there, column : column + 1], labels[there], design[there])
            t[column], dof[column] = one_t[0], one_dof
    return t, dof


def _partial_t(values, labels, design):
    """`adjusted_t` of features that nobody misses: the partial correlation with the group, as t."""
    left, size, _ = np.linalg.svd(design, full_matrices=False)
    basis = left[:, size > size[0] * max(design.shape) * np.finfo(float).eps]
    dof = len(labels) - basis.shape[1] - 1
    group = np.asarray(labels, dtype=np.float64)
    group = group - group.mean()
    own = group - basis @ (basis.T @ group)
    rest = values - values.mean(axis=0)
    spread = np.sqrt((rest**2).sum(axis=0))
    rest = rest - basis @ (basis.T @ rest)
    if dof < 1 or own @ own <= 1e-10 * max(group @ group, 1e-300):
        return np.full(values.shape[1], np.nan), max(dof, 0)
    norm = np.sqrt((rest**2).sum(axis=0))
    explained = norm <= 1e-6 * spread  # rounding is all that is left of it
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(explained, np.nan, own @ rest / norm / np.sqrt(own @ own))
        return r * np.sqrt(dof / np.maximum(1 - r**2, 0)), dof


def one_sided(t, dof, direction):
    """p that the feature differs in the direction said, 1 high larger: float64 (features,); NaN: not testable."""
    with np.errstate(invalid="ignore"):
        return stats.t.sf(t * direction, np.maximum(dof, 1))


def household_means(values, labels, unit):
    """Means over relatives of one group, who are not independent; everybody else stays single.

    Parameters
    ----------
    values : ndarray of float (people, columns)
        NaN: missing.
    labels, unit : ndarray of int (people,)

    Returns
    -------
    values : ndarray of float64 (cells, columns)
        Of those who have a value; NaN where nobody in the cell does.
    labels : ndarray of int (cells,)
    """
    cells, place = np.unique(np.stack([unit, labels]), axis=1, return_inverse=True)
    if cells.shape[1] == len(labels):
        return np.asarray(values, dtype=np.float64), labels
    order = np.argsort(place.ravel(), kind="stable")
    starts = np.searchsorted(place.ravel()[order], np.arange(cells.shape[1]))
    known = ~np.isnan(values)
    total = np.add.reduceat(np.where(known, values, 0.0)[order], starts, axis=0)
    count = np.add.reduceat(known[order].astype(np.float64), starts, axis=0)
    with np.errstate(invalid="ignore"):
        return total / np.where(count > 0, count, np.nan), cells[1]


def confirmed(importance, values, labels, rows, covariates, share, unit=None):
    """Tests of one half's nominations by the other half.

    Parameters
    ----------
    importance : ndarray of float (features,)
        The network's; its sign is the direction, larger absolute values are nominated first.
    values : callable
        Numbers of features -> ndarray of float (people, features), everybody.
    labels : ndarray of int (n,)
    rows : ndarray of int
        The confirming half.
    covariates : ndarray of float (n, covariates) or None
    share : float
        Of the features, nominated.
    unit : ndarray of int (n,), optional
        People of one number are related: those of one group count once, with their mean. None: nobody is.

    Returns
    -------
    p : ndarray of float64 (features,)
        ``share`` times the one-sided p, at most ``share``: weighted as if a hypothesis that is not nominated had weight
        0, the others 1 / share (Genovese, Roeder and Wasserman 2006). 1 where not nominated or not testable.
    direction : ndarray of int8 (features,)
        -1 or 1; 0 where not nominated or not testable.
    """
    p, direction = np.ones(len(importance)), np.zeros(len(importance), dtype=np.int8)
    count = min(len(importance), max(1, round(share * len(importance))))
    order = np.argsort(-np.abs(importance), kind="stable")[:count]
    direction[order] = np.sign(importance[order])
    chosen = np.flatnonzero(direction)
    unit = np.arange(len(labels)) if unit is None else unit
    own = None if covariates is None else household_means(covariates[rows], labels[rows], unit[rows])[0]
    for features in np.array_split(chosen, max(1, -(-len(chosen) // CHUNK))):
        cells, group = household_means(values(features)[rows], labels[rows], unit[rows])
        t, dof = adjusted_t(cells, group, own)
        p[features] = one_sided(t, dof, direction[features]) * count / len(importance)
    untestable = np.isnan(p)
    p[untestable], direction[untestable] = 1.0, 0
    return p, direction


def cauchy(p):
    """Cauchy combination of dependent p along the first axis (Liu and Xie 2020), p above `LARGEST` counting as that."""
    p = np.clip(p, 1e-300, LARGEST)
    small = p < TINY
    score = np.where(small, 1 / (p * np.pi), np.tan((0.5 - np.where(small, 0.5, p)) * np.pi))
    return stats.cauchy.sf(score.mean(axis=0))


def combine(p, direction):
    """Everything that the halves say.

    A half speaks for the direction that it nominates only: each direction's p is combined over the halves that nominate
    it, the others counting as no evidence, and the better direction is the feature's.

    Parameters
    ----------
    p : ndarray of float (halves, features)
    direction : ndarray of int8 (halves, features)
        Both as from `confirmed`.

    Returns
    -------
    Confirmation
    """
    of_each = np.stack([cauchy(np.where(direction == sign, p, 1.0)) for sign in (-1, 1)])
    frequent = direction.sum(axis=0, dtype=float)
    # Of equals (nothing speaks for either) the direction that more halves nominate.
    better = np.where(of_each[0] == of_each[1], frequent > 0, of_each[1] < of_each[0])
    final = np.where((direction != 0).any(axis=0), np.where(better, 1, -1), 0).astype(np.int8)
    combined = np.where(final != 0, np.minimum(1, SAFETY * of_each.min(axis=0)), 1.0)
    stability = ((direction == final) & (final != 0)).mean(axis=0)
    q = bh(combined)
    return Confirmation(combined, q, final, stability, float(q.min()) if len(q) else np.nan)


def nothing(size):
    """What no halves say of so many features: missing."""
    missing = np.full(size, np.nan)
    return Confirmation(missing, missing, np.zeros(size, dtype=np.int8), missing, np.nan)


def gate(views):
    """Let no view select anything unless the study as a whole shows that something differs.

    Two views that are each wrong in a tenth of all null studies would together be wrong in nearly two tenths. Closed
    testing costs less than dividing the level: each view keeps its own q once the hypothesis that nothing differs
    anywhere is rejected, by Simes' test of the views' own p.

    Parameters
    ----------
    views : dict of str to Confirmation
        Of one labelling and nominator.

    Returns
    -------
    dict of str to Confirmation
        With the ``p_any`` of all, and each ``q`` at least that.
    """
    own = np.sort([one.p_any for one in views.values() if not np.isnan(one.p_any)])
    p_any = float((own * len(own) / np.arange(1, len(own) + 1)).min()) if len(own) else np.nan
    return {view: replace(one, q=np.fmax(one.q, p_any), p_any=p_any) for view, one in views.items()}


def groups(confirmation, group):
    """Confirmation of groups of features (network pairs, LD blocks): Simes' p of their features' p (Simes 1986).

    Parameters
    ----------
    confirmation : Confirmation
        After `gate`.
    group : ndarray of int (features,)
        0 to groups - 1.

    Returns
    -------
    p, q : ndarray of float64 (groups,)
        q: Benjamini and Hochberg over the groups, but at least ``p_any``.
    """
    p = confirmation.p
    order = np.lexsort([p, group])
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0]) if len(group) else np.zeros(0, dtype=int)
    sizes = np.diff(np.r_[starts, len(group)])
    rank = np.arange(len(group)) - np.repeat(starts, sizes) + 1
    scaled = p[order] * np.repeat(sizes, sizes) / rank
    found = np.minimum.reduceat(scaled, starts) if len(starts) else np.zeros(0)
    return found, np.fmax(bh(found), confirmation.p_any)
