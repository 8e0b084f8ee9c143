"""Dropout whose masks are a function of seed, step, place and element, and of nothing else.

A counter-based generator (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3") has no state:
the mask is the same on CPU and GPU, alone or among other replicates, and after a resumed training. Everything is done
in int64 with values below 2^32 and multipliers below 2^31, so that no product overflows.
"""

import torch
from torch import nn

MASK = 0xFFFFFFFF  # 32 bits
# Odd multipliers below 2^31. The first is that of T. Mueller's integer hash (x ^= x >> 16; x *= 0x45d9f3b, twice), the
# second of C. Wellons' lowbias32; what they are good for here is tested, not taken from there (tests/unit).
MULTIPLIERS = (0x45D9F3B, 0x7FEB352D)
# 2^32 over the golden ratio: keeps inputs that are 0 from staying 0.
OFFSET = 0x9E3779B9


def _round(x, multiplier):
    """One bijection of 32-bit values: high bits into the low ones, then a product that mixes upwards; in place."""
    x ^= x >> 16
    x *= multiplier
    x &= MASK
    return x


def _finish(x):
    """High bits into the low ones once more; in place."""
    x ^= x >> 16
    return x


def _mix(x):
    """Hash of 32-bit values, each bit of which depends on all bits of `x`; a new tensor."""
    x = x + OFFSET
    x &= MASK
    for multiplier in (*MULTIPLIERS, MULTIPLIERS[0]):
        x = _round(x, multiplier)
    return _finish(x)


def step_keys(seeds, steps):
    """Keys of the masks of each step, two words of 32 bits.

    Parameters
    ----------
    seeds : sequence of int (R,)
        From 0 to 2^64 - 1.
    steps : sequence of int (S,)
        Numbers of steps since the start of the training, from 0 to 2^32 - 1.

    Returns
    -------
    Tensor of int64 (S, R, 2)
        Values from 0 to 2^32 - 1. On the CPU.
    """
    low = torch.tensor([int(seed) & MASK for seed in seeds], dtype=torch.int64)[None, :]
    high = torch.tensor([int(seed) >> 32 for seed in seeds], dtype=torch.int64)[None, :]
    step = torch.tensor([int(step) for step in steps], dtype=torch.int64)[:, None]
    # Two chains that start differently: together 64 bits, so that no two of 10^8 steps share a key by chance.
    return torch.stack([_mix(_mix(_mix(low ^ start) ^ high) ^ step) for start in (0, OFFSET)], dim=-1)


def hash_bits(keys, site, count):
    """Uniform 32-bit values.

    Parameters
    ----------
    keys : Tensor of int64 (R, 2)
        As `step_keys` gives them for one step.
    site : int
        Number of the dropout in the network.
    count : int
        Elements a replicate.

    Returns
    -------
    Tensor of int64 (R, count)
        From 0 to 2^32 - 1.
    """
    own = _mix(keys ^ (OFFSET * (site + 1) & MASK))
    x = torch.arange(count, dtype=torch.int64, device=keys.device)[None, :] ^ own[:, :1]
    x = _round(x, MULTIPLIERS[0])
    x ^= own[:, 1:]
    x = _round(x, MULTIPLIERS[1])
    x = _round(x, MULTIPLIERS[0])
    return _finish(x)


def keep_mask(keys, site, count, p):
    """Which elements stay, with probability 1 - p (to 2^-32); bool (R, count). Arguments as in `hash_bits`."""
    return hash_bits(keys, site, count) >= round(p * (MASK + 1))


class CounterDropout(nn.Dropout):
    """Dropout with `keep_mask`; without keys (a plain training loop) it is `nn.Dropout`.

    Attributes
    ----------
    site : int
        Its number in the network; `number_sites` sets it.
    keys : Tensor of int64 (R, 2) or None
        Of the present step; `set_keys` sets them.
    replicates : int
        R: how many replicates lie side by side along the channels of the input, 1 in a network of one replicate.
    """

    def __init__(self, p, site=0, replicates=1):
        super().__init__(p)
        self.site, self.keys, self.replicates = site, None, replicates

    def forward(self, x):
        """`x` with elements dropped and the others scaled by 1 / (1 - p).

        Parameters
        ----------
        x : Tensor (batch, R * channels, *cells)

        Returns
        -------
        Tensor
            An element's number is its place in a replicate's own (batch, channels, *cells).
        """
        if self.keys is None or not self.training:
            return super().forward(x)
        keep = keep_mask(self.keys, self.site, x.numel() // self.replicates, self.p)
        if self.replicates > 1:
            keep = keep.view(self.replicates, len(x), -1).transpose(0, 1)
        return x * (keep.reshape(x.shape).to(x.dtype) * (1 / (1 - self.p)))


def number_sites(network):
    """Give every `CounterDropout` of a network its own number, in the order of the modules; returns the network."""
    found = [module for module in network.modules() if isinstance(module, CounterDropout)]
    for site, module in enumerate(found):
        module.site = site
    return network


def set_keys(network, keys):
    """Set the keys of the present step on every `CounterDropout`; None: torch's own generator draws."""
    for module in network.modules():
        if isinstance(module, CounterDropout):
            module.keys = keys
