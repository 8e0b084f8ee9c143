"""The classifiers gCAM-CCL is compared with (paper, section III-C and Table III).

All of them see what the network sees: fitted and scaled on the training part, chosen on the validation part, judged on
the test part. Where hyper-parameters are chosen, it is by the validation AUC; of equals the first candidate wins, and
candidates go from the more to the less regularised.
"""

import warnings

import numpy as np
from scipy.special import expit
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from gcamccl.cohort import TRAIN, VALIDATION
from gcamccl.model.network import VIEWS
from gcamccl.workflow.errors import InputError

PENALTIES = (0.1, 1.0, 10.0, 100.0)  # C of SVM and logistic regression, for features of unit mean squared norm
TREES = 500
HIDDEN = 64  # units of the MLP, as wide as one branch's embedding
COMPONENTS = 50  # the MLP sees this many principal components at most


def raw_features(fc, dosage, views=VIEWS):
    """The views that the classical methods see side by side: those that the network sees.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        Nothing missing. None: a study without scans.
    dosage : ndarray of float32 (n, L)
        None: a study without genotypes.
    views : sequence of str
        The setting ``train.views``.

    Returns
    -------
    list of ndarray
        Of the views in use: connections, float32 (n, R (R - 1) / 2) in the order of ``numpy.triu_indices(R, 1)``, and
        dosages (n, L).
    """
    features = {"snps": dosage}
    if fc is not None:
        above = np.triu_indices(fc.shape[1], 1)
        features["connectivity"] = fc[:, above[0], above[1]]
    return [features[view] for view in VIEWS if view in views]


def concatenate(views, train_rows, balanced):
    """Views standardised on the training part and put side by side.

    Parameters
    ----------
    views : list of ndarray (n, features)
    train_rows : ndarray of int
    balanced : bool
        Give each view the same total variance, so that tens of thousands of connections do not drown hundreds of
        loci; else every feature has the same variance.

    Returns
    -------
    ndarray of float32 (n, all features)
        Mean 0 and mean squared norm 1 over `train_rows`; features that are constant there are 0.
    """
    scaled = []
    for values in views:
        mean = values[train_rows].mean(axis=0, dtype=np.float64)
        sd = values[train_rows].std(axis=0, dtype=np.float64)
        constant = sd < 1e-6 * np.maximum(np.abs(mean), 1)  # rounding leaves constants a tiny SD
        z = (values - mean) / np.where(constant, 1, sd)
        z[:, constant] = 0
        scaled.append((z / np.sqrt(values.shape[1]) if balanced else z).astype(np.float32))
    features = np.concatenate(scaled, axis=1)
    norm = np.sqrt((features[train_rows] ** 2).sum(axis=1, dtype=np.float64).mean()) or 1.0
    return features / np.float32(norm)


def _probability(model, features):
    """Score in 0..1 whose 0.5 is the model's own boundary; of an SVM the logistic of its margin (not calibrated)."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba(features)[:, 1]
    return expit(model.decision_function(features))


def _svms(seed):
    """Support vector machines to choose from."""
    return [SVC(C=c, kernel=kernel, random_state=seed) for kernel in ("linear", "rbf") for c in PENALTIES]


def _forests(seed):
    """Random forests to choose from."""
    return [RandomForestClassifier(TREES, min_samples_leaf=leaf, random_state=seed, n_jobs=1) for leaf in (3, 1)]


def _trees(seed):
    """Decision trees to choose from."""
    return [DecisionTreeClassifier(max_depth=depth, random_state=seed) for depth in (2, 4, None)]


def _logistics(seed):
    """Logistic regressions (L2) to choose from."""
    return [LogisticRegression(C=c, max_iter=2000, random_state=seed) for c in PENALTIES]


def rotate(features, train_rows):
    """Coordinates in the row space of the training part, and the distance from it as one more.

    All inner products and distances between a training person and anybody stay what they are, so SVMs (linear and
    RBF) and L2-penalised linear models give the same predictions from these few columns as from all features
    (representer theorem).

    Parameters
    ----------
    features : ndarray of float (n, many)
    train_rows : ndarray of int (t,)

    Returns
    -------
    ndarray of float64 (n, min(t, many) + 1)
    """
    _, _, directions = np.linalg.svd(features[train_rows], full_matrices=False)
    inside = features.astype(np.float64) @ directions.T.astype(np.float64)
    rest = (features.astype(np.float64) ** 2).sum(axis=1) - (inside**2).sum(axis=1)
    rest[train_rows] = 0
    return np.column_stack([inside, np.sqrt(np.maximum(rest, 0))])


def _hidden_layers(features, labels, train_rows, seed):
    """Hidden layer of MLPs trained on principal components of the training part, one array a candidate.

    Components rather than raw features keep the number of weights below what a few hundred people can fit. The
    number of iterations is fixed: it regularises, so not reaching convergence is no fault.
    """
    train = features[train_rows]
    pca = PCA(min(COMPONENTS, len(train) - 1), svd_solver="full").fit(train)
    x = pca.transform(features)
    x = x / (x[train_rows].std() or 1.0)
    for alpha in (1.0, 0.01):
        mlp = MLPClassifier((HIDDEN,), alpha=alpha, max_iter=200, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            mlp.fit(x[train_rows], labels[train_rows])
        yield np.maximum(x @ mlp.coefs_[0] + mlp.intercepts_[0], 0)


def _candidates(method, views, labels, train_rows, seed):
    """Pairs of features (n, columns) and models to choose from."""
    if method in ("ccl_svm", "ccl_rf"):
        features = concatenate(views, train_rows, balanced=False)
        for model in _svms(seed) if method == "ccl_svm" else _forests(seed):
            yield features, model
    elif method in ("dt", "rf"):  # trees do not care for scale
        features = np.concatenate(views, axis=1)
        for model in _trees(seed) if method == "dt" else _forests(seed):
            yield features, model
    elif method == "mlp_svm":
        for hidden in _hidden_layers(concatenate(views, train_rows, balanced=True), labels, train_rows, seed):
            for model in _svms(seed):
                yield hidden, model
    else:
        for balanced in (True, False):
            features = rotate(concatenate(views, train_rows, balanced), train_rows)
            for model in _svms(seed) if method == "svm" else _logistics(seed):
                yield features, model


def fit_predict(method, views, labels, parts, seed):
    """Fit one classifier on the training part and score everybody.

    Parameters
    ----------
    method : {'ccl_svm', 'ccl_rf', 'mlp_svm', 'svm', 'dt', 'rf', 'logist'}
    views : list of ndarray (n, features)
        `raw_features`, or for ``ccl_*`` the network's embeddings alone. None missing.
    labels : ndarray of int (n,)
    parts : ndarray of int (n,)
        0 train, 1 validation, 2 test. Labels of the test part are not looked at.
    seed : int

    Returns
    -------
    ndarray of float64 (n,)
        Score in 0..1; above 0.5 is high.

    Raises
    ------
    InputError
        The training part has one class only (possible for permuted labels of a tiny study).
    """
    train, validation = np.flatnonzero(parts == TRAIN), np.flatnonzero(parts == VALIDATION)
    if len(np.unique(labels[train])) < 2:
        raise InputError("cohort", "a training part has people of one class only", "add people")
    best, best_score = None, -np.inf
    both = len(np.unique(labels[validation])) == 2
    for features, model in _candidates(method, views, labels, train, seed):
        model.fit(features[train], labels[train])
        score = roc_auc_score(labels[validation], _probability(model, features[validation])) if both else 0.5
        if score > best_score:
            best, best_score = (features, model), score
    return _probability(best[1], best[0])
