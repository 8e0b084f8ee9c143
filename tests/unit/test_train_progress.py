"""Lines of progress: few, and with what one wants to know."""

from types import SimpleNamespace

import numpy as np
import pytest

from gcamccl.train import progress as module
from gcamccl.train.progress import Progress, duration


class Clock:
    """Time that moves when told."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def state(numbers, epoch, epochs, ends=None):
    """Stands for `gcamccl.train.fit.State` after an epoch."""
    return SimpleNamespace(
        replicates=[SimpleNamespace(number=number) for number in numbers],
        epoch=epoch,
        active=np.array([epoch < end for end in ends or [epochs] * len(numbers)]),
        best_epoch=np.zeros(len(numbers), int),
        history=[[{}] * min(epoch, end) for end in ends or [epochs] * len(numbers)],
    )


def columns(count):
    return {name: np.linspace(0.5, 0.7, count) for name in ("train_loss", "validation_loss", "validation_auc")}


def test_one_replicate_after_the_other(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    progress = Progress(lines.append, 2, epochs=10)
    for replicate in (4, 5):
        for epoch in range(1, 11):
            clock.now += 2.0
            progress.epoch(state([replicate], epoch, 10), columns(1), 2.0)
    assert lines[0] == (
        "0 of 2 replicates done; replicate 4, epoch 1 of 10: loss 0.500, validation loss 0.500, AUC 0.500,"
        " best epoch 1; 0.5 replicate-epochs/s, at most 38 s left"
    )
    assert 8 <= len(lines) <= 12  # 40 s, a line at most each 5 s, one as each replicate ends, and the last
    assert "replicate 4: 10 epochs, best is 1" in lines
    assert lines[-1].startswith("2 of 2 replicates done; replicate 5, epoch 10 of 10")
    assert lines[-1].endswith("at most 0 s left")


def test_many_at_once(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    progress = Progress(lines.append, 300, epochs=500)
    for epoch in range(1, 301):
        clock.now += 60.0
        ends = [min(500, number + 1) for number in range(300)]  # one stops each epoch
        progress.epoch(state(range(300), epoch, 500, ends), columns(300), 60.0)
        if epoch == 1:
            assert lines == [
                "1 of 300 replicates done; 300 replicates at once, epoch 1 of 500: loss 0.600 (0.500-0.700), validation"
                " loss 0.600 (0.500-0.700), AUC 0.600 (0.500-0.700), best epoch 1 (1-1); 5 replicate-epochs/s,"
                " at most 8.3 h left"
            ]
    assert 50 < len(lines) < 250  # 5 hours
    assert lines[-1].startswith("300 of 300 replicates done; replicate 299, epoch 300 of 500")
    assert lines[-1].endswith("at most 0 s left")


def test_going_on(monkeypatch):
    clock, lines = Clock(monkeypatch), []
    progress = Progress(lines.append, 3, epochs=10)
    progress.resumed(1, state([7], 4, 10), [])
    assert lines == ["going on from a checkpoint: 1 replicates had finished, 1 go on after epoch 4"]
    clock.now += 1.0
    progress.epoch(state([7], 5, 10), columns(1), 1.0)
    assert lines[-1].startswith("1 of 3 replicates done; replicate 7, epoch 5 of 10")
    assert lines[-1].endswith("1 replicate-epochs/s, at most 15 s left")  # 30 - 10 - 5 epochs


@pytest.mark.parametrize(("seconds", "words"), [(4.4, "4 s"), (119, "119 s"), (1800, "30 min"), (9000, "2.5 h")])
def test_durations(seconds, words):
    assert duration(seconds) == words
