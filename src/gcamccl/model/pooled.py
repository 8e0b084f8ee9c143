"""A convolution followed by max-pooling whose backward pass visits only the cells that won their window.

Max-pooling hands every gradient to one cell of its window: of the second convolution's outputs in Table IV one in 16
has a gradient. The usual backward pass multiplies all of them. Here weighted sums of rows, looked up by where the
winners are (``torch.nn.functional.embedding_bag``), give the same gradients for half of the work on a CPU.
"""

import torch
import torch.nn.functional as F


class _PooledConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, padding, pool):
        pooled, winners = F.max_pool2d(
            F.conv2d(x, weight, bias, padding=padding), pool, ceil_mode=True, return_indices=True
        )
        ctx.save_for_backward(x, weight, winners)
        ctx.padding, ctx.pool, ctx.with_bias = padding, pool, bias is not None
        return pooled

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        x, weight, winners = ctx.saved_tensors
        kernel, padding, pool = weight.shape[2], ctx.padding, ctx.pool
        # From here on cells come before channels, (people, rows, columns, channels): lookups read whole rows.
        gradient, winners = (a.permute(0, 2, 3, 1).contiguous() for a in (gradient, winners))
        row, column = _split(winners.int(), x.shape[3] + 2 * padding - kernel + 1)
        for_x = for_weight = for_bias = None
        if ctx.needs_input_grad[0]:
            for_x = _input_gradient(gradient, row, column, weight, pool, padding, x.shape)
        if ctx.needs_input_grad[1]:
            # One person at a time: the table of all people would not stay in the cache.
            people = zip(*(a.split(1) for a in (gradient, row, column, x)), strict=True)
            for_weight = sum(_weight_gradient(*one, kernel, padding) for one in people)
        if ctx.with_bias and ctx.needs_input_grad[2]:
            for_bias = gradient.sum((0, 1, 2))
        return for_x, for_weight, for_bias, None, None


def convolve_and_pool(x, weight, bias, padding, pool):
    """``max_pool2d(conv2d(x, weight, bias, padding), pool, ceil_mode=True)``, faster backward on a CPU.

    The gradients equal those of the two operations up to rounding. They can be taken once (no second derivatives).

    Parameters
    ----------
    x : Tensor (people, channels_in, rows, columns)
        Fastest in channels-last memory order.
    weight : Tensor (channels_out, channels_in, kernel, kernel)
    bias : Tensor (channels_out,) or None
    padding, pool : int
        As `torch.nn.Conv2d` and `torch.nn.MaxPool2d` take them; the same in both directions.

    Returns
    -------
    Tensor (people, channels_out, windows, windows)
    """
    return _PooledConvolution.apply(x, weight, bias, padding, pool)


def _split(index, width):
    """Row and column of flat indices; float64 holds them exactly and divides faster than integers do."""
    row = (index.double() / width).floor_().int()
    return row, index - row * width


def _sums(table, index, factor):
    """Sum of ``factor x table row`` over the last axis of `index`: Tensor (*index.shape[:-1], table columns)."""
    length = index.shape[-1]
    offsets = torch.arange(0, index.numel(), length, dtype=torch.int32)
    factor = factor.expand(index.shape).reshape(-1)
    found = F.embedding_bag(index.reshape(-1), table, offsets, mode="sum", per_sample_weights=factor)
    return found.view(*index.shape[:-1], -1)


def _weight_gradient(gradient, row, column, x, kernel, padding):
    """d loss / d weight: patches of `x` under the winners, weighted by their gradients.

    A table row is one row of a patch: `kernel` cells, all channels. One bag a (person, row of windows), output
    channel and row of the patch, so that the part of `x` in use stays in the cache.
    """
    channels = x.shape[1]
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *[padding] * 4)).contiguous()
    people, height, width, _ = padded.shape
    table = padded.as_strided((people * height * width - kernel + 1, kernel * channels), (channels, 1)).contiguous()
    start = torch.arange(0, people * height, height, dtype=torch.int32)[:, None, None, None]
    place = ((row + start) * width + column).transpose(2, 3).unsqueeze(3)  # people, windows, channels_out, 1, windows
    down = torch.arange(0, kernel * width, width, dtype=torch.int32)[:, None]
    total = _sums(table, place + down, gradient.transpose(2, 3).unsqueeze(3)).sum((0, 1))
    return total.view(-1, kernel, kernel, channels).permute(0, 3, 1, 2)


def _input_gradient(gradient, row, column, weight, pool, padding, shape):
    """d loss / d x: kernels laid down at the winners, weighted by their gradients.

    A kernel laid down in a window reaches over `span` windows in each direction. A table row is one row of the kernel
    of one output channel, shifted to one of the `pool` columns a winner can have, zeros around it. One bag a row of
    the padded input and column of windows: the `span` windows above each other that reach it, all output channels.
    """
    channels_out, channels, kernel, _ = weight.shape
    people, windows_down, windows_across, _ = gradient.shape
    span = -(-(pool + kernel - 1) // pool)
    blank = max(pool - 1, pool * span - kernel)  # rows of zeros that a winner's row can move the kernel by
    table = weight.new_zeros(channels_out, pool, kernel + blank, pool * span, channels)
    rows = weight.permute(0, 2, 3, 1)
    for shift in range(pool):
        table[:, shift, blank:, shift : shift + kernel] = rows
    table = F.pad(table.view(-1, pool * span * channels), (0, 0, 0, blank))

    down = torch.arange(0, pool * windows_down, pool, dtype=torch.int32)[:, None, None]
    across = torch.arange(0, pool * windows_across, pool, dtype=torch.int32)[:, None]
    first = torch.arange(0, channels_out * pool, pool, dtype=torch.int32)
    entry = (first + column - across) * (kernel + blank) + (blank + down - row)
    step = [pool * (span - 1 - number) for number in range(span)]  # windows from top to bottom
    offset = torch.tensor(step, dtype=torch.int32) + torch.arange(pool, dtype=torch.int32)[:, None]

    def stacked(values):
        """(people, rows of windows, windows, 1, span, channels_out)"""
        values = F.pad(values, (0, 0, 0, 0, span - 1, span - 1))
        return values.unfold(1, span, 1).transpose(3, 4).unsqueeze(3)

    index = stacked(entry) + offset[:, :, None]  # bags: (people, rows of windows, windows, pool)
    found = _sums(table, index.flatten(-2), stacked(gradient).expand(index.shape).flatten(-2))
    tall, wide = windows_down + span - 1, windows_across + span - 1
    found = found.view(people, tall, windows_across, pool, span, -1).transpose(2, 3)
    total = found.new_empty(people, tall, pool, wide, pool * channels)
    total[:, :, :, :windows_across] = found[:, :, :, :, 0]
    total[:, :, :, windows_across:] = 0
    for number in range(1, span):
        total[:, :, :, number : number + windows_across] += found[:, :, :, :, number]
    total = total.view(people, tall * pool, wide * pool, channels)
    inside = total[:, padding : padding + shape[2], padding : padding + shape[3]]
    return inside.permute(0, 3, 1, 2)
