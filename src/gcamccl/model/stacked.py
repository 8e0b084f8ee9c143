"""R replicates as one network: parameters stacked on a leading dimension, one kernel launch for all of them.

`Alone` and `Stacked` have one interface, so that one training loop drives both: ``network(inputs)`` gives logits (R,
batch, views, 2), ``stacked_state()`` the tensors of `gcamccl.model.network.CCL.state_dict` with R in front.

Activations are (batch, R x channels, *cells) throughout: the layout of grouped convolutions, in which batch
normalisation and pooling treat each replicate by itself without further ado.
"""

import torch
import torch.nn.functional as F
from torch import nn

from gcamccl.model.dropout import CounterDropout, set_keys

ARRANGEMENTS = ("alone", "grouped", "gemm")


class Alone(nn.Module):
    """One network of one replicate with the interface of `Stacked` (R = 1)."""

    arrangement = "alone"

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        """Logits (1, batch, views, 2) of inputs with a leading dimension of 1."""
        return self.network({view: x[0] for view, x in inputs.items()})[None]

    def set_keys(self, keys):
        """Keys of the dropout masks of this step, int64 (1, 2)."""
        set_keys(self.network, keys)

    def named_weights(self):
        """Pairs of name (as in `CCL`) and parameter."""
        return list(self.network.named_parameters())

    def stacked_state(self):
        """Views of the tensors of the state dict, each with a leading dimension of 1."""
        return {name: tensor[None] for name, tensor in self.network.state_dict().items()}

    def select(self, positions):
        """The network itself: there is nothing to leave out."""
        if list(positions) != [0]:
            raise ValueError(f"{list(positions)}: one replicate only")
        return self


class StackedConv(nn.Module):
    """Convolutions of R replicates.

    Parameters
    ----------
    conv : nn.Conv1d or nn.Conv2d
        Of one replicate: its sizes count, not its weights.
    replicates : int
    arrangement : {'grouped', 'gemm'}
        One convolution with R groups, or patches side by side (im2col) and one batched matrix product. A kernel that
        spans its whole input is a matrix product in either case.
    """

    def __init__(self, conv, replicates, arrangement):
        super().__init__()
        self.padding, self.arrangement = conv.padding, arrangement
        self.weight = nn.Parameter(torch.zeros(replicates, *conv.weight.shape, dtype=conv.weight.dtype))
        self.bias = nn.Parameter(torch.zeros(replicates, *conv.bias.shape, dtype=conv.bias.dtype))

    def forward(self, x):
        """(batch, R * channels_in, *cells) to (batch, R * channels_out, *cells)."""
        replicates, channels = self.bias.shape
        kernel = self.weight.shape[3:]
        if not any(self.padding) and x.shape[2:] == kernel:
            patches = x.reshape(len(x), replicates, -1).transpose(0, 1)
            y = torch.baddbmm(self.bias[:, None], patches, self.weight.flatten(2).transpose(1, 2))
            return y.transpose(0, 1).reshape(len(x), replicates * channels, *(1 for _ in kernel))
        if self.arrangement == "grouped":
            convolve = F.conv1d if len(kernel) == 1 else F.conv2d
            return convolve(x, self.weight.flatten(0, 1), self.bias.flatten(), padding=self.padding, groups=replicates)
        cells = [size + 2 * pad - width + 1 for size, pad, width in zip(x.shape[2:], self.padding, kernel, strict=True)]
        if len(kernel) == 1:  # unfold knows images only
            patches = F.unfold(x[..., None], (*kernel, 1), padding=(*self.padding, 0))
        else:
            patches = F.unfold(x, kernel, padding=self.padding)
        patches = patches.view(len(x), replicates, -1, patches.shape[-1])
        y = self.weight.flatten(2) @ patches + self.bias[..., None]
        return y.reshape(len(x), replicates * channels, *cells)


class StackedNorm(nn.Module):
    """Batch normalisation of R replicates, each with its own statistics."""

    def __init__(self, norm, replicates):
        super().__init__()
        self.momentum, self.eps = norm.momentum, norm.eps
        shape = (replicates, norm.num_features)
        dtype = norm.weight.dtype
        self.weight = nn.Parameter(torch.ones(shape, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(shape, dtype=dtype))
        self.register_buffer("running_mean", torch.zeros(shape, dtype=dtype))
        self.register_buffer("running_var", torch.ones(shape, dtype=dtype))
        self.register_buffer("num_batches_tracked", torch.zeros(replicates, dtype=torch.int64))

    def forward(self, x):
        """(batch, R * channels, *cells), normalised; updates the running statistics in training mode."""
        if self.training:
            self.num_batches_tracked += 1
        return F.batch_norm(
            x,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.view(-1),
            self.bias.view(-1),
            self.training,
            self.momentum,
            self.eps,
        )


class StackedBlock(nn.Module):
    """`gcamccl.model.network.Block` of R replicates; the submodules have the same names."""

    def __init__(self, block, replicates, arrangement):
        super().__init__()
        self.order = block.order
        self.conv = StackedConv(block.conv, replicates, arrangement)
        self.pool, self.relu = block.pool, nn.ReLU()
        self.norm = nn.Identity() if isinstance(block.norm, nn.Identity) else StackedNorm(block.norm, replicates)
        self.dropout = nn.Identity()
        if isinstance(block.dropout, CounterDropout):
            self.dropout = CounterDropout(block.dropout.p, block.dropout.site, replicates)

    def forward(self, x):
        """(batch, R * channels_in, *cells) to (batch, R * channels_out, *cells)."""
        x = self.conv(x)
        if self.order == "pool_bn_relu":
            x = self.relu(self.norm(self.pool(x)))
        elif self.order == "bn_relu_pool":
            x = self.pool(self.relu(self.norm(x)))
        else:
            x = self.norm(self.pool(self.relu(x)))
        return self.dropout(x)


class StackedHead(nn.Module):
    """Linear layers of R replicates: (R, batch, in) to (R, batch, out)."""

    def __init__(self, head, replicates):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(replicates, *head.weight.shape, dtype=head.weight.dtype))
        self.bias = nn.Parameter(torch.zeros(replicates, *head.bias.shape, dtype=head.bias.dtype))

    def forward(self, x):
        """Logits of `x`."""
        return torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))


class StackedBranch(nn.Module):
    """One view's branch of R replicates."""

    def __init__(self, branch, replicates, arrangement):
        super().__init__()
        self.blocks = nn.Sequential(*(StackedBlock(block, replicates, arrangement) for block in branch.blocks))
        self.head = StackedHead(branch.head, replicates)

    def forward(self, x):
        """(R, batch, 1, *cells) to logits (R, batch, 2)."""
        replicates, people = x.shape[:2]
        flat = self.blocks(x.transpose(0, 1).flatten(1, 2))
        return self.head(flat.view(people, replicates, -1).transpose(0, 1))


class Stacked(nn.Module):
    """The networks of R replicates as one; `stack` fills it.

    Its state dict has the names of `CCL`'s and each tensor R in front.

    Parameters
    ----------
    template : CCL
        A network of one replicate: sizes and settings count, not its weights.
    replicates : int
    arrangement : {'grouped', 'gemm'}
    """

    def __init__(self, template, replicates, arrangement="grouped"):
        super().__init__()
        if arrangement not in ARRANGEMENTS[1:]:
            raise ValueError(f"arrangement {arrangement!r}; known: {', '.join(ARRANGEMENTS[1:])}")
        self.arrangement, self.replicates, self._template = arrangement, replicates, [template]
        self.branches = nn.ModuleDict(
            {view: StackedBranch(branch, replicates, arrangement) for view, branch in template.branches.items()}
        )

    def forward(self, inputs):
        """Logits of every replicate.

        Parameters
        ----------
        inputs : dict of str to Tensor
            ``connectivity``: (R, batch, 1, ROIs, ROIs). ``snps``: (R, batch, 1, loci). People may differ between
            replicates.

        Returns
        -------
        Tensor (R, batch, views, 2)
        """
        return torch.stack([branch(inputs[view]) for view, branch in self.branches.items()], dim=2)

    def set_keys(self, keys):
        """Keys of the dropout masks of this step, int64 (R, 2)."""
        set_keys(self, keys)

    def named_weights(self):
        """Pairs of name (as in `CCL`) and parameter."""
        return list(self.named_parameters())

    def stacked_state(self):
        """The state dict."""
        return self.state_dict()

    def select(self, positions):
        """A network of some of the replicates, on the same device, with weights copied."""
        chosen = Stacked(self._template[0], len(positions), self.arrangement)
        device = next(self.parameters()).device
        index = torch.as_tensor(positions, device=device)
        chosen.load_state_dict({name: tensor[index] for name, tensor in self.state_dict().items()})
        return chosen.to(device).train(self.training)


def stack(networks, arrangement="grouped"):
    """One network of several.

    Parameters
    ----------
    networks : list of CCL
        Of the same architecture.
    arrangement : {'alone', 'grouped', 'gemm'}
        ``alone`` takes one network and keeps it as it is.

    Returns
    -------
    Alone or Stacked
    """
    if arrangement == "alone":
        (network,) = networks
        return Alone(network)
    result = Stacked(networks[0], len(networks), arrangement)
    states = [network.state_dict() for network in networks]
    result.load_state_dict({name: torch.stack([state[name] for state in states]) for name in states[0]})
    return result


def state_of(stacked, position):
    """State dict, as `CCL` takes it, of one replicate of a stacked state (copied)."""
    return {name: tensor[position].clone() for name, tensor in stacked.items()}
