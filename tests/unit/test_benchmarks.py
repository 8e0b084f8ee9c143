"""`benchmarks/train.py` at tiny sizes: what it compares is the same network, and its GPU part runs (on a CPU here)."""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SIZES = argparse.Namespace(people=8, rois=40, loci=100, at_once=[1, 2], minutes=5.0)


@pytest.fixture
def programs(monkeypatch):
    """The modules `train` and `train_loops` of benchmarks/."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import train
    import train_loops

    yield train, train_loops
    for name in ("train", "train_loops", "measure"):
        sys.modules.pop(name, None)


def test_program_on_a_cpu(programs, capsys):
    words = "--device cpu --people 8 --rois 40 --loci 100 --epochs 1 --complete 1 --repetitions 1 --loops"
    programs[0].main(words.split())
    output = capsys.readouterr().out
    pattern = r"RESULT device=cpu epoch_ratio=(\S+) replicate_ratio=(\S+) max_abs_diff=(\S+)"
    found = re.fullmatch(pattern, output.splitlines()[-1])
    assert found and all(float(value) > 0 for value in found.groups()), output
    assert float(found[3]) < 1e-4
    difference, moved = map(
        float, re.search(r"after an epoch (\S+), where training .* by up to (\S+)", output).groups()
    )
    assert 0 < 100 * difference < moved


def test_gpu_part(programs, capsys):
    train, _ = programs
    epoch, replicate = train.gpu_part(SIZES, "cpu")
    output = capsys.readouterr().out
    assert epoch > 0 and replicate > 0
    rows = [line for line in output.splitlines() if line.startswith(("plain loop", "ours"))]
    assert len(rows) == 3 + 2 * len(SIZES.at_once) and not re.search("failed|left out|fit into", output)
    assert re.search(r"100 splits x 11 label rows x 100 epochs: \d+ minutes", output)
    bf16 = float(re.search(r"bf16, .* by up to (\S+)", output)[1])
    fp32 = float(re.search(r"fp32, grouped, eager, 8 .* by up to (\S+)", output)[1])
    assert fp32 == 0 < bf16 < 0.1


@pytest.mark.parametrize("kind", ["plain", "usual"])
def test_peers_are_the_same_network(programs, kind):
    _, loops = programs
    cohort = loops.make_cohort(8, 40, 100)
    settings = loops.settings_of(2, learning_rate=1e-3, block_order=loops.ORDERS[kind])
    start, ours = loops.weights_after("ours", cohort, settings)
    same, theirs = loops.weights_after(kind, cohort, settings)
    assert all(np.array_equal(start[name], same[name]) for name in start)
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-4, err_msg=name)
    moved = max(np.abs(ours[name] - start[name]).max() for name in ours if "conv.weight" in name)
    assert moved > 1e-3


def test_the_paper_s_network_is_the_floor_that_is_printed(programs):
    train, loops = programs
    model = loops.plain_network(264, 750, "pool_bn_relu", 0.2)
    assert sum(p.numel() for p in model.parameters()) == 318_724
    # 195 TFLOP a run of 500 epochs of 240 people
    assert train.flops_a_person(264, 750) * 240 * 500 == pytest.approx(195e12, rel=0.02)


def test_a_batch_of_replicates_that_differs_is_seen(programs, monkeypatch):
    train, _ = programs
    eager = train.variants("cpu")["grouped"][0][1]
    same, moved = train.sides_differ(SIZES, "cpu", "grouped", 8, eager, epochs=1, at_once=2)
    from gcamccl.model.stacked import StackedHead

    plain = StackedHead.forward
    monkeypatch.setattr(StackedHead, "forward", lambda self, x: -plain(self, x))
    assert 0 < 10 * same < moved
    assert train.sides_differ(SIZES, "cpu", "grouped", 8, eager, epochs=1, at_once=2)[0] > 10 * same


def test_steps_as_graphs_go_through_the_same_functions(programs, monkeypatch):
    # There is no CUDA graph on a CPU: what stands in for it repeats the step on the tensors that it was captured with.
    train, _ = programs
    from gcamccl.train import fit, graphs

    class Repeated:
        def __init__(self, step, inputs, loss):
            self.step, self.inputs, self.loss = step, inputs, loss

        def replay(self):
            self.loss.copy_(self.step(*self.inputs))

    def capture(network, optimiser, staged, settings, arguments):
        inputs, loss = [argument.clone() for argument in arguments], fit.torch.zeros(len(arguments[0]))
        return Repeated(fit.eager_step(network, optimiser, staged, settings), inputs, loss), inputs, loss

    monkeypatch.setattr(graphs.GraphedSteps, "_capture", staticmethod(capture))
    make_step = dict(train.variants("cuda")["grouped"])["graph"]
    difference, moved = train.sides_differ(SIZES, "cpu", "gemm", 8, make_step, epochs=1, at_once=2)
    assert 10 * difference < moved
    cohort = programs[1].make_cohort(8, 40, 100, permutations=1)
    epoch, both, _ = train.our_seconds(cohort, "cpu", "grouped", 2, make_step)
    assert epoch > 0 and both > 0
