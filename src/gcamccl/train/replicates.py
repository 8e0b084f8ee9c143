"""Replicates of the training: which network is trained on what, and the tables they leave."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from gcamccl.cohort import PARTS, TRAIN
from gcamccl.device import full_precision
from gcamccl.model.network import VIEWS
from gcamccl.model.storage import replicate_state
from gcamccl.train.data import Staged, replicate_of
from gcamccl.train.fit import EVALUATION_BATCH, eager_step, finished, fit, fresh_network, predict_batches, select, start
from gcamccl.train.scores import p_high


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


def train_replicate(cohort, replicate, settings, device="cpu", progress=None):
    """Train one replicate by itself.

    Parameters
    ----------
    cohort : Cohort
    replicate : int
        Its split is ``replicate // (1 + permutations)``, its label row the remainder, its seed ``train.seed`` plus it.
    settings : dict
        The config section ``train``.
    device : str
    progress : callable, optional
        Called as ``progress(replicate, row, best)`` after each epoch: that epoch's row of the history, the best epoch.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        No such replicate, or the loss is not finite any more.
    """
    report = None
    if progress:

        def report(state, columns, seconds):
            progress(replicate, state.history[0][-1], int(state.best_epoch[0]))

    return train_replicates(cohort, [replicate], settings, device, report=report)[0]


def side_by_side(replicates, at_once):
    """Which replicates are trained together: those with training parts of one size, at most `at_once`.

    Parameters
    ----------
    replicates : list of Replicate
    at_once : int

    Returns
    -------
    list of list of Replicate
        Sizes in rising order, replicates of one size in the order given. Leaving out the first groups leaves the
        others as they are.
    """
    by_size = {}
    for replicate in replicates:
        by_size.setdefault(len(replicate.rows(TRAIN)), []).append(replicate)
    return [
        members[first : first + at_once]
        for _, members in sorted(by_size.items())
        for first in range(0, len(members), at_once)
    ]


def train_replicates(
    cohort,
    numbers,
    settings,
    device="cpu",
    at_once=1,
    arrangement="grouped",
    report=None,
    checkpoint=None,
    resumed=None,
    make_step=eager_step,
):
    """Train many replicates, `at_once` of them side by side.

    Parameters
    ----------
    cohort : Cohort
    numbers : sequence of int
        Replicates.
    settings : dict
        The config section ``train``.
    device : str
    at_once : int
        1: one after the other, each exactly as `train_replicate` trains it.
    arrangement : {'grouped', 'gemm'}
        Of the convolutions where several are trained side by side.
    report : callable, optional
        As in `gcamccl.train.fit.fit`; e.g. `gcamccl.train.progress.Progress.epoch`.
    checkpoint : gcamccl.train.checkpoint.Checkpoint, optional
        To go on from and to write to.
    resumed : callable, optional
        Called once where there is something to go on from, as ``resumed(finished, state, other)``: number of replicates
        that need no more training, `State` or None, and in words what of the environment differs (bits may then differ
        as well).
    make_step : callable
        As in `gcamccl.train.fit.fit`.

    Returns
    -------
    list of Result
        In the order of `numbers`.

    Raises
    ------
    InputError
        No such replicate, parts that cannot be trained on, or the loss is not finite any more.
    """
    replicates = {number: replicate_of(cohort, number, settings) for number in numbers}
    staged = Staged(cohort.fc, cohort.dosage, list(replicates.values()), settings, device)
    fitted, states, taken = {}, [], {}
    if checkpoint:
        fitted = checkpoint.read_finished()
        state = checkpoint.read_state(replicates, staged, settings)
        under_way = set()
        if state:
            under_way = {state.replicates[place].number for place in np.flatnonzero(state.active)}
            for one in finished(state, np.flatnonzero(~state.active)):
                fitted.setdefault(one.number, one)
            states = [state]
            if len(under_way) > at_once:  # less memory than then
                places = np.flatnonzero(state.active)
                states = [
                    select(state, places[first : first + at_once], settings) for first in range(0, len(places), at_once)
                ]
        # Who finished after the state was written is under way in it, and finishes again in the same way.
        fitted = {number: one for number, one in fitted.items() if number not in under_way}
        taken = fitted.keys() | under_way
        if taken and resumed:
            resumed(len(fitted), state, sorted(set(checkpoint.other)))
    todo = [replicate for number, replicate in replicates.items() if number not in taken]
    for group in [*states, *side_by_side(todo, at_once)]:
        state = group
        if isinstance(group, list):
            state = start(staged, group, settings, arrangement if len(group) > 1 else "alone")
            if checkpoint and len(group) > 1:
                checkpoint.write_state(state)  # who is trained beside whom must be known from the start
        keep = checkpoint.keep if checkpoint else None
        for one in fit(staged, None, settings, state=state, report=report, keep=keep, make_step=make_step):
            fitted[one.number] = one
    other = sorted(set(checkpoint.other)) if checkpoint else []
    return [_result(cohort, replicates[number], fitted[number], staged, settings, other) for number in numbers]


def _result(cohort, replicate, fitted, staged, settings, other):
    """Tables and arrays of a fitted replicate; predictions come from the network of one replicate in every case."""
    model = fresh_network(staged.sizes, settings, 0)
    model.load_state_dict(fitted.weights)
    model.to(staged.device)
    places = staged.places([replicate])
    rows = torch.arange(staged.people, device=staged.device)
    with full_precision():
        logits, embeddings = predict_batches(
            model,
            (
                {view: x[0] for view, x in staged.batch(chunk[None], places).items()}
                for chunk in torch.split(rows, EVALUATION_BATCH)
            ),
        )
    both, views = p_high(logits, settings["fusion"])
    numbers = {"replicate": replicate.number, "split": replicate.split, "permutation": replicate.permutation}
    predictions = pd.DataFrame(
        {
            **numbers,
            "participant_id": cohort.table["participant_id"],
            "part": np.array(PARTS)[replicate.parts],
            "label": replicate.labels,
            "p_high": both,
            **{f"p_high_{view}": np.full(len(both), np.nan, np.float32) for view in VIEWS},
        }
    )
    for column, view in enumerate(model.views):
        predictions[f"p_high_{view}"] = views[:, column]
    history = pd.DataFrame(fitted.history)
    history.insert(0, "replicate", replicate.number)
    facts = {
        **numbers,
        "seed": replicate.seed,
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.history),
        "input_scale": staged.scales[replicate.split, replicate.permutation].as_dict(),
        "resumed": other or None,
    }
    weights = replicate_state(model, replicate.number)
    return Result(weights, predictions, history, embeddings.float().cpu().numpy(), facts)
