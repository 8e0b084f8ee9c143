"""Grad-CAM (Eqs. 7, 8, 10), guided backpropagation, guided Grad-CAM (Eq. 9) and, beside the paper's, plain gradients.

All maps of a batch but integrated gradients come from one forward pass: the plain backward pass gives Grad-CAM, the
margin gradient and input x gradient, the guided one, which keeps only positive gradients at every ReLU, guided
backpropagation. The network is not changed.
"""

from contextlib import contextmanager

import numpy as np
import torch

from gcamccl.activation.backward import quick_input_gradient
from gcamccl.activation.project import project

METHODS = (
    "gradcam",
    "guided_backprop",
    "guided_gradcam",
    "margin_gradient",
    "input_x_gradient",
    "integrated_gradients",
)
ON_FEATURES = ("gradcam", "guided_gradcam")  # need the gradient at F^k
GUIDED = ("guided_backprop", "guided_gradcam")
ON_INPUT = ("margin_gradient", "input_x_gradient")  # need the plain gradient at the input


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


def view_maps(branch, x, weights, layer, methods, score="margin", relu_on="grad", baseline=None, steps=16):
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
    baseline : Tensor, optional
        Where integrated gradients start, broadcast to `x`; None: 0.
    steps : int
        Points of integrated gradients' path.

    Returns
    -------
    dict of str to Tensor (people, 2, *inputs)
        Method -> maps; axis 1: class.
    """
    if branch.training:
        raise ValueError("maps need the network in evaluation mode")
    result = {}
    if set(methods) - {"integrated_gradients"}:
        result = _one_pass_maps(branch, x, weights, layer, set(methods), score, relu_on)
    if "integrated_gradients" in methods:
        result["integrated_gradients"] = integrated_gradients(branch, x, score, baseline, steps)
    return {method: result[method] for method in methods}


def _one_pass_maps(branch, x, weights, layer, methods, score, relu_on):
    """All of `view_maps` but integrated gradients."""
    blocks = branch.blocks
    # Leaf that the gradients are taken for; its graph is dropped with the batch.
    x = x.detach().requires_grad_(True)
    with quick_input_gradient(blocks), guidable(blocks) as switch:
        features = blocks[:layer](x)
        scores = class_scores(branch.head(blocks[layer:](features).flatten(1)), score).sum(0)
        wanted = {}
        if methods & set(ON_FEATURES):
            wanted["features"] = features
        if methods & set(ON_INPUT):
            wanted["x"] = x
        plain = _both_classes(scores, wanted, score)
        if methods & set(GUIDED):
            switch["guided"] = True
            guided = _by_class([torch.autograd.grad(scores[c], x, retain_graph=True)[0] for c in (0, 1)])
    result = {}
    if "features" in wanted:
        cells = torch.stack([gradcam(features.detach(), plain["features"][c], relu_on) for c in (0, 1)], 1)
        result["gradcam"] = project(cells, weights)
    if methods & set(GUIDED):
        result["guided_backprop"] = guided
    if "guided_gradcam" in methods:
        result["guided_gradcam"] = guided * result["gradcam"]  # Eq. 9
    if "x" in wanted:
        low, high = plain["x"]
        margin = high if score == "margin" else high - low
        result["margin_gradient"] = _by_class([-margin, margin])
        result["input_x_gradient"] = _by_class([low, high]) * x.detach()
    return result


def integrated_gradients(branch, x, score="margin", baseline=None, steps=16):
    """Integrated gradients (Sundararajan, Taly, Yan 2017): (x - x') times the mean gradient on the way from x' to x.

    The mean is a Gauss-Legendre sum, as Captum's default. Summed over a person's inputs the map is the difference of
    the class's score between `x` and the baseline, up to the error of that sum.

    Parameters
    ----------
    branch : gcamccl.model.network.Branch
        In evaluation mode.
    x : Tensor (people, 1, *inputs)
    score : {"margin", "logit"}
    baseline : Tensor, optional
        x', broadcast to `x`; None: 0.
    steps : int
        Points of the sum.

    Returns
    -------
    Tensor (people, 2, *inputs)
    """
    baseline = torch.zeros_like(x) if baseline is None else baseline.expand_as(x)
    points, shares = np.polynomial.legendre.leggauss(steps)
    low = high = 0
    with quick_input_gradient(branch.blocks):
        for point, share in zip((1 + points) / 2, shares / 2, strict=True):  # from [-1, 1] to [0, 1]
            at = (baseline + float(point) * (x - baseline)).detach().requires_grad_(True)
            gradients = _both_classes(class_scores(branch(at), score).sum(0), {"x": at}, score)["x"]
            low, high = low + float(share) * gradients[0], high + float(share) * gradients[1]
    return _by_class([low, high]) * (x - baseline)


def _by_class(gradients):
    """Gradients of the two classes, each (people, 1, *inputs), side by side: (people, 2, *inputs)."""
    return torch.cat(gradients, 1)


def _both_classes(scores, inputs, score):
    """Name -> gradients of class 0 and of class 1. The margins of the two classes differ by sign only: one pass."""
    if not inputs:
        return {}
    tensors = list(inputs.values())
    high = torch.autograd.grad(scores[1], tensors, retain_graph=True)
    if score == "margin":
        low = [-gradient for gradient in high]
    else:
        low = torch.autograd.grad(scores[0], tensors, retain_graph=True)
    return {name: (low[i], high[i]) for i, name in enumerate(inputs)}
