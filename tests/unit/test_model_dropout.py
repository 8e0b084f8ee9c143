"""The masks of dropout: uniform, independent, and a function of seed, step, site and element alone."""

import numpy as np
import pytest
import torch
from scipy import stats

from gcamccl.model.dropout import CounterDropout, hash_bits, keep_mask, number_sites, set_keys, step_keys
from gcamccl.model.network import build
from gcamccl.workflow.config import stage_defaults

COUNT = 1 << 16
SETTINGS = stage_defaults("train")
# Tests of fixed bits: they pass or fail for ever. With some hundred p values, the least is below 1e-3 now and then.
P_LEAST = 1e-4


def bits(seed=1, step=0, site=0, count=COUNT):
    return hash_bits(step_keys([seed], [step])[0], site, count)[0]


def reference(seed, step, site, count):
    """The same hash in plain Python integers of any size."""
    mask, first, second, offset = 0xFFFFFFFF, 0x45D9F3B, 0x7FEB352D, 0x9E3779B9

    def turn(x, multiplier):
        return ((x ^ (x >> 16)) * multiplier) & mask

    def mix(x):
        x = (x + offset) & mask
        for multiplier in (first, second, first):
            x = turn(x, multiplier)
        return x ^ (x >> 16)

    words = []
    for begin in (0, offset):
        word = mix(mix(mix((seed & mask) ^ begin) ^ (seed >> 32)) ^ step)
        words.append(mix(word ^ ((offset * (site + 1)) & mask)))
    found = []
    for element in range(count):
        x = turn(element ^ words[0], first) ^ words[1]
        x = turn(turn(x, second), first)
        found.append(x ^ (x >> 16))
    return found


@pytest.mark.parametrize("seed", [0, 1, 12345, (1 << 32) - 1, (1 << 32) + 7])
def test_hash_does_not_overflow(seed):
    for step, site in ((0, 0), (29_999, 2), ((1 << 32) - 1, 5)):
        assert bits(seed, step, site, 300).tolist() == reference(seed, step, site, 300)


def test_values_are_uniform():
    p_values = []
    for seed, step, site in ((1, 0, 0), (1, 1, 0), (2, 0, 0), (1, 0, 1), (0, 0, 0), (1100, 29_999, 2)):
        values = bits(seed, step, site).numpy()
        assert values.min() >= 0
        assert values.max() < 1 << 32
        for shift in (24, 16, 8, 0):  # each byte
            p_values.append(stats.chisquare(np.bincount(values >> shift & 255, minlength=256)).pvalue)
        for bit in range(32):
            p_values.append(stats.binomtest(int((values >> bit & 1).sum()), COUNT).pvalue)
        p_values.append(stats.kstest(values / 2**32, "uniform").pvalue)
    assert min(p_values) > P_LEAST
    # p values of a good generator are uniform themselves: neither too small nor too large.
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def related(seed, step, site):
    """Masks that must not be alike: the next seed, step, site; seed and step swapped or shifted together; bit flips."""
    yield "seed", (seed + 1, step, site)
    yield "step", (seed, step + 1, site)
    yield "site", (seed, step, site + 1)
    yield "seed and step", (seed + 1, step - 1, site)
    yield "step and site", (seed, step - 1, site + 1)
    for bit in (8, 16, 24, 31):
        yield f"step bit {bit}", (seed, step ^ 1 << bit, site)
        yield f"seed bit {bit}", (seed ^ 1 << bit, step, site)


def test_masks_are_independent_of_each_other():
    p_values = []
    for seed, step, site in ((1, 100, 0), (77, 5_000, 1), (1000, 29_998, 2)):
        values = bits(seed, step, site).numpy()
        for _, other in related(seed, step, site):
            values_there = bits(*other).numpy()
            # 16 x 16 table of the high bits, and of the high with the low ones.
            for here, there in ((28, 28), (0, 28)):
                table = np.bincount((values >> here & 15) * 16 + (values_there >> there & 15), minlength=256)
                p_values.append(stats.chi2_contingency(table.reshape(16, 16)).pvalue)
    assert min(p_values) > P_LEAST
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_elements_are_independent_of_their_neighbours():
    # Lags of the shapes in the network: next cell, next row (33), next channel (1089), next person.
    p_values = []
    for seed, step in ((1, 0), (9, 412)):
        high = (bits(seed, step, count=1 << 18).numpy() >> 28).astype(np.int64)
        for lag in (1, 2, 3, 4, 8, 11, 33, 121, 1089, 4096, 32 * 1089):
            table = np.bincount(high[:-lag] * 16 + high[lag:], minlength=256).reshape(16, 16)
            p_values.append(stats.chi2_contingency(table).pvalue)
    assert min(p_values) > P_LEAST


def test_one_element_over_steps_and_over_replicates():
    # Along a training an element is kept as by coin flips: runs of the sequence over steps, over seeds.
    p = 0.2
    over_steps = torch.cat([keep_mask(key, 0, 64, p) for key in step_keys([3], range(4000))]).numpy()
    over_seeds = keep_mask(step_keys(range(4000), [17])[0], 0, 64, p).numpy()
    for kept in (over_steps, over_seeds):
        assert stats.binomtest(int(kept.sum()), kept.size, 1 - p).pvalue > P_LEAST
        per_element = kept.sum(axis=0)
        chi2 = ((per_element - 4000 * (1 - p)) ** 2 / (4000 * p * (1 - p))).sum()
        assert P_LEAST < stats.chi2(64).sf(chi2) < 1 - P_LEAST
        both = np.corrcoef(kept[:-1].ravel(), kept[1:].ravel())[0, 1] * np.sqrt(kept[1:].size)
        assert abs(both) < 4
        pairs = np.corrcoef(kept.T)[np.triu_indices(64, 1)] * np.sqrt(4000)
        assert stats.kstest(pairs, "norm").pvalue > P_LEAST


def test_no_two_of_many_steps_share_a_key():
    keys = step_keys(range(400), range(500))
    words = (keys[..., 0] << 31 ^ keys[..., 1]).flatten()
    assert len(words.unique()) == len(words)
    # One word alone has the collisions of 32 random bits: n^2 / 2^33 expected.
    expected = len(words) ** 2 / 2**33
    for word in range(2):
        shared = len(words) - len(keys[..., word].unique())
        assert stats.poisson(expected).cdf(shared) > P_LEAST
        assert stats.poisson(expected).sf(shared) > P_LEAST


def test_both_words_of_a_key_count():
    key = step_keys([1], [0])[0]
    for word in range(2):
        other = key.clone()
        other[0, word] ^= 1 << 20
        table = np.bincount(
            ((hash_bits(key, 0, COUNT) >> 28) * 16 + (hash_bits(other, 0, COUNT) >> 28))[0].numpy(), minlength=256
        )
        assert stats.chi2_contingency(table.reshape(16, 16)).pvalue > P_LEAST


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
def test_dropout_keeps_the_mean(p):
    dropout = CounterDropout(p)
    dropout.keys = step_keys([5], [3])[0]
    y = dropout(torch.ones(4, 32, 33, 33))
    kept = int((y > 0).sum())
    assert stats.binomtest(kept, y.numel(), 1 - p).pvalue > P_LEAST
    assert y.unique().tolist() == pytest.approx([0, 1 / (1 - p)])
    assert torch.equal(dropout.eval()(y), y)


def test_without_keys_it_is_torchs_own():
    x = torch.ones(3, 8, 5)
    torch.manual_seed(1)
    own = CounterDropout(0.4)(x)
    torch.manual_seed(1)
    assert torch.equal(own, torch.nn.Dropout(0.4)(x))


def test_gradient_is_the_mask():
    dropout = CounterDropout(0.5)
    dropout.keys = step_keys([5], [3])[0]
    x = torch.randn(2, 3, 4, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert torch.equal(x.grad, (y != 0) * 2.0)


def test_side_by_side_the_masks_are_those_of_each_alone():
    keys, x = step_keys([4, 9, 2], [12])[0], torch.randn(3, 5, 6, 7)  # (R, batch, channels, cells)
    together = CounterDropout(0.3, site=2, replicates=3)
    together.keys = keys
    y = together(x.transpose(0, 1).reshape(5, 18, 7)).view(5, 3, 6, 7).transpose(0, 1)
    for replicate in range(3):
        alone = CounterDropout(0.3, site=2)
        alone.keys = keys[replicate : replicate + 1]
        assert torch.equal(alone(x[replicate]), y[replicate])


def test_every_dropout_of_the_network_has_its_own_site():
    model = build(40, 60, SETTINGS)
    found = [module for module in model.modules() if isinstance(module, CounterDropout)]
    assert [module.site for module in found] == [0, 1, 2]
    set_keys(model, step_keys([1], [0])[0])
    assert all(module.keys is not None for module in found)
    set_keys(model, None)
    assert all(module.keys is None for module in found)
    assert number_sites(model) is model
