"""One method over all splits and label permutations."""

import numpy as np
import pandas as pd

from gcamccl.cohort import TEST, TRAIN
from gcamccl.cohort_files import replicate_parts
from gcamccl.compare.classifiers import fit_predict, raw_features
from gcamccl.compare.shards import read_embeddings, read_predictions
from gcamccl.model.inputs import fill_missing
from gcamccl.model.network import VIEWS
from gcamccl.workflow.errors import InputError

NEEDS_TRAINING = ("gcamccl", "ccl_svm", "ccl_rf")


def predictions(method, cohort, seed, train_folders=(), say=None, views=VIEWS):
    """Test-part predictions of one method for every replicate.

    Parameters
    ----------
    method : str
        Row of Table III.
    cohort : Cohort
    seed : int
        Replicate r uses ``seed + r``.
    train_folders : list of Path
        Needed by `NEEDS_TRAINING`.
    say : callable, optional
        Prints a line of progress.
    views : sequence of str
        The setting ``train.views``.

    Returns
    -------
    DataFrame
        method, split, permutation, participant_id, label, p_high (0..1), predicted: the test people of every
        replicate.

    Raises
    ------
    InputError
        Folders of the train stage are needed and not given, or do not fit the cohort.
    """
    if method in NEEDS_TRAINING and not train_folders:
        raise InputError("--train", f"{method} needs the folders of the train stage", "give all of them")
    if method == "gcamccl":
        known = read_predictions(train_folders, cohort)
    elif method in NEEDS_TRAINING:
        known = read_embeddings(train_folders, cohort)
    tables, total = [], len(cohort.splits) * len(cohort.labels)
    for replicate in range(total):
        split, permutation, parts, labels = replicate_parts(cohort, replicate)
        if method == "gcamccl":
            score = known[replicate]
        elif method in NEEDS_TRAINING:
            score = fit_predict(method, [known[replicate]], labels, parts, seed + replicate)
        else:
            fc = None if cohort.fc is None else fill_missing(cohort.fc, np.flatnonzero(parts == TRAIN))[0]
            score = fit_predict(method, raw_features(fc, cohort.dosage, views), labels, parts, seed + replicate)
        test = np.flatnonzero(parts == TEST)
        tables.append(
            pd.DataFrame(
                {
                    "method": method,
                    "split": split,
                    "permutation": permutation,
                    "participant_id": cohort.table["participant_id"].to_numpy()[test],
                    "label": labels[test],
                    "p_high": score[test],
                    "predicted": (score[test] > 0.5).astype(np.int8),
                }
            )
        )
        if say:
            right = (tables[-1]["predicted"] == tables[-1]["label"]).mean()
            say(f"{method}: split {split}, label row {permutation} ({replicate + 1} of {total}), accuracy {right:.3f}")
    return pd.concat(tables, ignore_index=True)
