"""Nominate and confirm: features that a network names on one half of the people, tested on the other half.

Each of several random halvings gives two one-sided tests of a feature, one a half, in the direction that the network
trained on the other half says; only the top share of its features is tested there. The tests of all halves are combined
by the Cauchy rule (Liu and Xie 2020), which needs no independence and, other than a median, keeps the power of the
halves that do see a feature; twice that p, as far as simulations call for (docs/decisions), goes into Benjamini and
Hochberg's procedure. The confirming half has no say in what is nominated, so a network that has learned nothing, or
something else, makes the selection empty, not wrong.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from gcamccl.threshold.univariate import bh

SAFETY = (
    2.0  # on the combined p; without it 10 to 15 % of 350 pure null studies had a selection at q 0.1, with it 4 to 9 %
)
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
        Benjamini and Hochberg over all features.
    direction : ndarray of int8 (features,)
        1: larger in high, -1: larger in low, 0: never nominated; that of the halves with the most evidence.
    stability : ndarray of float64 (features,)
        Share of the halves that nominate the feature in that direction.
    """

    p: np.ndarray
    q: np.ndarray
    direction: np.ndarray
    stability: np.ndarray


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


def confirmed(importance, values, labels, rows, covariates, share):
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

    Returns
    -------
    p : ndarray of float64 (features,)
        ``share`` times the one-sided p, at most 1: weighted as if a hypothesis that is not nominated had weight 0, the
        others 1 / share (Genovese, Roeder and Wasserman 2006). 1 where not nominated or not testable.
    direction : ndarray of int8 (features,)
        -1 or 1; 0 where not nominated.
    """
    count = max(1, round(share * len(importance)))
    order = np.argsort(-np.abs(importance), kind="stable")[:count]
    order = order[importance[order] != 0]
    p, direction = np.ones(len(importance)), np.zeros(len(importance), dtype=np.int8)
    direction[order] = np.sign(importance[order])
    chosen = np.flatnonzero(direction)
    own = None if covariates is None else covariates[rows]
    for features in np.array_split(chosen, max(1, -(-len(chosen) // CHUNK))):
        t, dof = adjusted_t(values(features)[rows], labels[rows], own)
        p[features] = np.nan_to_num(one_sided(t, dof, direction[features]), nan=1.0)
    p[chosen] *= count / len(importance)
    return p, direction


def cauchy(p):
    """Cauchy combination of dependent p along the first axis (Liu and Xie 2020), p above `LARGEST` counting as that."""
    p = np.clip(p, 1e-300, LARGEST)
    small = p < TINY
    score = np.where(small, 1 / (p * np.pi), np.tan((0.5 - np.where(small, 0.5, p)) * np.pi))
    return stats.cauchy.sf(score.mean(axis=0))


def combine(p, direction):
    """Everything that the halves say.

    Parameters
    ----------
    p : ndarray of float (halves, features)
    direction : ndarray of int8 (halves, features)
        Both as from `confirmed`.

    Returns
    -------
    Confirmation
    """
    named = (direction != 0).any(axis=0)
    combined = np.where(named, np.minimum(1, SAFETY * cauchy(p)), 1.0)
    evidence = (direction * -np.log(np.clip(p, 1e-300, 1))).sum(axis=0)
    # Halves that nominate but do not confirm bring no evidence; then the more frequent direction.
    final = np.sign(np.where(evidence != 0, evidence, direction.sum(axis=0, dtype=float))).astype(np.int8)
    stability = ((direction == final) & (final != 0)).mean(axis=0)
    return Confirmation(combined, bh(combined), final, stability)


def groups(p, group):
    """Confirmation of groups of features (network pairs, LD blocks): the Cauchy combination of their features' p.

    Parameters
    ----------
    p : ndarray of float64 (features,)
        `Confirmation.p`.
    group : ndarray of int (features,)
        0 to groups - 1.

    Returns
    -------
    p, q : ndarray of float64 (groups,)
        q: Benjamini and Hochberg over the groups.
    """
    order = np.argsort(group, kind="stable")
    parts = np.split(p[order], np.flatnonzero(np.diff(group[order])) + 1)
    found = np.array([1.0 if (part >= 1).all() else cauchy(part) for part in parts])
    return found, bh(found)
