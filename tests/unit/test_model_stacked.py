"""Replicates side by side equal the same ones alone; gradients of the whole loss by finite differences."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gcamccl.model.dropout import step_keys
from gcamccl.model.loss import collaborative_loss
from gcamccl.model.network import build
from gcamccl.model.stacked import Stacked, stack, state_of
from gcamccl.train.fit import eager_step
from gcamccl.train.graphs import rehearse
from gcamccl.train.optimiser import make_optimiser, optimiser_state, select_optimiser
from gcamccl.workflow.config import stage_defaults

SETTINGS = {**stage_defaults("train"), "learning_rate": 1e-3}
R, PEOPLE = 3, 12


def networks(rois, loci, settings, count=R, dtype=torch.float64):
    found = []
    for seed in range(count):
        torch.manual_seed(seed)
        found.append(build(rois, loci, settings).to(dtype))
    return found


def data(rois, loci, settings, dtype=torch.float64):
    """Stands for `Staged`: random people, batches by row."""
    rng = torch.Generator().manual_seed(0)
    arrays = {
        "connectivity": torch.randn(PEOPLE, 1, rois, rois, generator=rng, dtype=dtype),
        "snps": torch.randn(PEOPLE, 1, loci, generator=rng, dtype=dtype),
    }
    arrays = {view: arrays[view] for view in settings["views"]}
    return SimpleNamespace(batch=lambda rows, places: {view: x[rows] for view, x in arrays.items()})


def train_steps(network, chosen, staged, settings, steps=6, batch=4):
    """Weights and losses after some steps of the replicates `chosen`, each with its own people, labels and masks."""
    optimiser = make_optimiser(network, settings)
    step = eager_step(network, optimiser, staged, settings)
    people = np.random.default_rng(1).permuted(np.tile(np.arange(PEOPLE), (R, steps, 1)), axis=2)[:, :, :batch]
    labels = torch.from_numpy(np.random.default_rng(2).integers(0, 2, (R, PEOPLE)))[chosen]
    keys = step_keys(np.arange(R)[chosen], range(steps))
    network.train()
    losses = []
    for number in range(steps):
        rows = torch.from_numpy(people[chosen, number])
        losses.append(step(rows, labels.gather(1, rows), None, keys[number]))
    return network.stacked_state(), torch.stack(losses, 1)


CASES = {
    "sgd": {"optimizer": "sgd"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.01},
    "no last norm": {"optimizer": "sgd", "last_batch_norm": False},
    "bn_relu_pool": {"optimizer": "adamw", "block_order": "bn_relu_pool"},
    "relu_pool_bn": {"optimizer": "sgd", "block_order": "relu_pool_bn", "dropout": 0.5},
    "snps alone": {"optimizer": "adamw", "views": ["snps"]},
    "connectivity alone": {"optimizer": "sgd", "views": ["connectivity"]},
}


@pytest.mark.parametrize("arrangement", ["grouped", "gemm"])
@pytest.mark.parametrize("case", CASES)
def test_side_by_side_equals_alone(case, arrangement):
    # In float64 what is left is rounding: the largest difference of any weight or statistic is about 1e-12.
    settings = {**SETTINGS, **CASES[case]}
    for rois, loci in ((40, 60), (9, 13), (2, 1), (5, 4)) if case == "sgd" else ((24, 35),):
        staged = data(rois, loci, settings)
        together, losses = train_steps(
            stack(networks(rois, loci, settings), arrangement), np.arange(R), staged, settings
        )
        for replicate in range(R):
            network = stack([networks(rois, loci, settings)[replicate]], "alone")
            alone, loss = train_steps(network, np.array([replicate]), staged, settings)
            assert torch.allclose(losses[replicate], loss[0], rtol=0, atol=1e-10)
            for name, tensor in alone.items():
                if settings["optimizer"] == "adamw" and name.endswith("conv.bias") and _before_norm(together, name):
                    continue  # the norm removes this bias: its gradient is rounding, which AdamW scales up
                assert torch.allclose(together[name][replicate], tensor[0], rtol=0, atol=1e-9), name


def _before_norm(state, name):
    """Whether a batch norm follows this convolution."""
    return name.replace("conv.bias", "norm.weight") in state


def test_arrangements_agree_in_float32():
    settings = {**SETTINGS, "optimizer": "sgd"}
    staged = data(40, 150, settings, torch.float32)
    alone = [
        train_steps(stack([network], "alone"), np.array([number]), staged, settings)[0]
        for number, network in enumerate(networks(40, 150, settings, dtype=torch.float32))
    ]
    for arrangement in ("grouped", "gemm"):
        network = stack(networks(40, 150, settings, dtype=torch.float32), arrangement)
        together, _ = train_steps(network, np.arange(R), staged, settings)
        for name, tensor in together.items():
            assert torch.allclose(tensor, torch.cat([state[name] for state in alone]), rtol=0, atol=2e-5), name


@pytest.mark.parametrize("arrangement", ["grouped", "gemm"])
def test_weights_go_in_and_out_unchanged(arrangement):
    models = networks(40, 60, SETTINGS, dtype=torch.float32)
    for model in models:
        model({"connectivity": torch.randn(4, 1, 40, 40), "snps": torch.randn(4, 1, 60)})  # moves the statistics
    together = stack(models, arrangement)
    for place, model in enumerate(models):
        back = state_of(together.stacked_state(), place)
        expected = model.state_dict()
        assert list(back) == list(expected)
        assert all(torch.equal(back[name], tensor) for name, tensor in expected.items())
        model.load_state_dict(back)
    chosen = together.select([2, 0])
    assert all(torch.equal(tensor[0], models[2].state_dict()[name]) for name, tensor in chosen.stacked_state().items())
    assert chosen.arrangement == arrangement
    together.branches["snps"].head.weight.data.zero_()  # a copy, no view
    assert chosen.branches["snps"].head.weight.abs().min() > 0


def test_evaluation_mode_equals_the_single_network():
    models = networks(33, 70, SETTINGS)
    inputs = {"connectivity": torch.randn(R, 5, 1, 33, 33).double(), "snps": torch.randn(R, 5, 1, 70).double()}
    for model in models:
        for _ in range(3):
            model({view: x[0] for view, x in inputs.items()})
        model.eval()
    for arrangement in ("grouped", "gemm"):
        logits = stack(models, arrangement).eval()(inputs)
        for place, model in enumerate(models):
            expected = model({view: x[place] for view, x in inputs.items()})
            assert torch.allclose(logits[place], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_leaving_replicates_out_changes_nothing_for_the_others(optimizer):
    settings = {**SETTINGS, "optimizer": optimizer}
    staged, rows = data(20, 30, settings), torch.arange(4).expand(R, 4)
    labels, keys = torch.tensor([[0, 1, 1, 0]]).expand(R, 4), step_keys(range(R), range(4))
    network = stack(networks(20, 30, settings)).train()
    optimiser = make_optimiser(network, settings)
    for number in range(2):
        eager_step(network, optimiser, staged, settings)(rows, labels, None, keys[number])
    fewer = network.select([0, 2])
    fewer_optimiser = select_optimiser(network, optimiser, fewer, torch.tensor([0, 2]), settings)
    assert optimiser_state(fewer, fewer_optimiser).keys() == optimiser_state(network, optimiser).keys()
    for number in range(2, 4):
        eager_step(network, optimiser, staged, settings)(rows, labels, None, keys[number])
        eager_step(fewer, fewer_optimiser, staged, settings)(rows[:2], labels[:2], None, keys[number][[0, 2]])
    for name, tensor in fewer.stacked_state().items():
        if optimizer == "sgd" or not name.endswith("conv.bias"):
            assert torch.allclose(tensor, network.stacked_state()[name][[0, 2]], rtol=0, atol=1e-10), name


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("before", [0, 2])
def test_the_rehearsal_of_a_step_leaves_no_trace(optimizer, before):
    settings = {**SETTINGS, "optimizer": optimizer, "weight_decay": 0.01}
    staged, rows = data(20, 30, settings), torch.arange(4).expand(R, 4)
    labels, keys = torch.tensor([[0, 1, 1, 0]]).expand(R, 4), step_keys(range(R), range(6))
    found = []
    for rehearsed in (False, True):
        network = stack(networks(20, 30, settings)).train()
        optimiser = make_optimiser(network, settings)
        step = eager_step(network, optimiser, staged, settings)
        for number in range(before + 3):
            if rehearsed and number == before:
                rehearse(network, optimiser, step, (rows, labels, None, keys[5]))
            step(rows, labels, None, keys[number])
        found.append(network.stacked_state())
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())


def test_unknown_arrangement():
    with pytest.raises(ValueError, match="grouped, gemm"):
        Stacked(build(10, 10, SETTINGS), 2, "vmap")
    with pytest.raises(ValueError, match="too many"):
        stack([build(10, 10, SETTINGS)] * 2, "alone")


@pytest.mark.parametrize("arrangement", ["alone", "grouped", "gemm"])
@pytest.mark.parametrize("views", [["connectivity", "snps"], ["snps"]])
def test_gradient_of_the_whole_loss_by_finite_differences(arrangement, views):
    # Network, dropout and loss together, float64, along two random directions of every parameter. The step is small
    # enough that no ReLU and no maximum changes sides.
    settings = {**SETTINGS, "views": views, "dropout": 0.3}
    count = 1 if arrangement == "alone" else 2
    network = stack(networks(11, 17, settings, count), arrangement).train()
    inputs = data(11, 17, settings).batch(torch.tensor([[0, 1, 2, 3, 4], [3, 7, 8, 9, 1]])[:count], None)
    labels = torch.tensor([[0, 1, 1, 0, 1], [1, 1, 0, 0, 0]])[:count]
    network.set_keys(step_keys(range(count), [3])[0])

    def loss():
        return collaborative_loss(network(inputs), labels, 0.7).sum()

    loss().backward()
    rng = torch.Generator().manual_seed(0)
    step, compared = 1e-6, 0
    for name, parameter in network.named_weights():
        for _ in range(2):
            direction = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
            with torch.no_grad():
                parameter += step * direction
                above = loss()
                parameter -= 2 * step * direction
                below = loss()
                parameter += step * direction
            slope, expected = float(above - below) / (2 * step), float((parameter.grad * direction).sum())
            assert slope == pytest.approx(expected, rel=1e-5, abs=1e-7), name
            compared += abs(expected) > 1e-3
    assert compared > 10
