"""What the classical classifiers see: both views side by side, scaled on the training part, in few coordinates."""

from dataclasses import dataclass

import numpy as np

from gcamccl.model.network import VIEWS
from gcamccl.workflow.errors import InputError

# Directions of the training part with a smaller share of its largest variance than this are rounding: data are float32.
SMALLEST_VARIANCE = 1e-9
COLUMNS_AT_ONCE = 1024  # scaled and multiplied: few enough for the cache (half the time of all at once)


def raw_features(fc, dosage, views=VIEWS):
    """Features of the views in use.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        None missing. Not looked at where `views` lacks connectivity.
    dosage : ndarray of float32 (n, L)
        Not looked at where `views` lacks snps.
    views : sequence of str
        The setting ``train.views``.

    Returns
    -------
    dict of str to ndarray
        In the order of `VIEWS`. ``connectivity``: float32 (n, R (R - 1) / 2) in the order of
        ``numpy.triu_indices(R, 1)``; ``snps``: `dosage`.
    """
    features = {}
    if "connectivity" in views:
        above = np.triu_indices(fc.shape[1], 1)
        features["connectivity"] = fc[:, above[0], above[1]]
    if "snps" in views:
        features["snps"] = dosage
    return features


def check_finite(values):
    """A missing or infinite value of features (n, columns) is an InputError: trees would take it for a number."""
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise InputError("features of compare", f"row {row} has values that are not finite", "fill or exclude them")


def standardise(values, train_rows):
    """Features of mean 0 and variance 1 over the training part; those that are constant there are 0 for everybody.

    Parameters
    ----------
    values : ndarray of float (n, features)
    train_rows : ndarray of int

    Returns
    -------
    ndarray of float64 (n, features)
    """
    train = values[train_rows]
    mean, sd = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    constant = sd < 1e-6 * np.maximum(np.abs(mean), 1)  # rounding leaves constants a tiny SD
    z = values - mean
    z /= np.where(constant, 1, sd)
    z[:, constant] = 0
    return z


@dataclass(frozen=True)
class Products:
    """Inner products of everybody with the training people, all that SVMs and L2-penalised linear models depend on.

    Attributes
    ----------
    with_train : ndarray of float64 (n, t)
    squares : ndarray of float64 (n,)
        Squared norms.
    n_features : int
    """

    with_train: np.ndarray
    squares: np.ndarray
    n_features: int


def inner_products(values, train_rows):
    """Inner products of one view's standardised features.

    Parameters
    ----------
    values : ndarray of float (n, features)
    train_rows : ndarray of int (t,)

    Returns
    -------
    Products

    Raises
    ------
    InputError
        A value is missing or infinite.
    """
    check_finite(values)
    gram = np.zeros((len(values), len(values)))
    for first in range(0, values.shape[1], COLUMNS_AT_ONCE):
        z = standardise(values[:, first : first + COLUMNS_AT_ONCE], train_rows)
        gram += z @ z.T  # of everybody: symmetric, which costs half
    return Products(gram[:, train_rows], gram.diagonal(), values.shape[1])


def coordinates(products, train_rows, balanced):
    """All views together in few columns: the row space of the training part, and the distance from it as one more.

    Inner products and distances between a training person and anybody are those of all features side by side, so SVMs
    (linear and RBF) and L2-penalised linear models give the same predictions from these columns (representer theorem).
    Their order is that of the training part's principal components.

    Parameters
    ----------
    products : list of Products
        One a view.
    train_rows : ndarray of int (t,)
    balanced : bool
        Give each view the same total variance, so that tens of thousands of connections do not drown hundreds of
        loci; else every feature has the same variance.

    Returns
    -------
    ndarray of float64 (n, at most t + 1)
        Mean 0 and mean squared norm 1 over `train_rows`.
    """
    weights = [1 / one.n_features if balanced else 1.0 for one in products]
    with_train = sum(weight * one.with_train for weight, one in zip(weights, products, strict=True))
    squares = sum(weight * one.squares for weight, one in zip(weights, products, strict=True))
    norm = squares[train_rows].mean() or 1.0
    with_train, squares = with_train / norm, squares / norm
    variances, directions = np.linalg.eigh(with_train[train_rows])
    variances, directions = variances[::-1], directions[:, ::-1]
    # A direction's sign is arbitrary; the MLP's start depends on it, so it is made the same everywhere.
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(len(train_rows))]
    directions = directions * np.where(largest < 0, -1, 1)
    kept = variances > SMALLEST_VARIANCE * max(variances[0], 0)
    inside = with_train @ (directions[:, kept] / np.sqrt(variances[kept]))
    rest = squares - (inside**2).sum(axis=1)
    rest[train_rows] = 0
    return np.column_stack([inside, np.sqrt(np.maximum(rest, 0))])
