"""The two convolutional branches and the collaborative layer (paper, section II-D and Table IV)."""

import torch
from torch import nn

from gcamccl.model.dropout import CounterDropout, number_sites
from gcamccl.model.pooled import convolve_and_pool

VIEWS = ("connectivity", "snps")
CLASSES = 2  # 0 low, 1 high
EMBEDDING = 64  # Table IV: f_flatten and s_flatten

# Table IV, one tuple a layer: output channels, kernel, padding, max-pool. A kernel of None spans what is left, which
# is 11 for 264 ROIs and 15 for 750 loci, the numbers printed.
CONNECTIVITY_LAYERS = ((16, 7, 3, 2), (32, 5, 2, 4), (32, 3, 1, 3), (EMBEDDING, None, 0, 1))
SNP_LAYERS = ((16, 31, 0, 6), (32, 31, 0, 6), (EMBEDDING, None, 0, 1))

ORDERS = ("pool_bn_relu", "bn_relu_pool", "relu_pool_bn")

# From which pool and which number of input cells on `convolve_and_pool` is faster in training on a CPU: measured, with
# 16 channels in and 32 out 1.2 to 1.3 times slower at 20 x 20 and as fast at 30 x 30; no gain with a pool of 3.
SPARSE_POOL, SPARSE_CELLS = 4, 32 * 32


class _Reorder(torch.autograd.Function):
    """Memory order of `x` and, on the way back, of its gradient: left alone, gradients come in either order."""

    @staticmethod
    def forward(ctx, x, order, gradient_order):
        ctx.gradient_order = gradient_order
        return x.contiguous(memory_format=order)

    @staticmethod
    def backward(ctx, gradient):
        return gradient.contiguous(memory_format=ctx.gradient_order), None, None


def _channels_last(x):
    """From the usual memory order to channels-last, the fast one for images on a CPU; all else stays as it is."""
    return _Reorder.apply(x, torch.channels_last, torch.contiguous_format) if x.is_cpu and x.dim() == 4 else x


def _usual(x):
    """Back from it."""
    return _Reorder.apply(x, torch.contiguous_format, torch.channels_last) if x.is_cpu and x.dim() == 4 else x


class Block(nn.Module):
    """One layer of Table IV: convolution, then max-pool, batch norm and ReLU in the given order, then dropout.

    The block's output in evaluation mode is the feature map F^k that Eqs. 7, 8 and 10 combine (dropout does nothing
    then).

    On a CPU, 2-D blocks convolve and pool in channels-last memory order, and in training, where a wide pool follows the
    convolution at once, the backward pass visits only the cells that won their window (`gcamccl.model.pooled`): faster,
    the same numbers up to rounding. Batch norm stays in the usual order: torch's for channels-last adds up a channel
    one by one in float32 (relative error of the SD 9e-6 for a batch of 4 x 132 x 132, against 5e-8).

    Parameters
    ----------
    dimensions : {1, 2}
        1 for loci, 2 for connections.
    channels_in, channels_out, kernel, padding, pool : int
        As in Table IV. A pool of 1 is none. The last window of a pool may be incomplete (``ceil_mode``), so that no
        ROI or locus is ever cut off; for the paper's sizes every window is complete.
    order : {'pool_bn_relu', 'bn_relu_pool', 'relu_pool_bn'}
    batch_norm : bool
    dropout : float
        Probability; 0 is none.

    Attributes
    ----------
    conv, pool, norm, relu, dropout : nn.Module
        `nn.Identity` where there is none.
    order : str
    """

    def __init__(
        self,
        dimensions,
        channels_in,
        channels_out,
        kernel,
        padding=0,
        pool=1,
        order="pool_bn_relu",
        batch_norm=True,
        dropout=0.0,
    ):
        super().__init__()
        if order not in ORDERS:
            raise ValueError(f"order {order!r}; known: {', '.join(ORDERS)}")
        convolution, normalise, max_pool = {
            1: (nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d),
            2: (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d),
        }[dimensions]
        self.order = order
        self.sparse = dimensions == 2 and order == "pool_bn_relu" and pool >= SPARSE_POOL and channels_in > 1
        self.conv = convolution(channels_in, channels_out, kernel, padding=padding)
        self.pool = max_pool(pool, ceil_mode=True) if pool > 1 else nn.Identity()
        self.norm = normalise(channels_out) if batch_norm else nn.Identity()
        self.relu = nn.ReLU()  # one a block and never in place: guided backpropagation hooks into it
        self.dropout = CounterDropout(dropout) if dropout else nn.Identity()
        if dimensions == 2 and channels_in == 1:
            # One channel's memory order is the same either way: it is the weights that make torch choose.
            self.conv.to(memory_format=torch.channels_last)

    def forward(self, x):
        """Feature maps of `x`, shape (batch, channels_out, *cells)."""
        x = _channels_last(x)
        if self.order == "pool_bn_relu":
            x = self.relu(self.norm(_usual(self._convolve_and_pool(x))))
        elif self.order == "bn_relu_pool":
            x = self.pool(_channels_last(self.relu(self.norm(_usual(self.conv(x))))))
        else:
            x = self.norm(_usual(self.pool(self.relu(self.conv(x)))))
        return self.dropout(x)

    def _convolve_and_pool(self, x):
        if self.sparse and self.training and x.is_cpu and x.shape[2] * x.shape[3] >= SPARSE_CELLS:
            conv = self.conv
            return convolve_and_pool(x, conv.weight, conv.bias, conv.padding[0], self.pool.kernel_size)
        return self.pool(self.conv(x))


class Branch(nn.Module):
    """The ConvNet of one view and its half of the collaborative layer.

    Attributes
    ----------
    blocks : nn.Sequential of Block
    head : nn.Linear
        64 -> 2: this view's two of the four cells of Table IV's collab layer.
    """

    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(EMBEDDING, CLASSES)

    def embed(self, x):
        """Table IV's flatten layer, shape (batch, 64)."""
        return self.blocks(x).flatten(1)

    def forward(self, x):
        """Logits of the two classes, shape (batch, 2)."""
        return self.head(self.embed(x))


class CCL(nn.Module):
    """The network: one branch a view, fused only by the loss (`gcamccl.model.loss`).

    Attributes
    ----------
    branches : nn.ModuleDict of Branch
        Keyed by view, in the order of `VIEWS`.
    """

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleDict(branches)

    @property
    def views(self):
        """Names of the views, in the order of the outputs."""
        return tuple(self.branches)

    def forward(self, inputs):
        """Logits of every view.

        Parameters
        ----------
        inputs : dict of str to Tensor
            ``connectivity``: float32 (batch, 1, R, R). ``snps``: float32 (batch, 1, L).

        Returns
        -------
        Tensor (batch, views, 2)
            Before the softmax that gives the paper's h^(i).
        """
        return torch.stack([branch(inputs[view]) for view, branch in self.branches.items()], dim=1)

    def embed(self, inputs):
        """Flattened branch outputs side by side, float32 (batch, 64 x views), in the order of `views`."""
        return torch.cat([branch.embed(inputs[view]) for view, branch in self.branches.items()], dim=1)


def fit_layers(cells, layers):
    """Kernels and pools of a branch for an input of `cells` ROIs or loci (docs/decisions/model-sizes.md).

    Table IV's numbers stay wherever they fit: an unpadded kernel spans at most half of what it sees, so that some
    resolution is left for the maps; a pool is never wider than what it sees; the last kernel spans what is left.

    Parameters
    ----------
    cells : int
        Length of the input along an axis, at least 1.
    layers : tuple of tuple
        `CONNECTIVITY_LAYERS` or `SNP_LAYERS`.

    Returns
    -------
    list of tuple
        (channels, kernel, padding, pool, cells after the layer), one a layer; the last one leaves 1 cell.
    """
    if cells < 1:
        raise ValueError(f"{cells} cells: a branch needs at least 1")
    fitted = []
    for channels, kernel, padding, pool in layers:
        if kernel is None:
            kernel = cells
        elif not padding:
            kernel = max(1, min(kernel, cells // 2))
        cells = cells + 2 * padding - kernel + 1
        pool = min(pool, cells)
        cells = -(-cells // pool)
        fitted.append((channels, kernel, padding, pool, cells))
    return fitted


def build(n_rois, n_loci, settings):
    """The network for a study's sizes, with fresh weights from torch's global generator.

    For 264 ROIs and 750 loci this is Table IV: 318,724 parameters.

    Parameters
    ----------
    n_rois, n_loci : int
        Any number from 1; that of a view that is not used is ignored.
    settings : dict
        The config section ``train``: reads ``views``, ``dropout``, ``block_order``, ``last_batch_norm``.

    Returns
    -------
    CCL
    """
    sizes = {"connectivity": (2, n_rois, CONNECTIVITY_LAYERS), "snps": (1, n_loci, SNP_LAYERS)}
    chosen = [view for view in VIEWS if view in settings["views"]]
    if not chosen or len(chosen) != len(settings["views"]):
        raise ValueError(f"views {settings['views']!r}; known: {', '.join(VIEWS)}")
    branches = {}
    for view in chosen:
        dimensions, cells, layers = sizes[view]
        fitted, blocks, channels_in = fit_layers(cells, layers), [], 1
        for number, (channels, kernel, padding, pool, _) in enumerate(fitted):
            first, last = number == 0, number == len(fitted) - 1
            blocks.append(
                Block(
                    dimensions,
                    channels_in,
                    channels,
                    kernel,
                    padding,
                    pool,
                    order=settings["block_order"],
                    batch_norm=settings["last_batch_norm"] or not last,
                    dropout=0.0 if first or last else settings["dropout"],  # Table II: middle layers
                )
            )
            channels_in = channels
        branches[view] = Branch(blocks)
    return number_sites(CCL(branches))
