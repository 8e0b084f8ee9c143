"""Replicates of the training: which network is trained on what, and the tables they leave."""

import time
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.cohort import PARTS, TRAIN
from gcamccl.cohort_files import replicate_parts
from gcamccl.model.inputs import prepare
from gcamccl.model.network import VIEWS
from gcamccl.model.storage import replicate_state
from gcamccl.train.fit import fit, p_high, predict
from gcamccl.workflow.errors import InputError

SECONDS_BETWEEN_LINES = 5.0


@dataclass(frozen=True)
class Result:
    """What one replicate leaves (docs/artifacts.md, train).

    Attributes
    ----------
    weights : dict of str to Tensor
    predictions, history : DataFrame
    embeddings : ndarray of float32 (n, 64 x views)
    facts : dict
        Entry of ``replicates.json``.
    """

    weights: dict
    predictions: pd.DataFrame
    history: pd.DataFrame
    embeddings: np.ndarray
    facts: dict


class Progress:
    """Lines about the training: the first and last epoch of a replicate, and one every few seconds between.

    Parameters
    ----------
    say : callable
        Prints a line.
    replicates : list of int
        All that this job trains.
    epochs : int
        Maximum of each; early stopping makes the time left an upper estimate.
    """

    def __init__(self, say, replicates, epochs):
        self.say, self.replicates, self.epochs = say, list(replicates), epochs
        self.done, self.started, self.last = 0, time.monotonic(), -np.inf

    def epoch(self, replicate, row, best):
        """After an epoch: `row` of the history, `best` epoch so far."""
        self.done += 1
        now = time.monotonic()
        if now - self.last < SECONDS_BETWEEN_LINES and row["epoch"] < self.epochs - 1:
            return
        self.last = now
        index = self.replicates.index(replicate)
        todo = (len(self.replicates) - index) * self.epochs - row["epoch"] - 1
        left = (now - self.started) / self.done * todo
        self.say(
            f"replicate {replicate} ({index + 1} of {len(self.replicates)}), epoch {row['epoch'] + 1} of"
            f" {self.epochs}: loss {row['train_loss']:.3f}, validation loss {row['validation_loss']:.3f},"
            f" AUC {row['validation_auc']:.3f}, best epoch {best + 1}; at most {left:.0f} s left"
        )


def train_replicate(cohort, replicate, settings, device="cpu", progress=None):
    """Train one replicate.

    Parameters
    ----------
    cohort : Cohort
    replicate : int
        Its split is ``replicate // (1 + permutations)``, its label row the remainder, its seed ``train.seed`` plus it.
    settings : dict
        The config section ``train``.
    device : str
    progress : callable, optional
        Called as ``progress(replicate, row, best)`` after each epoch.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        No such replicate, or the loss is not finite any more.
    """
    split, permutation, parts, labels = replicate_parts(cohort, replicate)
    seed = settings["seed"] + replicate
    inputs, scale = prepare(cohort.fc, cohort.dosage, np.flatnonzero(parts == TRAIN), settings)
    inputs = {view: x.to(device) for view, x in inputs.items()}
    report = (lambda row, best: progress(replicate, row, best)) if progress else None
    try:
        fitted = fit(inputs, labels, parts, settings, seed, device, report)
    except InputError as error:
        raise InputError(f"{error.where} replicate {replicate}", error.what, error.todo) from None
    logits, embeddings = predict(fitted.model, inputs)
    mean, views = p_high(logits)
    numbers = {"replicate": replicate, "split": split, "permutation": permutation}
    predictions = pd.DataFrame(
        {
            **numbers,
            "participant_id": cohort.table["participant_id"],
            "part": np.array(PARTS)[parts],
            "label": labels,
            "p_high": mean,
            **{f"p_high_{view}": np.full(len(mean), np.nan, np.float32) for view in VIEWS},
        }
    )
    for column, view in enumerate(fitted.model.views):
        predictions[f"p_high_{view}"] = views[:, column]
    history = pd.DataFrame(fitted.history)
    history.insert(0, "replicate", replicate)
    facts = {
        **numbers,
        "seed": seed,
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "input_scale": scale.as_dict(),
    }
    weights = replicate_state(fitted.model, replicate)
    return Result(weights, predictions, history, embeddings.float().cpu().numpy(), facts)
