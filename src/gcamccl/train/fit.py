"""Training one network: mini-batches, halving learning rate, early stopping (paper, section III-C and Table II)."""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from gcamccl.cohort import TRAIN, VALIDATION
from gcamccl.model.loss import collaborative_loss, cross_entropy
from gcamccl.model.network import build
from gcamccl.workflow.errors import InputError

EVALUATION_BATCH = 32  # people per forward pass without gradients; bounds memory, changes no result but rounding

# Smaller is better for all of them once the sign is applied.
SCORES = {
    "loss": ("validation_loss", 1),
    "cross_entropy": ("validation_cross_entropy", 1),
    "auc": ("validation_auc", -1),
}


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes
    ----------
    model : CCL
        In evaluation mode, with the weights of the best epoch.
    history : list of dict
        One an epoch: epoch, train_loss, validation_loss, validation_cross_entropy, validation_auc, learning_rate.
    best_epoch : int
        From 0; the first with the best validation score.
    """

    model: nn.Module
    history: list
    best_epoch: int


def batches(rows, batch_size):
    """Cut shuffled rows into batches.

    A single person left over joins the batch before: batch normalisation needs two people, and nobody is left out.

    Parameters
    ----------
    rows : Tensor of int64 (people,)
    batch_size : int
        At least 2.

    Returns
    -------
    list of Tensor
    """
    pieces = list(torch.split(rows, batch_size))
    if len(pieces) > 1 and len(pieces[-1]) == 1:
        pieces[-2:] = [torch.cat(pieces[-2:])]
    return pieces


@torch.no_grad()
def predict(model, inputs, rows=None):
    """Logits and embeddings in evaluation mode.

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
    model.eval()
    if rows is None:
        first = next(iter(inputs.values()))
        rows = torch.arange(len(first), device=first.device)
    logits, embeddings = [], []
    for chunk in torch.split(rows, EVALUATION_BATCH):
        flat = [branch.embed(inputs[view][chunk]) for view, branch in model.branches.items()]
        heads = [branch.head(x) for branch, x in zip(model.branches.values(), flat, strict=True)]
        logits.append(torch.stack(heads, dim=1))
        embeddings.append(torch.cat(flat, dim=1))
    return torch.cat(logits), torch.cat(embeddings)


def p_high(logits):
    """Probability of the high class: mean over views (people,), and per view (people, views); float32 arrays."""
    views = logits.softmax(dim=-1)[:, :, 1].float().cpu().numpy()
    return views.mean(axis=1), views


def area_under_curve(labels, scores):
    """AUC of scores for label 1; 0.5 where all labels are equal (possible for permuted ones in a tiny part)."""
    return float(roc_auc_score(labels, scores)) if len(np.unique(labels)) == 2 else 0.5


def _optimizer(model, settings):
    """Optimiser and learning-rate schedule of the config section ``train``."""
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimizer"] == "sgd":
        optimizer = torch.optim.SGD(model.parameters(), rate, momentum=settings["momentum"], weight_decay=decay)
    else:
        optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=decay)
    every = settings["halve_every_epochs"]
    halve = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5 ** (epoch // every) if every else 1.0)
    return optimizer, halve


def _train_epoch(model, inputs, labels, rows, optimizer, settings):
    """One pass over the training part; returns its mean loss per person."""
    model.train()
    order = rows[torch.randperm(len(rows)).to(rows.device)]
    total = 0.0
    for batch in batches(order, settings["batch_size"]):
        optimizer.zero_grad(set_to_none=True)
        logits = model({view: x[batch] for view, x in inputs.items()})
        loss = collaborative_loss(logits, labels[batch], settings["collaboration"])
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(batch)
    return float(total) / len(rows)


def fit(inputs, labels, parts, settings, seed, device="cpu", progress=None):
    """Train one network.

    Only rows of the training part are trained on and only those of the validation part pick the epoch; the test
    part's inputs and labels are never looked at. The same seed, device and number of threads give bit-equal weights
    on a CPU. Torch's global generators are left as they were.

    Parameters
    ----------
    inputs : dict of str to Tensor
        As `gcamccl.model.inputs.prepare` returns them; moved to `device` once.
    labels : ndarray of int (n,)
    parts : ndarray of int (n,)
        0 train, 1 validation, 2 test.
    settings : dict
        The config section ``train``.
    seed : int
        Of weights, order of people and dropout.
    device : str
    progress : callable, optional
        Called after each epoch with that epoch's row of the history and the best epoch so far.

    Returns
    -------
    Fitted

    Raises
    ------
    InputError
        The loss is not finite any more.
    """
    inputs = {view: x.to(device) for view, x in inputs.items()}
    target = torch.as_tensor(np.asarray(labels), dtype=torch.int64, device=device)
    rows = {part: torch.as_tensor(np.flatnonzero(parts == part), device=device) for part in (TRAIN, VALIDATION)}
    sizes = {view: x.shape[-1] for view, x in inputs.items()}
    column, sign = SCORES[settings["select_on"]]
    history, best, best_score, weights = [], 0, np.inf, None
    cuda = [torch.device(device).index or 0] if torch.device(device).type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        torch.manual_seed(seed)
        model = build(sizes.get("connectivity"), sizes.get("snps"), settings).to(device)
        optimizer, halve = _optimizer(model, settings)
        for epoch in range(settings["epochs"]):
            rate = optimizer.param_groups[0]["lr"]
            train_loss = _train_epoch(model, inputs, target, rows[TRAIN], optimizer, settings)
            halve.step()
            logits, _ = predict(model, inputs, rows[VALIDATION])
            if not (np.isfinite(train_loss) and torch.isfinite(logits).all()):
                raise InputError("train", f"the loss is not finite in epoch {epoch}", "lower train.learning_rate")
            truth = target[rows[VALIDATION]]
            row = {
                "epoch": epoch,
                "train_loss": train_loss,
                "validation_loss": float(collaborative_loss(logits, truth, settings["collaboration"])),
                "validation_cross_entropy": float(cross_entropy(logits, truth)),
                "validation_auc": area_under_curve(truth.cpu().numpy(), p_high(logits)[0]),
                "learning_rate": rate,
            }
            history.append(row)
            if sign * row[column] < best_score:
                best, best_score, weights = epoch, sign * row[column], copy.deepcopy(model.state_dict())
            if progress:
                progress(row, best)
            if epoch - best >= settings["patience_epochs"]:
                break
    model.load_state_dict(weights)
    return Fitted(model.eval(), history, best)
