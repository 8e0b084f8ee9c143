"""The collaborative loss (paper, Eqs. 11 and 12), on logits."""

import torch.nn.functional as F


def cross_entropy(logits, labels):
    """First term of Eq. 12: cross-entropy of every view, averaged over views and people.

    Parameters
    ----------
    logits : Tensor (batch, views, classes)
    labels : Tensor of int64 (batch,)

    Returns
    -------
    Tensor ()
    """
    log_h = F.log_softmax(logits, dim=-1)
    return -log_h.gather(-1, labels[:, None, None].expand(-1, logits.shape[1], 1)).mean()


def collaborative_loss(logits, labels, collaboration=1.0):
    """Eq. 12, averaged over the batch.

    The second term is the cross-entropy between the outputs of different views, averaged over the m (m - 1) ordered
    pairs; gradients flow through both factors. With one view there is no pair and the loss is the cross-entropy.
    For two views and two classes it is half of Eq. 11 with its misprints mended (``log(1 - h_2)`` read as ``log h_2``
    and the views' sum in the second line written out): `eq11` states that one.

    Parameters
    ----------
    logits : Tensor (batch, views, classes)
        Before the softmax that gives h^(i).
    labels : Tensor of int64 (batch,)
    collaboration : float
        Weight of the second term; 1 is Eq. 12.

    Returns
    -------
    Tensor ()
    """
    first = cross_entropy(logits, labels)
    views = logits.shape[1]
    if views == 1 or collaboration == 0:
        return first
    log_h = F.log_softmax(logits, dim=-1)
    h = log_h.exp()
    others = h.sum(dim=1, keepdim=True) - h  # sum over i != j of h^(i), for every j
    second = -(others * log_h).sum(dim=(1, 2)).mean() / (views * (views - 1))
    return first + collaboration * second


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
