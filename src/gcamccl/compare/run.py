"""One method over all splits and label permutations, on all its features and on each view alone."""

import time
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from gcamccl.cohort import TEST, TRAIN, relatives
from gcamccl.cohort_files import replicate_parts
from gcamccl.compare.classifiers import ON_EMBEDDING, TREE_METHODS, design
from gcamccl.compare.features import inner_products, raw_features
from gcamccl.compare.selection import Scores, fit_predict
from gcamccl.compare.shards import find_embeddings, read_embedding, read_predictions
from gcamccl.confounds import available, confound_features
from gcamccl.model.inputs import fill_missing
from gcamccl.model.network import VIEWS
from gcamccl.workflow.errors import InputError

NEEDS_TRAINING = ("gcamccl", *ON_EMBEDDING)
BETWEEN = "+"  # of the views' names in the column features
LABEL_ROWS_A_TASK = 20  # of one split, for a line of progress each
COLUMNS = {
    "method": str,
    "features": str,
    "split": np.int64,
    "permutation": np.int64,
    "participant_id": str,
    "label": np.int8,
    "p_high": np.float64,
    "predicted": np.int8,
}


@dataclass(frozen=True)
class Comparison:
    """What the replicates of one method have in common.

    Attributes
    ----------
    method : str
    cohort : Cohort
    settings : dict
        The config section ``compare``.
    features : dict of str to tuple of str
        Name in the column ``features`` -> views (of the method ``confounds``: columns of the cohort's table).
    units : ndarray of int (n,)
        Relatives have one number.
    known : dict
        Replicate -> what the train stage left of it.
    """

    method: str
    cohort: object
    settings: dict
    features: dict
    units: np.ndarray
    known: dict = field(default_factory=dict)


def feature_sets(views, views_alone):
    """Names of the column ``features`` and the views they stand for: all of them first, then each alone.

    Parameters
    ----------
    views : sequence of str
        The setting ``train.views``.
    views_alone : bool
        The setting ``compare.views_alone``; one view is there anyway.

    Returns
    -------
    dict of str to tuple of str
    """
    used = tuple(view for view in VIEWS if view in views)
    sets = {BETWEEN.join(used): used}
    if views_alone:
        sets.update({view: (view,) for view in used})
    return sets


def predictions(method, cohort, settings, train_folders=(), say=None, views=VIEWS, processes=1):
    """Test-part predictions of one method for every replicate.

    Parameters
    ----------
    method : str
        Row of Table III, or ``confounds``.
    cohort : Cohort
    settings : dict
        The config section ``compare``. Replicate r uses its ``seed`` + r.
    train_folders : list of Path
        Needed by `NEEDS_TRAINING`.
    say : callable, optional
        Prints a line of progress.
    views : sequence of str
        The setting ``train.views``.
    processes : int
        How many to compute on, of one thread each; changes no result.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`: the test people of every replicate, ordered by features, split, permutation, then as the
        cohort. ``p_high`` is a probability (0..1), ``predicted`` the model's own decision. No rows where a cohort has
        no confounds.

    Raises
    ------
    InputError
        Folders of the train stage are needed and not given, or do not fit the cohort; a training part of one class.
    """
    if method in NEEDS_TRAINING and not train_folders:
        raise InputError("--train", f"{method} needs the folders of the train stage", "give all of them")
    say = say or (lambda line: None)
    features, known = feature_sets(views, settings["views_alone"]), {}
    if method in NEEDS_TRAINING:
        columns = [_column(used, features) for used in features.values()] if method == "gcamccl" else []
        known = read_predictions(train_folders, cohort, list(dict.fromkeys(columns)))
    if method in ON_EMBEDDING:
        known = find_embeddings(train_folders, cohort)
    if method == "confounds":
        features = {
            name: tuple(columns) for name, columns in available(cohort.table, settings["confounds"], say).items()
        }
    comparison = Comparison(method, cohort, settings, features, relatives(cohort.table), known)
    label_rows, total = len(cohort.labels), len(cohort.labels) * len(cohort.splits)
    tasks = [
        range(split * label_rows + first, split * label_rows + min(first + LABEL_ROWS_A_TASK, label_rows))
        for split in range(len(cohort.splits))
        for first in range(0, label_rows, LABEL_ROWS_A_TASK)
    ]
    started, done, tables = time.monotonic(), 0, []
    jobs = 1 if method == "gcamccl" else min(processes, len(tasks))  # nothing to fit, much to send
    run = Parallel(n_jobs=jobs, return_as="generator")
    for task, result in zip(tasks, run(delayed(_replicates)(comparison, task) for task in tasks), strict=True):
        tables += result
        done += len(task)
        left = (time.monotonic() - started) / done * (total - done)
        say(f"{method}: {_report(task, result, label_rows)} ({done} of {total}), {left:.0f} s left")
    order = {name: number for number, name in enumerate(features)}
    tables.sort(key=lambda table: order[table["features"].iloc[0]])  # stable: replicates are in order already
    if not tables:
        return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in COLUMNS.items()})
    return pd.concat(tables, ignore_index=True)


def _column(views, features):
    """Column of the train stage's predictions: the fused one, or a branch's own."""
    return "p_high" if views == next(iter(features.values())) else f"p_high_{views[0]}"


def _report(task, tables, label_rows):
    """Words on a task: accuracy on the main features."""
    if not tables:
        return f"split {task[0] // label_rows}, nothing to fit"
    main = tables[0]
    right = (main["label"] == main["predicted"]).groupby(main["permutation"] > 0).mean()
    words = [f"accuracy {right[kind]:.3f}{' of permuted labels' * kind}" for kind in right.index]
    return f"split {task[0] // label_rows}, {', '.join(words)}"


def _replicates(comparison, replicates):
    """Tables of consecutive replicates of one split together, one for every set of features."""
    tables = {name: [] for name in comparison.features}
    for replicate in replicates:
        for name, scores in _replicate(comparison, replicate).items():
            tables[name].append(_table(comparison, replicate, name, scores))
    return [pd.concat(some, ignore_index=True) for some in tables.values()]


def _designs(comparison, replicate, train_rows):
    """What a method needs of the features: name of features -> designs."""
    method, cohort = comparison.method, comparison.cohort
    if method in ON_EMBEDDING:
        used = next(iter(comparison.features.values()))
        branches = read_embedding(*comparison.known[replicate], len(cohort.table), len(used))
        branches = dict(zip(used, branches, strict=True))
        return {
            name: design(method, [branches[view] for view in names], train_rows)
            for name, names in comparison.features.items()
        }
    if method == "confounds":
        return {
            name: design(method, [confound_features(cohort.table, columns, train_rows)], train_rows)
            for name, columns in comparison.features.items()
        }
    used = next(iter(comparison.features.values()))
    fc = fill_missing(cohort.fc, train_rows)[0] if "connectivity" in used else None
    views = raw_features(fc, cohort.dosage, used)
    if method not in TREE_METHODS:
        views = {view: inner_products(values, train_rows) for view, values in views.items()}
    return {
        name: design(method, [views[view] for view in names], train_rows) for name, names in comparison.features.items()
    }


def _replicate(comparison, replicate):
    """Scores of one replicate: name of features -> `Scores`."""
    method, cohort, settings = comparison.method, comparison.cohort, comparison.settings
    _, _, parts, labels = replicate_parts(cohort, replicate)
    if method == "gcamccl":
        known = comparison.known[replicate]
        scores = {}
        for name, used in comparison.features.items():
            p_high = known[_column(used, comparison.features)]
            scores[name] = Scores(p_high, (p_high > 0.5).astype(np.int8), 0)
        return scores
    # The embeddings have seen the labels of the whole training part: held-out folds of it would look perfect.
    selection = "validation" if method in ON_EMBEDDING else settings["selection"]
    return {
        name: fit_predict(method, designs, labels, parts, settings["seed"] + replicate, selection, comparison.units)
        for name, designs in _designs(comparison, replicate, np.flatnonzero(parts == TRAIN)).items()
    }


def _table(comparison, replicate, features, scores):
    """Rows of one replicate and set of features."""
    split, permutation, parts, labels = replicate_parts(comparison.cohort, replicate)
    test = np.flatnonzero(parts == TEST)
    return pd.DataFrame(
        {
            "method": comparison.method,
            "features": features,
            "split": split,
            "permutation": permutation,
            "participant_id": comparison.cohort.table["participant_id"].to_numpy()[test],
            "label": labels[test],
            "p_high": np.asarray(scores.p_high, np.float64)[test],
            "predicted": scores.predicted[test],
        }
    )
