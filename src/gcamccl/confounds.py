"""Confounds as features: how far age, sex, motion, ancestry and site alone tell the groups apart."""

import numpy as np
import pandas as pd

from gcamccl.cohort import COMPONENTS, CONFOUNDS

COLUMNS = {
    "age": ("age",),
    "sex": ("sex",),
    "motion": CONFOUNDS,
    "ancestry": COMPONENTS,
    "site": ("site",),
}
CATEGORIES = ("sex", "site")
ALL = "all"


def available(table, wanted, say=None):
    """Confounds there is something of, and the columns they stand in.

    Parameters
    ----------
    table : DataFrame
        The cohort's.
    wanted : list of str
        The setting ``compare.confounds``.
    say : callable, optional
        Told which columns are left out and why.

    Returns
    -------
    dict of str to list of str
        Confound -> columns, in the order of `COLUMNS`, then ``all``. Without a column missing for everybody or the
        same for everybody; empty where none is left.
    """
    found = {}
    for confound, columns in COLUMNS.items():
        if confound not in wanted:
            continue
        kept = []
        for column in columns:
            values = table[column] if column in table else pd.Series(dtype=float)
            kinds = values.nunique(dropna=True)
            # Some missing and the others all alike still tells who is missing.
            if kinds and (kinds > 1 or values.isna().any()):
                kept.append(column)
            elif say:
                say(f"confounds: {column} is left out: {'the same for everybody' if kinds else 'nobody has one'}")
        if kept:
            found[confound] = kept
    if found:
        found[ALL] = [column for columns in found.values() for column in columns]
    return found


def confound_features(table, columns, train_rows):
    """Confounds as numbers.

    Parameters
    ----------
    table : DataFrame (n rows)
    columns : list of str
        Those in `CATEGORIES` become one column a level that the training part has (another level is 0 in all of
        them). Others are numbers; a missing one is the training part's mean.
    train_rows : ndarray of int

    Returns
    -------
    ndarray of float64 (n, features)
        Not scaled. Where a column has missing values, another one marks them (1 missing).
    """
    features = []
    for column in columns:
        values = table[column]
        missing = values.isna().to_numpy()
        if column in CATEGORIES:
            text = values.astype(str).to_numpy()
            levels = sorted(set(text[train_rows][~missing[train_rows]]))
            features += [((text == level) & ~missing).astype(float) for level in levels]
        else:
            numbers = pd.to_numeric(values).to_numpy(float)
            known = numbers[train_rows][~missing[train_rows]]
            features.append(np.where(missing, known.mean() if len(known) else 0.0, numbers))
        if missing.any():
            features.append(missing.astype(float))
    return np.column_stack(features)
