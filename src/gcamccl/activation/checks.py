"""Whether maps say anything: what is left of them without the weights, what the network does without what they name.

Cascading model randomisation (Adebayo et al. 2018): the branch is given fresh weights from the top down, layer by
layer; a map that stays as it was does not depend on what was learned. Deletion (Samek et al. 2017): the features that a
map puts first are set to the mean of the training people; the class's score must fall faster than with features at
random.
"""

import copy

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import nn

from gcamccl.activation.maps import class_scores
from gcamccl.activation.store import relative

FRACTIONS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # of the features, deleted
ATTRIBUTIONS = ("input_x_gradient", "integrated_gradients")
RANDOM = "random"  # in place of a method: features in random order
COLUMNS = ("replicate", "view", "method", "check", "level", "map_class", "value")


def untrained_levels(branch, x, seed):
    """The branch with fresh weights in its head; in its head and last block; and so on down to the first block.

    Batch norms of fresh blocks take mean and variance from `x`: with those of the trained weights a fresh block's
    outputs could all be on one side of the ReLU, which says nothing about maps.

    Parameters
    ----------
    branch : gcamccl.model.network.Branch
        In evaluation mode; stays as it is.
    x : Tensor (people, 1, *inputs)
        At least two people.
    seed : int

    Yields
    ------
    level : str
        ``head``, ``block 4``, ..., ``block 1``: from there up nothing is left of the training.
    branch : gcamccl.model.network.Branch
        In evaluation mode.
    """
    device = next(branch.parameters()).device
    fresh = copy.deepcopy(branch).cpu()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    fresh, mixed = fresh.to(device), copy.deepcopy(branch)
    mixed.head = fresh.head
    yield "head", mixed.eval()
    for number in range(len(branch.blocks), 0, -1):
        mixed = copy.deepcopy(mixed)
        mixed.blocks[number - 1] = copy.deepcopy(fresh.blocks[number - 1])
        _settle_norms(mixed, x, range(number - 1, len(branch.blocks)))
        yield f"block {number}", mixed


def _settle_norms(branch, x, numbers):
    """Give the batch norms of some blocks the mean and variance of `x`."""
    branch.eval()
    norms = [block.norm for block in (branch.blocks[n] for n in numbers) if not isinstance(block.norm, nn.Identity)]
    momentum = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches, of which there is one
        norm.train()
    with torch.no_grad():
        branch(x)
    for norm, value in zip(norms, momentum, strict=True):
        norm.momentum = value
    branch.eval()


def mean_map(maps):
    """Mean over people of maps relative to their maxima: float64 (2, features); all-zero maps count as zero."""
    return relative(maps)[0].astype(np.float64).mean(axis=0)


def rank_correlation(a, b):
    """Spearman's rho of two maps' absolute values (the rule compares those); NaN where either is constant."""
    a, b = (rankdata(np.abs(values)) for values in (a, b))
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size else float("nan")


def cascade(attribution, view, rows, maps, seed):
    """How alike the mean map stays when the network is given fresh weights from the top down.

    Parameters
    ----------
    attribution : gcamccl.activation.run.Attribution
    view : str
    rows : ndarray of int
        People; at least two.
    maps : dict of str to ndarray (people, 2, features)
        Method -> their maps, as trained.
    seed : int

    Returns
    -------
    lines : list of dict
        ``method``, ``check`` ("randomised"), ``level``, ``map_class``, ``value``: rho of |mean map| with that
        of the trained network.
    untrained : dict of str to ndarray of float64 (2, features)
        Method -> mean map without any training, that of the last level.
    """
    trained = {method: mean_map(values) for method, values in maps.items()}
    lines, branch = [], attribution.model.branches[view]
    for level, fresh in untrained_levels(branch, attribution.people(view, rows), seed):
        means = {method: mean_map(values) for method, values in all_maps(attribution, view, rows, fresh).items()}
        for method, mean in means.items():
            for label, name in enumerate(("low", "high")):
                rho = rank_correlation(trained[method][label], mean[label])
                lines.append({"method": method, "check": "randomised", "level": level, "map_class": name, "value": rho})
    return lines, means


def all_maps(attribution, view, rows, branch=None):
    """Maps of people in batches, of the model's branch or of another one: method -> ndarray (people, 2, features)."""
    pieces = [attribution.maps(view, chunk, branch) for chunk in attribution.batches(rows)]
    return {method: np.concatenate([piece[method] for piece in pieces]) for method in pieces[0]}


def deletion(attribution, view, rows, maps, seed):
    """How far the score of the class that the network says falls when features are deleted.

    Parameters
    ----------
    attribution : gcamccl.activation.run.Attribution
    view : str
    rows : ndarray of int
    maps : dict of str to ndarray (people, 2, features)
        Method -> their maps.
    seed : int
        Of the random order, the peer of all methods.

    Returns
    -------
    list of dict
        ``method`` (or ``random``), ``check`` ("deletion"), ``level`` (share of the features deleted, as text),
        ``map_class`` ("said"), ``value``: mean over people of the margin's fall, as a share of the mean margin; people
        whose map is zero everywhere are left out.
    """
    branch, x, mean = attribution.model.branches[view], attribution.people(view, rows), attribution.means[view]
    margins = _margins(branch, x, attribution.batches(np.arange(len(rows))))
    said = margins.argmax(1)
    start = margins[np.arange(len(rows)), said]
    features = next(iter(maps.values())).shape[2]
    chance = np.random.default_rng(seed).random((len(rows), features))
    orders = {method: _order(method, values[np.arange(len(rows)), said], chance) for method, values in maps.items()}
    orders[RANDOM] = np.argsort(chance, axis=1)
    found = []
    for method, order in orders.items():
        for fraction in FRACTIONS:
            gone = torch.from_numpy(order[:, : max(1, round(fraction * features))].copy()).to(x.device)
            left = _margins(branch, _delete(x, mean, gone), attribution.batches(np.arange(len(rows))))
            fall = start - left[np.arange(len(rows)), said]
            named = maps[method][np.arange(len(rows)), said].any(axis=1) if method in maps else np.ones(len(rows), bool)
            size = start[named].mean() if named.any() else 0.0
            found.append(
                {
                    "method": method,
                    "check": "deletion",
                    "level": f"{fraction:g}",
                    "map_class": "said",
                    "value": float(fall[named].mean() / size) if size > 0 else float("nan"),
                }
            )
    return found


def _order(method, maps, chance):
    """Features of each person, first the one that the map puts first; equals in random order.

    Attributions say what a feature adds to the score: the largest first. Other maps say how much a feature matters,
    some of them with a sign for the direction: the largest absolute value first.
    """
    return np.lexsort((chance, -(maps if method in ATTRIBUTIONS else np.abs(maps))), axis=1)


def _delete(x, mean, gone):
    """`x` with some features of each person at their mean; a connection on both sides of the diagonal."""
    if x.dim() == 3:
        mask = torch.zeros(x.shape[0], x.shape[2], dtype=torch.bool, device=x.device).scatter_(1, gone, True)
        return torch.where(mask[:, None], mean, x)
    rows, columns = torch.triu_indices(x.shape[2], x.shape[2], offset=1, device=x.device)
    mask = torch.zeros(len(x), x.shape[2], x.shape[2], dtype=torch.bool, device=x.device)
    person = torch.arange(len(x), device=x.device)[:, None]
    mask[person, rows[gone], columns[gone]] = True
    return torch.where((mask | mask.transpose(1, 2))[:, None], mean, x)


def _margins(branch, x, batches):
    """Margins of the two classes: ndarray (people, 2)."""
    with torch.no_grad():
        pieces = [class_scores(branch(x[torch.from_numpy(rows).to(x.device)]), "margin") for rows in batches]
    return torch.cat(pieces).cpu().numpy()


def replicate_checks(attribution, replicate, rows, seed):
    """All checks of one replicate that need its network.

    Parameters
    ----------
    attribution : gcamccl.activation.run.Attribution
    replicate : int
    rows : ndarray of int
        Held-out people.
    seed : int

    Returns
    -------
    lines : DataFrame
        `COLUMNS`.
    untrained : dict of str to ndarray of float16 (2, features)
        ``<method>/<view>`` -> mean map of a network without any training.
    """
    lines, untrained = [], {}
    for view in attribution.model.views:
        maps = all_maps(attribution, view, rows)
        found, means = cascade(attribution, view, rows, maps, seed + replicate)
        untrained |= {f"{method}/{view}": mean.astype(np.float16) for method, mean in means.items()}
        found += deletion(attribution, view, rows, maps, seed + replicate)
        lines += [{"replicate": replicate, "view": view, **line} for line in found]
    return pd.DataFrame(lines, columns=COLUMNS), untrained
