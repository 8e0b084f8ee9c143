"""From feature-map cells back to the inputs: receptive fields, upsampling, symmetric maps, connections."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class ReceptiveFields:
    """Which inputs along one axis each cell of a feature map sees.

    Attributes
    ----------
    first, last : ndarray of int64 (cells,)
        First and last input of each cell, both included, cut at the borders.
    offset, step : float
        Centre of cell ``i`` before that cut: ``offset + step * i``, in inputs.
    """

    first: np.ndarray
    last: np.ndarray
    offset: float
    step: float


def receptive_fields(blocks, size):
    """Receptive fields of the cells after `blocks`, along one axis.

    Convolution and pooling are followed exactly; batch norm, ReLU and dropout work on single cells.

    Parameters
    ----------
    blocks : sequence of gcamccl.model.network.Block
    size : int
        Inputs along the axis.

    Returns
    -------
    ReceptiveFields
    """
    first = last = np.arange(size)
    offset, step = 0.0, 1.0
    for block in blocks:
        for module in (block.conv, block.pool):
            if isinstance(module, nn.Identity):
                continue
            kernel, stride, padding = (
                _along_axis(getattr(module, name)) for name in ("kernel_size", "stride", "padding")
            )
            space = len(first) + 2 * padding - kernel
            # A pool in ceil mode has a last, incomplete window (here padding is 0, so it never starts outside).
            cells = (-(-space // stride) if getattr(module, "ceil_mode", False) else space // stride) + 1
            start = np.arange(cells) * stride - padding
            first, last = (
                first[np.maximum(start, 0)],
                last[np.minimum(start + kernel - 1, len(last) - 1)],
            )
            offset += step * ((kernel - 1) / 2 - padding)
            step *= stride
    return ReceptiveFields(first, last, offset, step)


def _along_axis(value):
    """A module's setting along an axis; the kernels are square."""
    return value[0] if isinstance(value, tuple) else value


def projection(blocks, size):
    """Weights that carry a feature map's cells back to the inputs: the upsampling of Eq. 8.

    An input gets the values of the cells whose receptive fields hold it, interpolated linearly between the fields'
    centres; outside the outermost centres it gets the outermost cell. Where padding keeps the centres evenly spread, as
    in the connectivity branch, this equals stretching the map bilinearly. The SNP branch has no padding: its cell ``i``
    looks at loci around ``offset + step i``, and stretching would name loci dozens of places away.

    Parameters
    ----------
    blocks : sequence of gcamccl.model.network.Block
    size : int
        Inputs along an axis.

    Returns
    -------
    ndarray of float64 (size, cells)
        Rows sum to 1; 0 wherever the cell does not see the input.
    """
    fields = receptive_fields(blocks, size)
    centres = fields.offset + fields.step * np.arange(len(fields.first))
    inputs = np.arange(size)
    distance = np.abs(np.clip(inputs, centres[0], centres[-1])[:, None] - centres)
    weights = np.maximum(0, 1 - distance / fields.step)
    seen = (fields.first <= inputs[:, None]) & (inputs[:, None] <= fields.last)
    weights *= seen
    # Fields no wider than the step leave inputs whose nearest centres both belong to others: their own cell takes them.
    lost = weights.sum(1) == 0
    nearest = np.where(seen, distance, np.inf).argmin(1)
    weights[lost, nearest[lost]] = 1
    return weights / weights.sum(1, keepdims=True)


def project(cells, weights):
    """Carry maps from cells to inputs.

    Parameters
    ----------
    cells : Tensor (people, classes, cells) or (people, classes, cells, cells)
    weights : Tensor (inputs, cells)

    Returns
    -------
    Tensor (people, classes, inputs) or (people, classes, inputs, inputs)
    """
    if cells.dim() == 3:
        return cells @ weights.T
    return weights @ cells @ weights.T


def symmetrise(image):
    """Mean of an image and its transpose: the network sees every connection twice, a connection has one value.

    Parameters
    ----------
    image : Tensor (..., R, R)
    """
    return (image + image.transpose(-1, -2)) / 2


def connections(image):
    """Each connection once, the diagonal left out: Tensor (..., E), in the order of ``numpy.triu_indices(R, 1)``."""
    rows, columns = torch.triu_indices(image.shape[-1], image.shape[-1], offset=1, device=image.device)
    return image[..., rows, columns]
