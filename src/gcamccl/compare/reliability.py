"""Are the probabilities what they say? Logistic recalibration, expected calibration error, reliability bins."""

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from gcamccl.compare.intervals import wilson

BINS = 10  # of equal width (Guo et al. 2017 take 15 for thousands of people)
# Probabilities are kept this far from 0 and 1: their logit must be finite. That of float32's step below 1.
CLOSEST = 2.0**-24
STEPS, CONVERGED = 100, 1e-10  # of Newton's method; a maximum that exists is found in about 10
SEPARATED = 50.0  # a slope beyond it: probabilities part the classes, and no maximum exists


@dataclass(frozen=True)
class Recalibration:
    """Logistic recalibration with intervals for people who are tested repeatedly.

    Attributes
    ----------
    slope, slope_low, slope_high : float
        b of logit P(high) = a + b logit(p_high); 1: calibrated, below 1: probabilities too extreme (overconfident),
        0 or below: they tell nothing, or the wrong way. NaN: not estimable (classes parted, or one probability only).
    intercept, intercept_low, intercept_high : float
        a with b fixed at 1 (calibration in the large): 0 calibrated, below 0: high is named too probable.
    """

    slope: float = np.nan
    slope_low: float = np.nan
    slope_high: float = np.nan
    intercept: float = np.nan
    intercept_low: float = np.nan
    intercept_high: float = np.nan


def recalibration(labels, probabilities, people, confidence):
    """Calibration slope and intercept (Cox 1958; Van Calster et al. 2019), standard errors clustered by person.

    Parameters
    ----------
    labels : array_like of {0, 1} (n,)
    probabilities : array_like of float (n,)
        0 to 1.
    people : array_like (n,)
        Who: the predictions of one person in several splits share that person's label.
    confidence : float

    Returns
    -------
    Recalibration
    """
    labels = np.asarray(labels, float)
    x = logit(np.clip(np.asarray(probabilities, float), CLOSEST, 1 - CLOSEST))
    _, cluster = np.unique(np.asarray(people, dtype=object).astype(str), return_inverse=True)
    if len(labels) < 2 or labels.min() == labels.max():
        return Recalibration()
    z = stats.norm.isf((1 - confidence) / 2)
    found = {}
    for name, design, offset, place in (
        ("intercept", np.ones((len(x), 1)), x, 0),
        ("slope", np.column_stack([np.ones(len(x)), x]), np.zeros(len(x)), 1),
    ):
        fitted = _logistic(labels, design, offset, cluster)
        if fitted is not None:
            value, error = fitted[0][place], fitted[1][place]
            found |= {name: value, f"{name}_low": value - z * error, f"{name}_high": value + z * error}
    return Recalibration(**{name: float(value) for name, value in found.items()})


def _logistic(labels, design, offset, cluster):
    """Maximum-likelihood coefficients and clustered standard errors (sandwich, G/(G-1)); None where there is none."""
    beta = np.zeros(design.shape[1])
    for _ in range(STEPS):
        p = expit(design @ beta + offset)
        information = (design * (p * (1 - p))[:, None]).T @ design
        if not np.linalg.cond(information) < 1 / np.finfo(float).eps:
            return None
        step = np.linalg.solve(information, design.T @ (labels - p))
        beta = beta + step / max(1.0, np.abs(step).max() / 2)  # at most 2 at a time: full steps can run away
        if np.abs(beta).max() > SEPARATED:
            return None
        if np.abs(step).max() < CONVERGED:
            break
    else:
        return None
    groups = cluster.max() + 1
    scores = np.zeros((groups, design.shape[1]))
    np.add.at(scores, cluster, design * (labels - p)[:, None])
    inverse = np.linalg.inv(information)
    if groups < 2:
        return beta, np.full(len(beta), np.nan)
    covariance = inverse @ (scores.T @ scores) @ inverse * groups / (groups - 1)
    return beta, np.sqrt(np.diag(covariance))


def reliability_bins(labels, probabilities, people, confidence, bins=BINS):
    """Reliability bins of equal width: how often is a probability right?

    Parameters
    ----------
    labels, probabilities, people : array_like (n,)
        As for `recalibration`.
    confidence : float
    bins : int

    Returns
    -------
    dict of str to ndarray (bins,)
        lower, upper (of the bin; the last includes 1), n (predictions), n_people (different ones), p_high (mean
        probability), observed (share of high), low, high (Wilson interval of `observed`, for `n_people`: many
        predictions of one person count as one). NaN in empty bins.
    """
    labels, p = np.asarray(labels, float), np.asarray(probabilities, float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    n = np.bincount(place, minlength=bins)
    _, who = np.unique(np.asarray(people, dtype=object).astype(str), return_inverse=True)
    pairs = np.unique(place.astype(np.int64) * (len(p) + 1) + who)
    n_people = np.bincount(pairs // (len(p) + 1), minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, p, bins) / n
        observed = np.bincount(place, labels, bins) / n
    low, high = wilson(observed, n_people, confidence)
    edges = np.arange(bins + 1) / bins
    return {
        "lower": edges[:-1],
        "upper": edges[1:],
        "n": n,
        "n_people": n_people,
        "p_high": mean,
        "observed": observed,
        "low": low,
        "high": high,
    }


def expected_calibration_error(bins):
    """Mean distance of observed shares from mean probabilities, weighted by predictions (Naeini et al. 2015).

    With few people calibrated probabilities have one, too: `error_by_chance`.
    """
    gaps = np.abs(bins["observed"] - bins["p_high"])
    return float(np.nansum(gaps * bins["n"]) / bins["n"].sum())


def error_by_chance(bins):
    """Expected calibration error that calibrated probabilities would have, by the number of people in each bin.

    The mean absolute value of a normal variable is sqrt(2 / pi) standard errors.
    """
    p = bins["p_high"]
    with np.errstate(invalid="ignore", divide="ignore"):
        gaps = np.sqrt(2 / np.pi * p * (1 - p) / bins["n_people"])
    return float(np.nansum(gaps * bins["n"]) / bins["n"].sum())
