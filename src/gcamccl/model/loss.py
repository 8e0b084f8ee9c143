"""The collaborative loss (paper, Eqs. 11 and 12), on logits."""

import torch.nn.functional as F


def person_cross_entropy(logits, labels):
    """First term of Eq. 12 of each person: cross-entropy averaged over views.

    Parameters
    ----------
    logits : Tensor (..., batch, views, classes)
        Any leading dimensions, e.g. replicates.
    labels : Tensor of int64 (..., batch)

    Returns
    -------
    Tensor (..., batch)
    """
    log_h = F.log_softmax(logits, dim=-1)
    index = labels[..., None, None].expand(*logits.shape[:-1], 1)
    return -log_h.gather(-1, index).squeeze(-1).mean(dim=-1)


def cross_entropy(logits, labels):
    """The same averaged over people; logits (..., batch, views, classes) to (...)."""
    return person_cross_entropy(logits, labels).mean(dim=-1)


def person_loss(logits, labels, collaboration=1.0):
    """Eq. 12 of each person.

    The second term is the cross-entropy between the outputs of different views, averaged over the m (m - 1) ordered
    pairs; gradients flow through both factors. With one view there is no pair and the loss is the cross-entropy.
    For two views and two classes it is half of Eq. 11 with its misprints mended (``log(1 - h_2)`` read as ``log h_2``
    and the views' sum in the second line written out): `eq11` states that one.

    Parameters
    ----------
    logits : Tensor (..., batch, views, classes)
        Before the softmax that gives h^(i).
    labels : Tensor of int64 (..., batch)
    collaboration : float
        Weight of the second term; 1 is Eq. 12.

    Returns
    -------
    Tensor (..., batch)
    """
    first = person_cross_entropy(logits, labels)
    views = logits.shape[-2]
    if views == 1 or collaboration == 0:
        return first
    log_h = F.log_softmax(logits, dim=-1)
    h = log_h.exp()
    others = h.sum(dim=-2, keepdim=True) - h  # sum over i != j of h^(i), for every j
    second = -(others * log_h).sum(dim=(-2, -1)) / (views * (views - 1))
    return first + collaboration * second


def collaborative_loss(logits, labels, collaboration=1.0):
    """Eq. 12 averaged over the batch; logits (..., batch, views, classes) to (...). See `person_loss`."""
    return person_loss(logits, labels, collaboration).mean(dim=-1)


def eq11(logits, labels):
    """Eq. 11 for two views and two classes, misprint mended, averaged over the batch.

    As printed, the first line scores label 1 by ``log(1 - h_2)``, which rewards a small probability of the true
    class; since h_1 + h_2 = 1, ``log h_2`` is meant. The sum over i in the second line runs over classes.

    Parameters
    ----------
    logits : Tensor (batch, 2, 2)
    labels : Tensor of int64 (batch,)

    Returns
    -------
    Tensor ()
    """
    log_h = F.log_softmax(logits, dim=-1)
    h = log_h.exp()
    y = labels.to(logits.dtype)[:, None]
    fit = (1 - y) * log_h[:, :, 0] + y * log_h[:, :, 1]
    agree = h[:, 0] * log_h[:, 1] + h[:, 1] * log_h[:, 0]
    return -(fit.sum(dim=1) + agree.sum(dim=1)).mean()
