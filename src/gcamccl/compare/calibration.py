"""Probabilities from decision values."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

# Slope for decision values of SD 1 that a fit may not go below: more decision value is never less probable, also where
# the few people fitted on say otherwise.
SMALLEST_SLOPE = 1e-3


def platt(decision, labels):
    """Sigmoid of decision values, fitted as Platt did (1999, Advances in Large Margin Classifiers).

    The targets are (high + 1) / (high + 2) and 1 / (low + 2) rather than 1 and 0: with few people a probability stays
    away from both ends.

    Parameters
    ----------
    decision : ndarray of float (n,)
        Larger: more likely high.
    labels : ndarray of {0, 1} (n,)

    Returns
    -------
    slope, offset : float
        The probability of high is ``expit(slope * decision + offset)``; the slope is positive.
    """
    decision, labels = np.asarray(decision, float), np.asarray(labels) == 1
    high, low = labels.sum(), (~labels).sum()
    target = np.where(labels, (high + 1) / (high + 2), 1 / (low + 2))
    middle, scale = decision.mean(), decision.std() or 1.0
    x = (decision - middle) / scale

    def cost(parameters):
        z = parameters[0] * x + parameters[1]
        error = expit(z) - target
        return (np.logaddexp(0, z) - target * z).sum(), np.array([error @ x, error.sum()])

    bounds = [(SMALLEST_SLOPE, None), (None, None)]
    fitted = minimize(
        cost, [1.0, 0.0], jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-14, "gtol": 1e-9}
    )
    slope = fitted.x[0] / scale
    return float(slope), float(fitted.x[1] - slope * middle)
