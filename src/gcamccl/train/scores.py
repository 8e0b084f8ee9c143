"""Probabilities from logits, and the scores of the validation part for many replicates at once."""

import numpy as np
import torch

from gcamccl.model.loss import person_cross_entropy, person_loss

# Name of the setting select_on -> column of the history and sign: smaller is better once the sign is applied.
SCORES = {
    "loss": ("validation_loss", 1),
    "cross_entropy": ("validation_cross_entropy", 1),
    "auc": ("validation_auc", -1),
}


def p_high(logits, fusion="mean"):
    """Probability of the high class.

    Parameters
    ----------
    logits : Tensor (..., views, 2)
    fusion : {'mean', 'product'}
        The setting ``train.fusion``: mean of the views' probabilities, or softmax of their summed log-probabilities
        (the views taken as independent).

    Returns
    -------
    both : ndarray of float32 (...)
        All views together.
    views : ndarray of float32 (..., views)
        Each view alone.
    """
    views = logits.softmax(dim=-1)[..., 1].float().cpu().numpy()
    if fusion == "mean":
        return views.mean(axis=-1), views
    if fusion == "product":
        return logits.log_softmax(dim=-1).sum(dim=-2).softmax(dim=-1)[..., 1].float().cpu().numpy(), views
    raise ValueError(f"fusion {fusion!r}; known: mean, product")


def area_under_curve(labels, scores, valid=None):
    """AUC of scores for label 1, of many replicates at once.

    The share of pairs of a high and a low person in which the high one has the higher score, ties counting half
    (Mann-Whitney); 0.5 where all labels are equal (possible for permuted ones in a small part).

    Parameters
    ----------
    labels, scores : ndarray (..., people)
    valid : ndarray of bool (..., people), optional
        Who counts; None: all.

    Returns
    -------
    ndarray of float64 (...)
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    valid = np.ones(labels.shape, bool) if valid is None else valid
    high, low = valid & (labels == 1), valid & (labels == 0)
    pairs = high[..., :, None] & low[..., None, :]
    above = scores[..., :, None] > scores[..., None, :]
    equal = scores[..., :, None] == scores[..., None, :]
    won = ((above + 0.5 * equal) * pairs).sum(axis=(-2, -1))
    count = pairs.sum(axis=(-2, -1))
    return np.where(count > 0, won / np.maximum(count, 1), 0.5)


def validation_scores(logits, labels, valid, settings):
    """Loss, cross-entropy and AUC of the validation part.

    Parameters
    ----------
    logits : Tensor (R, people, views, 2)
        Padded to the largest validation part.
    labels : Tensor of int64 (R, people)
    valid : Tensor of bool (R, people)
        False: padding.
    settings : dict
        The config section ``train``: reads ``collaboration`` and ``fusion``.

    Returns
    -------
    dict of str to ndarray of float (R,)
        validation_loss, validation_cross_entropy, validation_auc.
    """
    count = valid.sum(dim=1)
    losses = [person_loss(logits, labels, settings["collaboration"]), person_cross_entropy(logits, labels)]
    zero = torch.zeros((), device=logits.device)
    loss, entropy = (torch.where(valid, loss, zero).sum(dim=1) / count for loss in losses)
    return {
        "validation_loss": loss.double().cpu().numpy(),
        "validation_cross_entropy": entropy.double().cpu().numpy(),
        "validation_auc": area_under_curve(
            labels.cpu().numpy(), p_high(logits, settings["fusion"])[0], valid.cpu().numpy()
        ),
    }
