"""Training: mini-batches, halving learning rate, early stopping (paper, section III-C and Table II).

One loop for one replicate alone and for many at once; which it is, only the network knows (`gcamccl.model.stacked`).
Nothing here draws from a generator with a state: weights come from the replicate's seed, the order of people from seed
and epoch, dropout from seed and step. So a replicate does not depend on what is trained beside it or before it, and an
interrupted training goes on from weights, optimiser state and epoch alone.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch

from gcamccl.cohort import TRAIN, VALIDATION
from gcamccl.device import full_precision
from gcamccl.model.dropout import step_keys
from gcamccl.model.loss import collaborative_loss
from gcamccl.model.network import build
from gcamccl.model.stacked import stack, state_of
from gcamccl.train.optimiser import learning_rate, make_optimiser, select_optimiser
from gcamccl.train.scores import SCORES, validation_scores
from gcamccl.workflow.errors import InputError

EVALUATION_BATCH = 32  # people per forward pass without gradients; bounds memory, changes no result but rounding
# Finished replicates are dropped once they are this share of those computed: each drop copies all weights, means new
# sizes to choose kernels for and a new capture of the CUDA graph, which is worth a few steps and not an epoch.
COMPACT_SHARE = 1 / 16


@dataclass(frozen=True)
class Fitted:
    """A trained replicate.

    Attributes
    ----------
    number : int
    weights : dict of str to Tensor
        State dict of `CCL`, of the best epoch, on the CPU.
    history : list of dict
        One an epoch: epoch, train_loss, validation_loss, validation_cross_entropy, validation_auc, learning_rate.
    best_epoch : int
        From 0; the first with the best validation score.
    """

    number: int
    weights: dict
    history: list
    best_epoch: int


@dataclass
class State:
    """Where the training of replicates side by side stands, at the end of an epoch; a checkpoint holds just this.

    Attributes
    ----------
    replicates : list of Replicate
        In the order of the stack; some may have finished already.
    epoch : int
        Epochs done.
    active : ndarray of bool (R,)
        False: finished.
    network : Alone or Stacked
    optimiser : torch.optim.Optimizer
    best : dict of str to Tensor (R, ...)
        State of the best epoch.
    best_epoch : ndarray of int64 (R,)
    best_score : ndarray of float64 (R,)
        Smaller is better.
    history : list of list of dict
        Rows of each replicate.
    """

    replicates: list
    epoch: int
    active: np.ndarray
    network: torch.nn.Module
    optimiser: torch.optim.Optimizer
    best: dict
    best_epoch: np.ndarray
    best_score: np.ndarray
    history: list


def batches(rows, batch_size):
    """Cut shuffled rows into batches.

    A single person left over joins the batch before: batch normalisation needs two people, and nobody is left out.

    Parameters
    ----------
    rows : Tensor of int64 (..., people)
    batch_size : int
        At least 2.

    Returns
    -------
    list of Tensor (..., batch)
    """
    pieces = list(torch.split(rows, batch_size, dim=-1))
    if len(pieces) > 1 and pieces[-1].shape[-1] == 1:
        pieces[-2:] = [torch.cat(pieces[-2:], dim=-1)]
    return pieces


def order_of_people(rows, seed, epoch):
    """The training part in the order of one epoch; depends on seed and epoch only."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def fresh_network(sizes, settings, seed):
    """The network with its initial weights, on the CPU; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed)
        return build(*sizes, settings)


def start(staged, replicates, settings, arrangement="alone"):
    """State before the first epoch.

    Parameters
    ----------
    staged : gcamccl.train.data.Staged
    replicates : list of Replicate
        Their training parts must have the same number of people. One, where the arrangement is ``alone``.
    settings : dict
        The config section ``train``.
    arrangement : {'alone', 'grouped', 'gemm'}

    Returns
    -------
    State
    """
    if len({len(replicate.rows(TRAIN)) for replicate in replicates}) != 1:
        raise ValueError("replicates side by side need training parts of one size")
    networks = [fresh_network(staged.sizes, settings, replicate.seed) for replicate in replicates]
    network = stack(networks, arrangement).to(staged.device)
    count = len(replicates)
    return State(
        list(replicates),
        0,
        np.ones(count, bool),
        network,
        make_optimiser(network, settings),
        {name: tensor.clone() for name, tensor in network.stacked_state().items()},
        np.zeros(count, np.int64),
        np.full(count, np.inf),
        [[] for _ in replicates],
    )


def select(state, places, settings):
    """The state of the replicates at these places of the stack (ndarray of int), copied."""
    network = state.network.select(places)
    index = torch.as_tensor(places, device=next(iter(state.best.values())).device)
    return State(
        [state.replicates[place] for place in places],
        state.epoch,
        state.active[places],
        network,
        select_optimiser(state.network, state.optimiser, network, index, settings),
        {name: tensor[index] for name, tensor in state.best.items()},
        state.best_epoch[places],
        state.best_score[places],
        [state.history[place] for place in places],
    )


def eager_step(network, optimiser, staged, settings):
    """A function that does one step of all replicates, operation by operation.

    Returns
    -------
    callable
        ``step(rows (R, batch), labels (R, batch), places (R,), keys (R, 2))`` gives the loss of each replicate, (R,).
    """

    def step(rows, labels, places, keys):
        optimiser.zero_grad(set_to_none=True)
        network.set_keys(keys)
        loss = collaborative_loss(network(staged.batch(rows, places)), labels, settings["collaboration"])
        loss.sum().backward()  # replicates share no weight: each gets the gradient of its own loss
        optimiser.step()
        return loss.detach()

    return step


def train_epoch(state, staged, labels, places, settings, make_step=eager_step):
    """One pass over the training parts; returns the mean loss per person, float64 (R,)."""
    state.network.train()
    order = np.stack(
        [order_of_people(replicate.rows(TRAIN), replicate.seed, state.epoch) for replicate in state.replicates]
    )
    pieces = batches(torch.from_numpy(order), settings["batch_size"])
    numbers = range(state.epoch * len(pieces), (state.epoch + 1) * len(pieces))
    keys = step_keys([replicate.seed for replicate in state.replicates], numbers).to(staged.device)
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(settings, state.epoch)
    step = make_step(state.network, state.optimiser, staged, settings)
    total = torch.zeros(len(state.replicates), device=staged.device)
    pieces = [piece.to(staged.device) for piece in pieces]
    for rows, key in zip(pieces, keys, strict=True):
        total += step(rows, labels.gather(1, rows), places, key) * rows.shape[1]
    return total.double().cpu().numpy() / order.shape[1]


@torch.no_grad()
def validation_logits(state, staged, places, settings):
    """Logits of the validation parts, padded by repeated people to one length.

    Returns
    -------
    logits : Tensor (R, people, views, 2)
    rows : Tensor of int64 (R, people)
    valid : Tensor of bool (R, people)
        False: padding.
    """
    state.network.eval()
    parts = [replicate.rows(VALIDATION) for replicate in state.replicates]
    longest = max(map(len, parts))
    rows = torch.from_numpy(np.stack([np.resize(part, longest) for part in parts])).to(staged.device)
    valid = torch.arange(longest) < torch.tensor([len(part) for part in parts])[:, None]
    # Side by side, twice a training batch needs less memory than the training itself.
    chunk = EVALUATION_BATCH if len(parts) == 1 else 2 * settings["batch_size"]
    logits = [state.network(staged.batch(piece, places)) for piece in torch.split(rows, chunk, dim=1)]
    return torch.cat(logits, dim=1), rows, valid.to(staged.device)


def run_epoch(state, staged, labels, settings, make_step=eager_step):
    """Train for one epoch, score it, keep the best weights, stop who is done.

    Parameters
    ----------
    state : State
        Changed in place.
    staged : Staged
    labels : Tensor of int64 (R, n)
        On the device.
    settings : dict
    make_step : callable
        `eager_step`, or `gcamccl.train.graphs.graphed_step`.

    Returns
    -------
    dict of str to ndarray (R,)
        Columns of the history.

    Raises
    ------
    InputError
        The loss of a replicate that is not finished is not finite any more.
    """
    places = staged.places(state.replicates)
    columns = {"train_loss": train_epoch(state, staged, labels, places, settings, make_step)}
    logits, rows, valid = validation_logits(state, staged, places, settings)
    finite = np.isfinite(columns["train_loss"]) & torch.isfinite(logits).flatten(1).all(dim=1).cpu().numpy()
    if (state.active & ~finite).any():
        numbers = [state.replicates[place].number for place in np.flatnonzero(state.active & ~finite)]
        raise InputError(
            f"train replicate {', '.join(map(str, numbers[:5]))}",
            f"the loss is not finite in epoch {state.epoch}",
            "lower train.learning_rate",
        )
    columns |= validation_scores(logits, labels.gather(1, rows), valid, settings)
    columns["learning_rate"] = np.full(len(finite), learning_rate(settings, state.epoch))
    name, sign = SCORES[settings["select_on"]]
    better = state.active & (sign * columns[name] < state.best_score)
    state.best_score[better] = sign * columns[name][better]
    state.best_epoch[better] = state.epoch
    index = torch.as_tensor(np.flatnonzero(better), device=staged.device)
    for key, tensor in state.network.stacked_state().items():
        state.best[key][index] = tensor[index]
    for place in np.flatnonzero(state.active):
        state.history[place].append(
            {"epoch": state.epoch, **{name: float(values[place]) for name, values in columns.items()}}
        )
    waited = state.epoch - state.best_epoch >= settings["patience_epochs"]
    state.epoch += 1
    state.active &= ~waited & (state.epoch < settings["epochs"])
    return columns


def finished(state, places):
    """`Fitted` of the replicates at these places of the stack."""
    on_cpu = {name: tensor.cpu() for name, tensor in state.best.items()}
    return [
        Fitted(
            state.replicates[place].number,
            {name: tensor.contiguous() for name, tensor in state_of(on_cpu, place).items()},
            state.history[place],
            int(state.best_epoch[place]),
        )
        for place in places
    ]


def fit(staged, replicates, settings, arrangement="alone", state=None, report=None, keep=None, make_step=eager_step):
    """Train replicates side by side until each has finished.

    Only rows of the training part are trained on and only those of the validation part pick the epoch; the test
    part's inputs and labels are never looked at. The same seed, device and number of threads give bit-equal weights
    on a CPU. Torch's global generators are left as they were.

    Parameters
    ----------
    staged : Staged
        The cohort on the device, staged for (at least) these replicates.
    replicates : list of Replicate
        With training parts of one size; exactly one where the arrangement is ``alone``.
    settings : dict
        The config section ``train``.
    arrangement : {'alone', 'grouped', 'gemm'}
        ``alone``: `CCL` itself. Else `gcamccl.model.stacked.Stacked`.
    state : State, optional
        To go on from, instead of `replicates` and `arrangement`.
    report : callable, optional
        Called after each epoch as ``report(state, columns, seconds)``: the state, the epoch's columns of the history
        (R,) each, and the seconds it took. ``state.epoch`` counts it already.
    keep : callable, optional
        Called after each epoch as ``keep(state, done)``: `done` is the list of `Fitted` that finished in it.
    make_step : callable
        `eager_step`, or `gcamccl.train.graphs.graphed_step` (CUDA).

    Returns
    -------
    list of Fitted
        In the order they finished; those that `state` had finished before are not among them.

    Raises
    ------
    InputError
        The loss is not finite any more.
    """
    state = state or start(staged, replicates, settings, arrangement)
    labels = labels_on_device(state, staged)
    results = []
    with full_precision():
        while state.active.any():
            before, clock = state.active.copy(), time.monotonic()
            columns = run_epoch(state, staged, labels, settings, make_step)
            done = finished(state, np.flatnonzero(before & ~state.active))
            results += done
            if report:
                report(state, columns, time.monotonic() - clock)
            if state.active.any() and (~state.active).mean() >= COMPACT_SHARE:
                state = select(state, np.flatnonzero(state.active), settings)
                labels = labels_on_device(state, staged)
            if keep:
                keep(state, done)
    return results


def labels_on_device(state, staged):
    """Everybody's label in each replicate, int64 (R, n), on the device."""
    labels = np.stack([replicate.labels for replicate in state.replicates]).astype(np.int64)
    return torch.from_numpy(labels).to(staged.device)


@torch.no_grad()
def predict(model, inputs, rows=None):
    """Logits and embeddings of one replicate's network in evaluation mode.

    Parameters
    ----------
    model : CCL
    inputs : dict of str to Tensor
        As `CCL.forward` takes them, on the model's device.
    rows : Tensor of int64, optional
        People to predict; None: all.

    Returns
    -------
    logits : Tensor (people, views, 2)
    embeddings : Tensor (people, 64 x views)
    """
    if rows is None:
        first = next(iter(inputs.values()))
        rows = torch.arange(len(first), device=first.device)
    return predict_batches(
        model, ({view: x[chunk] for view, x in inputs.items()} for chunk in torch.split(rows, EVALUATION_BATCH))
    )


@torch.no_grad()
def predict_batches(model, parts):
    """The same for inputs that come batch by batch."""
    model.eval()
    logits, embeddings = [], []
    for inputs in parts:
        flat = [branch.embed(inputs[view]) for view, branch in model.branches.items()]
        heads = [branch.head(x) for branch, x in zip(model.branches.values(), flat, strict=True)]
        logits.append(torch.stack(heads, dim=1))
        embeddings.append(torch.cat(flat, dim=1))
    return torch.cat(logits), torch.cat(embeddings)
