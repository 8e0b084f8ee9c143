"""The gradient at the input of a convolution of one channel, several times faster on a CPU than torch's own.

Training never needs it, so libraries have no quick way: for the first convolution of Table IV's connectivity branch it
took 25 ms a person, 4 times the forward pass, and three quarters of the time of all maps. Here one matrix product gives
what every cell sends to each place of the kernel, and the places are added up, shifted: 5 ms.
"""

from contextlib import contextmanager

import torch
import torch.nn.functional as F

STRIP_CELLS = 66 * 270  # cells at once: with 49 places 3.5 MB, which stays in the cache; measured from 22 to 264 rows


class _OneChannel(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, padding):
        ctx.save_for_backward(weight)
        ctx.padding = padding
        return F.conv2d(x, weight, bias, padding=padding)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        (weight,) = ctx.saved_tensors
        return input_gradient(gradient, weight, ctx.padding), None, None, None


def input_gradient(gradient, weight, padding):
    """Gradient at the input of ``conv2d(x, weight, padding=padding)`` with one input channel.

    Parameters
    ----------
    gradient : Tensor (people, channels, rows, columns)
        At the output; fastest in channels-last memory order.
    weight : Tensor (channels, 1, kernel, kernel)
    padding : int

    Returns
    -------
    Tensor (people, 1, *inputs)
    """
    people, channels, rows, columns = gradient.shape
    kernel = weight.shape[2]
    width = columns + kernel - 1  # of the padded input: rows in one line of memory, so that a shift is an offset
    places = weight.reshape(channels, -1).T
    total = gradient.new_zeros(people, (rows + kernel - 1) * width + kernel - 1)
    strip = max(1, STRIP_CELLS // width)
    for person, line in zip(gradient, total, strict=True):
        for top in range(0, rows, strip):
            part = person[:, top : top + strip].permute(1, 2, 0)
            part = F.pad(part, (0, 0, 0, kernel - 1)).reshape(-1, channels)
            for place, sent in enumerate(torch.mm(places, part.T)):
                start = (top + place // kernel) * width + place % kernel
                line[start : start + len(sent)] += sent
    total = total[:, : (rows + kernel - 1) * width].view(people, 1, rows + kernel - 1, width)
    height, breadth = rows + kernel - 1 - 2 * padding, width - 2 * padding
    return total[:, :, padding : padding + height, padding : padding + breadth]


@contextmanager
def quick_input_gradient(blocks):
    """While open, the first block's convolution, if it is 2-D and of one channel, gives its input's gradient quickly.

    On a CPU; the weights get no gradient from it.
    """
    conv = blocks[0].conv
    if conv.weight.dim() == 4 and conv.in_channels == 1 and conv.weight.is_cpu:
        conv.forward = lambda x: _OneChannel.apply(x, conv.weight, conv.bias, conv.padding[0])
    try:
        yield
    finally:
        conv.__dict__.pop("forward", None)
