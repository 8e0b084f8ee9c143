"""The fast backward pass of convolution and max-pool: against autograd of the two operations, and in the network."""

import copy

import pytest
import torch
import torch.nn.functional as F

from gcamccl.model import network
from gcamccl.model.loss import collaborative_loss
from gcamccl.model.network import build
from gcamccl.model.pooled import convolve_and_pool
from gcamccl.workflow.config import stage_defaults

SETTINGS = {**stage_defaults("train"), "dropout": 0.0}

# people, channels in, out, kernel, padding, pool, rows, columns; windows complete or not, a kernel that reaches over
# one to four windows, a pool wider than the kernel, no padding, one cell
CASES = [
    (2, 3, 5, 5, 2, 4, 17, 17),
    (2, 3, 4, 5, 2, 4, 16, 11),
    (3, 2, 4, 3, 1, 3, 10, 13),
    (2, 4, 4, 5, 0, 2, 9, 9),
    (2, 2, 3, 7, 3, 2, 9, 8),
    (2, 2, 3, 3, 1, 5, 12, 7),
    (1, 1, 1, 1, 0, 1, 1, 1),
    (2, 2, 2, 1, 0, 4, 9, 9),
]


def plain(x, weight, bias, padding, pool):
    return F.max_pool2d(F.conv2d(x, weight, bias, padding=padding), pool, ceil_mode=True)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_gradients_equal_autograd(case, channels_last):
    people, channels_in, channels_out, kernel, padding, pool, rows, columns = case
    rng = torch.Generator().manual_seed(sum(case))

    def draw(*shape):
        return torch.randn(*shape, generator=rng, dtype=torch.float64)

    x, bias = draw(people, channels_in, rows, columns), draw(channels_out)
    weight = draw(channels_out, channels_in, kernel, kernel)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    leaves = [a.requires_grad_() for a in (x, weight, bias)]
    ours, theirs = convolve_and_pool(*leaves, padding, pool), plain(*leaves, padding, pool)
    assert torch.equal(ours, theirs)
    gradient = draw(*theirs.shape)
    found = torch.autograd.grad(ours, leaves, gradient)
    for one, other in zip(found, torch.autograd.grad(theirs, leaves, gradient), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_gradients_by_finite_differences():
    rng = torch.Generator().manual_seed(0)
    shapes = ((2, 2, 9, 9), (3, 2, 5, 5), (3,))
    leaves = [torch.randn(*shape, generator=rng, dtype=torch.float64).requires_grad_() for shape in shapes]
    assert torch.autograd.gradcheck(lambda *a: convolve_and_pool(*a, 2, 4), leaves)


def test_only_what_is_needed_and_no_bias():
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(2, 3, 12, 12, generator=rng, dtype=torch.float64)
    weight = torch.randn(4, 3, 5, 5, generator=rng, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(convolve_and_pool(x, weight, None, 2, 4).square().sum(), weight)
    (expected,) = torch.autograd.grad(plain(x, weight, None, 2, 4).square().sum(), weight)
    torch.testing.assert_close(found, expected)


def train(model, steps=3):
    """Weights after a few steps of SGD at 80 ROIs, with the orders of people fixed."""
    rng = torch.Generator().manual_seed(3)
    optimizer = torch.optim.SGD(model.parameters(), 1e-2, momentum=0.9)
    for _ in range(steps):
        inputs = {
            "connectivity": torch.randn(4, 1, 80, 80, generator=rng),
            "snps": torch.randn(4, 1, 100, generator=rng),
        }
        optimizer.zero_grad()
        collaborative_loss(model(inputs), torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
    return model.state_dict()


def test_the_network_trains_as_with_plain_operations(monkeypatch):
    torch.manual_seed(2)
    model = build(80, 100, SETTINGS)
    other, before = copy.deepcopy(model), copy.deepcopy(model.state_dict())
    calls = []
    monkeypatch.setattr(network, "convolve_and_pool", lambda *a: calls.append(1) or convolve_and_pool(*a))
    ours = train(model)
    assert len(calls) == 3, "the second block of the connectivity branch, every step"
    monkeypatch.setattr(network, "convolve_and_pool", plain)
    theirs = train(other)
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=0, atol=1e-5, msg=name)
    weight = "branches.connectivity.blocks.1.conv.weight"
    assert (ours[weight] - before[weight]).abs().max() > 1e-3, "the weights moved"


@pytest.mark.parametrize("order", network.ORDERS)
def test_batch_statistics_are_as_exact_as_the_usual_memory_order_s(order):
    # Torch's batch norm in channels-last order adds up 70,000 values one by one: the SD is wrong by 9e-6 then.
    torch.manual_seed(4)
    block = network.Block(2, 1, 16, 7, 3, 2, order=order)
    exact = copy.deepcopy(block).double()
    x = torch.randn(4, 1, 264, 264)
    block(x), exact(x.double())
    for name in ("running_mean", "running_var"):
        expected = getattr(exact.norm, name)
        assert ((getattr(block.norm, name) - expected) / expected.abs().max()).abs().max() < 2e-7, name


def test_evaluation_and_other_orders_use_plain_operations(monkeypatch):
    monkeypatch.setattr(network, "convolve_and_pool", lambda *a: pytest.fail("not here"))
    inputs = {"connectivity": torch.randn(2, 1, 80, 80), "snps": torch.randn(2, 1, 100)}
    build(80, 100, SETTINGS).eval()(inputs)
    for order in ("bn_relu_pool", "relu_pool_bn"):
        build(80, 100, {**SETTINGS, "block_order": order})(inputs)
