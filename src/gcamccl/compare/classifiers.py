"""The classifiers gCAM-CCL is compared with (paper, section III-C and Table III).

All of them see what the network sees: fitted and scaled on the training part, judged on the test part. How their
hyper-parameters are chosen: `gcamccl.compare.selection`. Candidates go from the more to the less regularised.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from gcamccl.compare.features import check_finite, coordinates, inner_products
from gcamccl.compare.trees import cut_probabilities

# For features of unit mean squared norm. Below and above these ranges nothing changes any more (docs/decisions).
SVM_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)  # C of linear SVMs
RBF_PENALTIES = (1.0, 10.0, 100.0)
RBF_GAMMAS = (0.2, 1.0)  # the mean squared distance of two training people is 2
LOGISTIC_PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
TREES = 500
TREE_DEPTHS = (1, 2, 4, None)
FOREST_DEPTHS = (2, 4, None)
HIDDEN = 64  # units of the MLP, as wide as one branch's embedding
MLP_PENALTIES = (10.0, 1.0)  # alpha
MLP_EPOCHS = 200

KERNEL_METHODS = ("svm", "logist", "confounds")
ON_EMBEDDING = ("ccl_svm", "ccl_rf")
TREE_METHODS = ("dt", "rf")


@dataclass(frozen=True)
class Outcome:
    """What one fitted candidate says of people.

    Attributes
    ----------
    decision : ndarray of float (n,)
        Above 0: the model itself says high. Larger: more likely high.
    probability : ndarray of float (n,) or None
        Of high, where the model gives one.
    """

    decision: np.ndarray
    probability: np.ndarray | None


def design(method, views, train_rows):
    """What a method needs of the features, whatever the labels.

    Parameters
    ----------
    method : {'ccl_svm', 'ccl_rf', 'mlp_svm', 'svm', 'dt', 'rf', 'logist', 'confounds'}
    views : list of ndarray (n, features), or of Products
        None missing. Products save time where they are known; trees need the features themselves.
    train_rows : ndarray of int

    Returns
    -------
    list of ndarray (n, columns)
        Ways to scale the features, to choose from; for trees the features as they are, float32, column after column.
    """
    if method in (*TREE_METHODS, "ccl_rf"):  # trees do not care for scale
        features = np.concatenate(views, axis=1)
        check_finite(features)
        return [np.asfortranarray(features, dtype=np.float32)]
    products = [one if hasattr(one, "with_train") else inner_products(one, train_rows) for one in views]
    # Views of equally many features, as the network's branches are, have the same variance either way.
    scalings = (True, False) if len({one.n_features for one in products}) > 1 else (True,)
    return [coordinates(products, train_rows, balanced) for balanced in scalings]


def _svms(features, labels, rows):
    """Support vector machines, linear and RBF; both classes weigh the same."""
    grid = [("linear", "scale", penalty) for penalty in SVM_PENALTIES]
    grid += [("rbf", gamma, penalty) for gamma in RBF_GAMMAS for penalty in RBF_PENALTIES]
    for kernel, gamma, penalty in grid:
        model = SVC(C=penalty, kernel=kernel, gamma=gamma, class_weight="balanced")
        model.fit(features[rows], labels[rows])
        yield Outcome(model.decision_function(features), None)


def _logistics(features, labels, rows):
    """Logistic regressions with an L2 penalty; both classes weigh the same."""
    for penalty in LOGISTIC_PENALTIES:
        model = LogisticRegression(C=penalty, solver="newton-cholesky", tol=1e-8, class_weight="balanced")
        model.fit(features[rows], labels[rows])
        yield Outcome(model.decision_function(features), model.predict_proba(features)[:, 1])


def _trees(features, labels, rows, model, depths):
    """A tree or forest, cut at several depths; both classes weigh the same."""
    model.fit(features[rows], labels[rows])
    for share in cut_probabilities(getattr(model, "estimators_", [model]), features, depths):
        yield Outcome(share - 0.5, share)


def _hidden_layers(features, labels, rows, seed):
    """Hidden layer of MLPs trained in the row space of the training part, one array a candidate.

    It holds all that the training people differ in, in as many numbers as there are people; its leading 50 principal
    components alone lose what small differences tell (docs/decisions). The number of epochs is fixed: it regularises,
    so not reaching convergence is no fault.
    """
    # Without the distance from the row space: it is 0 in training, so its weights would stay what they are at random.
    x = features[:, : max(1, features.shape[1] - 1)]
    x = x / (x[rows].std() or 1.0)
    for penalty in MLP_PENALTIES:
        mlp = MLPClassifier((HIDDEN,), alpha=penalty, max_iter=MLP_EPOCHS, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mlp.fit(x[rows], labels[rows])
        hidden = np.maximum(x @ mlp.coefs_[0] + mlp.intercepts_[0], 0)
        yield hidden / (np.sqrt((hidden[rows] ** 2).sum(axis=1).mean()) or 1.0)


def outcomes(method, designs, labels, rows, seed):
    """Fit the candidates of a method one after the other.

    Parameters
    ----------
    method : str
    designs : list of ndarray
        As `design` returns.
    labels : ndarray of int (n,)
    rows : ndarray of int
        People to fit on; of the others only features are used.
    seed : int

    Yields
    ------
    Outcome
        Of everybody; always the same number of them, in the same order.
    """
    for features in designs:
        if method in KERNEL_METHODS:
            yield from (_svms if method == "svm" else _logistics)(features, labels, rows)
        elif method == "ccl_svm":
            yield from _svms(features, labels, rows)
        elif method == "mlp_svm":
            for hidden in _hidden_layers(features, labels, rows, seed):
                yield from _svms(hidden, labels, rows)
        elif method == "dt":
            model = DecisionTreeClassifier(class_weight="balanced", random_state=seed)
            yield from _trees(features, labels, rows, model, TREE_DEPTHS)
        else:
            model = RandomForestClassifier(TREES, class_weight="balanced", random_state=seed, n_jobs=1)
            yield from _trees(features, labels, rows, model, FOREST_DEPTHS)
