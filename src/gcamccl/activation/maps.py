"""Grad-CAM (Eqs. 7, 8, 10), guided backpropagation, guided Grad-CAM (Eq. 9) and the plain margin gradient.

All maps of a batch come from one forward pass: the plain backward pass gives Grad-CAM and the margin gradient, the
guided one, which keeps only positive gradients at every ReLU, guided backpropagation. The network is not changed.
"""

from contextlib import contextmanager

import torch

from gcamccl.activation.project import project

METHODS = ("gradcam", "guided_backprop", "guided_gradcam", "margin_gradient")
GUIDED = ("guided_backprop", "guided_gradcam")


def class_scores(logits, score):
    """What is differentiated for each class: the y^c of Eqs. 7 and 10.

    Parameters
    ----------
    logits : Tensor (people, 2)
    score : {"margin", "logit"}
        ``margin``: z_c - z_other, the log odds of the class. ``logit``: z_c alone; the sum of a head's two weight
        vectors, which never trains, is part of it.

    Returns
    -------
    Tensor (people, 2)
    """
    return logits - logits.flip(1) if score == "margin" else logits


@contextmanager
def guidable(blocks):
    """While open, forward passes through `blocks` can be differentiated the plain and the guided way.

    Yields
    ------
    dict
        Set its ``"guided"`` to True before a backward pass to let only positive gradients through the ReLUs
        (Springenberg et al. 2015): R <- (x > 0) (R > 0) R. False, the start: the plain gradient.
    """
    switch = {"guided": False}

    def rectify(gradient):
        # At the input of the ReLU autograd has already applied (x > 0).
        return gradient.clamp_min(0) if switch["guided"] else gradient

    def watch(module, inputs, output):
        inputs[0].register_hook(rectify)

    handles = [block.relu.register_forward_hook(watch) for block in blocks]
    try:
        yield switch
    finally:
        for handle in handles:
            handle.remove()


def gradcam(features, gradients, relu_on="grad"):
    """Combine feature maps by their pooled gradients.

    Parameters
    ----------
    features : Tensor (people, channels, *cells)
        F^k.
    gradients : Tensor (people, channels, *cells)
        dy^c / dF^k.
    relu_on : {"grad", "map", "none"}
        ``grad``: Eq. 10, weights are the mean of the positive parts of the gradients. ``map``: Eq. 7, and the map's
        negative part is cut off (Selvaraju et al. 2017). ``none``: Eqs. 7 and 8 as they are.

    Returns
    -------
    Tensor (people, *cells)
        The sum of Eq. 8 before upsampling.
    """
    if relu_on == "grad":
        gradients = gradients.clamp_min(0)
    cells = tuple(range(2, features.dim()))
    combined = (gradients.mean(cells, keepdim=True) * features).sum(1)
    return combined.clamp_min(0) if relu_on == "map" else combined


def view_maps(branch, x, weights, layer, methods, score="margin", relu_on="grad"):
    """All maps of one view for a batch of people.

    Parameters
    ----------
    branch : gcamccl.model.network.Branch
        In evaluation mode.
    x : Tensor (people, 1, *inputs)
        The view's input.
    weights : Tensor (inputs along an axis, cells along an axis)
        `gcamccl.activation.project.projection` of the first `layer` blocks.
    layer : int
        Block whose output is F^k, counted from 1.
    methods : list of str
        Among `METHODS`.
    score : {"margin", "logit"}
        See `class_scores`. ``margin_gradient`` is the gradient of the margin either way.
    relu_on : {"grad", "map", "none"}
        See `gradcam`.

    Returns
    -------
    dict of str to Tensor (people, 2, *inputs)
        Method -> maps; axis 1: class.
    """
    if branch.training:
        raise ValueError("maps need the network in evaluation mode")
    blocks = branch.blocks
    # Leaf that the gradients are taken for; its graph is dropped with the batch.
    x = x.detach().requires_grad_(True)
    with guidable(blocks) as switch:
        features = blocks[:layer](x)
        scores = class_scores(branch.head(blocks[layer:](features).flatten(1)), score).sum(0)
        wanted = [*(["features"] if {"gradcam", "guided_gradcam"} & set(methods) else [])]
        wanted += ["x"] if "margin_gradient" in methods else []
        plain = _plain_gradients(scores, {"features": features, "x": x}, wanted, score)
        if set(GUIDED) & set(methods):
            switch["guided"] = True
            guided = torch.stack([_gradient(scores[c], x) for c in (0, 1)], 1)[:, :, 0]
    result = {}
    if "features" in wanted:
        cells = torch.stack([gradcam(features.detach(), plain["features"][c], relu_on) for c in (0, 1)], 1)
        cam = project(cells, weights)
    if "gradcam" in methods:
        result["gradcam"] = cam
    if "guided_backprop" in methods:
        result["guided_backprop"] = guided
    if "guided_gradcam" in methods:
        result["guided_gradcam"] = guided * cam  # Eq. 9
    if "margin_gradient" in methods:
        difference = plain["x"][1] - plain["x"][0] if score == "logit" else plain["x"][1]
        result["margin_gradient"] = torch.cat([-difference, difference], 1)
    return {method: result[method] for method in methods}


def _gradient(score, *inputs):
    """d score / d input; the graph is kept for the other class and the guided pass."""
    gradients = torch.autograd.grad(score, inputs, retain_graph=True)
    return gradients[0] if len(gradients) == 1 else gradients


def _plain_gradients(scores, inputs, wanted, score):
    """Name -> gradients for class 0 and for class 1. The margins of the two classes differ by sign only: one pass."""
    if not wanted:
        return {}
    tensors = [inputs[name] for name in wanted]
    high = torch.autograd.grad(scores[1], tensors, retain_graph=True)
    if score == "margin":
        low = [-gradient for gradient in high]
    else:
        low = torch.autograd.grad(scores[0], tensors, retain_graph=True)
    return {name: (low[i], high[i]) for i, name in enumerate(wanted)}
