"""Which candidate: chosen on the validation part, or by cross-validation inside the training part.

Candidates are ranked by AUC, of equals by balanced accuracy, of equals by the Brier score of those that give
probabilities (else a model so regularised that it says nearly one half of everybody wins over one that is as right and
says so), then the first (more regularised).
"""

from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.special import expit
from sklearn.model_selection import StratifiedGroupKFold

from gcamccl.cohort import TEST, TRAIN, VALIDATION
from gcamccl.compare.calibration import platt
from gcamccl.compare.classifiers import outcomes
from gcamccl.compare.metrics import area_under_curve, recalls
from gcamccl.workflow.errors import InputError

SELECTIONS = ("validation", "cross_validation")
FOLDS = 5
UNKNOWN = -1  # label of test people: nothing that is fitted or chosen can use it


@dataclass(frozen=True)
class Scores:
    """What the chosen model says of everybody.

    Attributes
    ----------
    p_high : ndarray of float (n,)
        Probability of high; calibrated on the validation part where the model gives none of its own.
    predicted : ndarray of int8 (n,)
        The model's own decision: 1 high.
    candidate : int
        Number of the chosen candidate.
    """

    p_high: np.ndarray
    predicted: np.ndarray
    candidate: int


def merit(labels, decision, probability=None):
    """How good a candidate is, to be compared from left to right; larger is better.

    Parameters
    ----------
    labels : ndarray of int (n,)
        1 high.
    decision : ndarray of float (n,)
        Above 0: high.
    probability : ndarray of float (n,), optional
        Of high.

    Returns
    -------
    auc, balanced_accuracy : float
        0.5 each where all labels are equal.
    minus_brier : float
        0 without probabilities: all candidates of a method give them, or none.
    """
    labels = labels == 1
    if labels.all() or not labels.any():
        return 0.5, 0.5, 0.0
    area, balanced = area_under_curve(labels, decision), sum(recalls(labels, decision > 0)) / 2
    minus_brier = 0.0 if probability is None else -float(((probability - labels) ** 2).mean())
    # Equal up to rounding is equal: an AUC's steps are 1 / (low x high).
    return round(area, 9), round(balanced, 9), round(minus_brier, 9)


def _merit(outcome, labels, rows):
    """`merit` of one fitted candidate on some people."""
    probability = None if outcome.probability is None else outcome.probability[rows]
    return merit(labels[rows], outcome.decision[rows], probability)


def inner_folds(labels, units, seed):
    """Stratified folds that keep relatives together.

    Parameters
    ----------
    labels : ndarray of int (t,)
    units : ndarray of int (t,)
        People of one number stay together.
    seed : int

    Returns
    -------
    list of tuple of ndarray
        ``(fit, judge)``, numbers of people; only folds of which both have both classes. Fewer than `FOLDS` folds where
        a class has fewer people, none where it has one.
    """
    count = min(FOLDS, int(np.bincount(labels, minlength=2).min()), len(np.unique(units)))
    if count < 2:
        return []
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(labels, labels, units)
    return [(fit, judge) for fit, judge in folds if all(len(np.unique(labels[part])) == 2 for part in (fit, judge))]


def _best(ranks):
    """Number of the best candidate; the first of equals."""
    return max(range(len(ranks)), key=lambda number: (ranks[number], -number))


def fit_predict(method, designs, labels, parts, seed, selection="validation", units=None):
    """Fit a method's candidates on the training part, choose one, and score everybody.

    Parameters
    ----------
    method : str
        As `gcamccl.compare.classifiers.design` takes.
    designs : list of ndarray (n, columns)
        As it returns.
    labels : ndarray of int (n,)
        Those of the test part are not looked at.
    parts : ndarray of int (n,)
        0 train, 1 validation, 2 test.
    seed : int
    selection : {'validation', 'cross_validation'}
        Chosen on the validation part, or by stratified cross-validation inside the training part. Fitted on the whole
        training part either way, calibrated on the validation part either way.
    units : ndarray of int (n,), optional
        People of one number stay together in the folds; None: nobody is related.

    Returns
    -------
    Scores

    Raises
    ------
    InputError
        The training part has one class only.
    """
    labels = np.where(parts == TEST, UNKNOWN, labels)
    train, validation = np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == VALIDATION)
    if len(np.unique(labels[train])) < 2:
        raise InputError("cohort", "a training part has people of one class only", "add people")
    if selection == "validation":
        best, rank, chosen = 0, None, None
        for number, outcome in enumerate(outcomes(method, designs, labels, train, seed)):
            now = _merit(outcome, labels, validation)
            if rank is None or now > rank:
                best, rank, chosen = number, now, outcome
    else:
        units = np.arange(len(labels)) if units is None else units
        ranks = []
        for fit, judge in inner_folds(labels[train], units[train], seed):
            fold = outcomes(method, designs, labels, train[fit], seed)
            ranks.append([_merit(outcome, labels, train[judge]) for outcome in fold])
        best = _best([tuple(np.round(np.mean(rank, axis=0), 9)) for rank in zip(*ranks, strict=True)]) if ranks else 0
        chosen = next(islice(outcomes(method, designs, labels, train, seed), best, None))
    p_high = chosen.probability
    if p_high is None:
        slope, offset = platt(chosen.decision[validation], labels[validation])
        p_high = expit(slope * chosen.decision + offset)
    return Scores(p_high, (chosen.decision > 0).astype(np.int8), best)
