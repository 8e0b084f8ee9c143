"""An interrupted training goes on to the bit; a checkpoint that does not fit is one readable line."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_cohort import LOCI, ROIS, tiny_cohort

from gcamccl.cohort_files import write_cohort
from gcamccl.train import fit
from gcamccl.train.checkpoint import TRAINING, Checkpoint, environment, identity
from gcamccl.train.job import train_job
from gcamccl.workflow import watch
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError

SETTINGS = {
    **stage_defaults("train"),
    **{"epochs": 4, "patience_epochs": 2, "learning_rate": 3e-3, "halve_every_epochs": 2, "views": ["snps"]},
}
OUTPUTS = ("models.safetensors", "predictions.parquet", "history.parquet", "embeddings.npz", "replicates.json")


class Killed(Exception):
    """Stands for the end of the process."""


def killed_after(epochs):
    """A `say` that ends the training at its line number `epochs`."""
    lines = []

    def say(text):
        lines.append(text)
        if len([line for line in lines if "validation loss" in line]) == epochs:
            raise Killed

    return say


def train(folder, cohort, say=None, at_once=1, settings=SETTINGS, numbers=range(4), minutes=0):
    return train_job(cohort, numbers, settings, "cpu", at_once, folder, minutes, say or (lambda text: None))[0]


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.facts == b.facts
        pd.testing.assert_frame_equal(a.predictions, b.predictions, check_exact=True)
        pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
        assert np.array_equal(a.embeddings, b.embeddings)
        assert a.weights.keys() == b.weights.keys()
        assert all(torch.equal(tensor, b.weights[name]) for name, tensor in a.weights.items())


@pytest.fixture()
def _a_line_each_epoch(monkeypatch):
    monkeypatch.setattr("gcamccl.train.progress.SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr("gcamccl.train.progress.LINES_BEFORE_THEY_THIN", np.inf)


@pytest.mark.usefixtures("_a_line_each_epoch")
@pytest.mark.parametrize(("at_once", "share"), [(1, 1 / 16), (2, 1 / 16), (4, 1 / 16), (4, 0.7)])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_going_on_has_the_bits_of_an_uninterrupted_training(tmp_path, monkeypatch, optimizer, at_once, share):
    # A share of 0.7: finished replicates stay in the stack, and in the checkpoint, until three of four have finished.
    monkeypatch.setattr("gcamccl.train.fit.COMPACT_SHARE", share)
    cohort, settings = tiny_cohort(people=30, effect=0.1), {**SETTINGS, "optimizer": optimizer}
    whole = train(None, cohort, at_once=at_once, settings=settings)
    assert len({result.facts["epochs"] for result in whole}) > 1  # some stop early
    lines = []
    train(tmp_path / "count", cohort, lines.append, at_once, settings)
    total = len([line for line in lines if "validation loss" in line])
    for epoch in range(1, total - 1, 4 if at_once == 1 else 2):
        folder = tmp_path / f"{epoch}"
        for lasting in (epoch, 1):  # killed twice; before, between and after finished replicates
            with pytest.raises(Killed):
                train(folder, cohort, killed_after(lasting), at_once, settings)
        lines = []
        assert_equal(train(folder, cohort, lines.append, at_once, settings), whole)
        if epoch > 1:
            assert any("going on from a checkpoint" in line for line in lines)
        assert not (folder / TRAINING).exists()
        assert len(list(folder.glob("finished-*.safetensors"))) == 4


@pytest.mark.usefixtures("_a_line_each_epoch")
def test_between_checkpoints_only_the_epochs_since_the_last_are_done_again(tmp_path):
    cohort = tiny_cohort(people=30)
    whole = train(None, cohort, numbers=[0])
    with pytest.raises(Killed):
        train(tmp_path, cohort, killed_after(3), minutes=1000, numbers=[0])
    assert not tmp_path.joinpath(TRAINING).exists()  # not written before the time is over
    assert_equal(train(tmp_path, cohort, numbers=[0]), whole)


@pytest.fixture()
def interrupted(tmp_path, _a_line_each_epoch):
    """A cohort and the folder of a training that was interrupted with one finished replicate."""
    cohort = tiny_cohort(people=30)
    with pytest.raises(Killed):
        train(tmp_path / "c", cohort, killed_after(SETTINGS["epochs"] + 2))
    assert (tmp_path / "c" / TRAINING).exists()
    assert len(list((tmp_path / "c").glob("finished-*"))) >= 1
    return cohort, tmp_path / "c"


def test_a_checkpoint_of_another_training_is_refused(interrupted):
    cohort, folder = interrupted
    before = sorted(path.name for path in folder.iterdir())
    fc, labels, dosage = cohort.fc.copy(), cohort.labels.copy(), cohort.dosage.copy()
    fc[0] += 1
    labels[1] = 1 - labels[1]
    dosage[3, 0] = 2 if dosage[3, 0] == 0 else 0
    for other, settings, numbers, words in (
        (cohort, {**SETTINGS, "learning_rate": 0.5}, range(4), r"train.learning_rate \(0.003 then, 0.5 now\)"),
        (cohort, {**SETTINGS, "seed": 2, "dropout": 0.1}, range(4), r"train.dropout \(0.2 then.*train.seed \(1 then"),
        (dataclasses.replace(cohort, labels=labels), SETTINGS, range(4), "the cohort's labels"),
        (dataclasses.replace(cohort, dosage=dosage), SETTINGS, range(4), "the cohort's snps"),
        (cohort, SETTINGS, range(3), r"the replicates \(0 to 3 then, 0 to 2 now\)"),
    ):
        with pytest.raises(InputError, match=f"{folder}: a checkpoint of another training: .*{words}.*; delete this"):
            train(folder, other, settings=settings, numbers=numbers)
    assert sorted(path.name for path in folder.iterdir()) == before  # left as it was
    # The view that is not used does not count.
    assert identity(dataclasses.replace(cohort, fc=fc), range(4), SETTINGS) == identity(cohort, range(4), SETTINGS)


def test_another_environment_is_said_and_recorded(interrupted):
    cohort, folder = interrupted
    expected = train(None, cohort)
    for path in folder.glob("*.safetensors"):
        # The record's JSON is text in the file's header: change a value, not its length.
        path.write_bytes(path.read_bytes().replace(b'\\"threads\\": 1', b'\\"threads\\": 7'))
    lines = []
    results = train(folder, cohort, lines.append)
    assert "the checkpoint is of another environment, bits may differ: threads 7 then, 1 now" in lines
    assert all(result.facts["resumed"] == ["threads 7 then, 1 now"] for result in results)
    assert all(result.facts["resumed"] is None for result in expected)
    assert np.array_equal(results[0].embeddings, expected[0].embeddings)


@pytest.mark.parametrize("harm", ["truncated", "empty", "other bytes", "no header"])
def test_a_broken_checkpoint_is_left_out(interrupted, harm):
    cohort, folder = interrupted
    expected = train(None, cohort)
    for path in (folder / TRAINING, folder / "finished-0000.safetensors"):
        content = path.read_bytes()
        path.write_bytes(
            {
                "truncated": content[: len(content) // 2],
                "empty": b"",
                "other bytes": b"\xff" * 500,
                "no header": b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
            }[harm]
        )
    lines = []
    assert_equal(train(folder, cohort, lines.append), expected)
    broken = [line for line in lines if "cannot read" in line]
    assert len(broken) == 2
    assert all(line.endswith("its replicates start anew") and "\n" not in line for line in broken)


def test_a_broken_identity_starts_anew(interrupted):
    cohort, folder = interrupted
    expected = train(None, cohort)
    (folder / "identity.json").write_text("{")
    lines = []
    assert_equal(train(folder, cohort, lines.append), expected)
    assert any("cannot be used" in line and "starts anew" in line for line in lines)


@pytest.mark.usefixtures("_a_line_each_epoch")
def test_going_on_with_another_number_at_once(tmp_path, monkeypatch):
    cohort = tiny_cohort(people=30)
    expected = train(None, cohort)
    with pytest.raises(Killed):
        train(tmp_path, cohort, killed_after(2), at_once=2)
    lines = []
    sizes, whole_epoch = [], fit.run_epoch
    monkeypatch.setattr(
        fit, "run_epoch", lambda state, *rest: sizes.append(len(state.replicates)) or whole_epoch(state, *rest)
    )
    results = train(tmp_path, cohort, lines.append, at_once=1)
    assert "going on from a checkpoint: 0 replicates had finished, 2 go on after epoch 1" in lines
    assert set(sizes) == {1}  # memory may not hold more now
    assert_equal(results[2:], expected[2:])  # those that had not begun are trained alone
    for found, whole in zip(results, expected, strict=True):
        assert abs(found.history["validation_loss"][0] - whole.history["validation_loss"][0]) < 1e-4


def test_a_failed_write_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    cohort = tiny_cohort(people=30)
    checkpoint = Checkpoint(tmp_path, identity(cohort, [0], SETTINGS), environment("cpu"))
    checkpoint._write(TRAINING, {"a": torch.zeros(3)}, {"x": 1})
    before = (tmp_path / TRAINING).read_bytes()

    def half(tensors, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr("gcamccl.train.checkpoint.save_file", half)
    with pytest.raises(OSError, match="No space"):
        checkpoint._write(TRAINING, {"a": torch.ones(3)}, {"x": 2})
    assert (tmp_path / TRAINING).read_bytes() == before
    (tmp_path / ".partial-x").write_text("of a killed process")
    Checkpoint(tmp_path, identity(cohort, [0], SETTINGS), environment("cpu"))
    assert not (tmp_path / ".partial-x").exists()


@pytest.fixture()
def command(tmp_path):
    """The program on a small cohort, both views, a checkpoint after each epoch; call it with --out and more."""
    cohort = tiny_cohort(people=30, effect=0.1)
    (tmp_path / "cohort").mkdir()
    write_cohort(dataclasses.replace(cohort, people=pd.DataFrame()), lambda name: tmp_path / "cohort" / name)
    settings = {**SETTINGS, "views": ["connectivity", "snps"], "epochs": 8, "patience_epochs": 4}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    program = [sys.executable, ROOT / "workflow/scripts/train.py", "--cohort", tmp_path / "cohort", "--first", "0"]
    program += ["--last", "3", "--device", "cpu", "--checkpoint-minutes", "0", "--settings", tmp_path / "settings.json"]
    return [str(word) for word in program]


def test_a_killed_program_goes_on_to_the_bit(tmp_path, command):
    subprocess.run([*command, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    out = tmp_path / "killed"
    with subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        start, folder = time.monotonic(), out / ".checkpoint"
        while time.monotonic() - start < 120 and process.poll() is None:
            # In the middle: two replicates have finished and the third is under way.
            if (folder / "finished-0001.safetensors").exists() and (folder / TRAINING).exists():
                break
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not any((out / name).exists() for name in OUTPUTS)
    done = subprocess.run([*command, "--out", str(out)], check=True, capture_output=True, text=True)
    assert "going on from a checkpoint: 2 replicates had finished, 1 go on after epoch" in done.stdout
    for name in OUTPUTS:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert sorted(path.name for path in out.iterdir()) == sorted([*OUTPUTS, "artifact.json"])


@pytest.mark.usefixtures("_a_line_each_epoch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_training_with_a_checkpoint(tmp_path, number):
    cohort, before = tiny_cohort(people=30), signal.getsignal(number)
    whole, lines = train(None, cohort), []

    def say(text):
        lines.append(text)
        if "epoch 2 of" in text:
            os.kill(os.getpid(), number)

    watch.ENDING.clear()
    with pytest.raises(InputError, match=f"train: stopped by {number.name} after epoch 2; start it again"):
        train(tmp_path, cohort, say, minutes=1000)
    assert watch.ENDING.is_set()  # what ends jobs with their Snakemake leaves this one alone
    watch.ENDING.clear()
    assert (tmp_path / TRAINING).exists()
    assert signal.getsignal(number) == before
    lines.clear()
    assert_equal(train(tmp_path, cohort, lines.append), whole)
    assert "going on from a checkpoint: 0 replicates had finished, 1 go on after epoch 2" in lines

    def at_the_end(text):
        if "4 of 4 replicates done" in text:
            os.kill(os.getpid(), number)

    assert_equal(train(tmp_path / "end", cohort, at_the_end), whole)  # nothing is left to be stopped


@pytest.mark.usefixtures("_a_line_each_epoch")
def test_a_second_ctrl_c_ends_at_once(tmp_path):
    # Jobs that a shell starts in the background ignore Ctrl-C; the tests may be one of them.
    usual, before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.default_int_handler

    def say(text):
        if "epoch 2 of" in text:
            # Delivered to this thread at once; two sent to the process can become one before the first is handled.
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, tiny_cohort(people=30), say, minutes=1000, numbers=[0])
        assert signal.getsignal(signal.SIGINT) == before
    finally:
        signal.signal(signal.SIGINT, usual)


@pytest.mark.usefixtures("_a_line_each_epoch")
def test_who_finished_after_the_state_was_written_counts_once(tmp_path, monkeypatch):
    cohort = tiny_cohort(people=30, effect=0.1)
    whole = train(None, cohort, at_once=4)
    first = min(result.facts["epochs"] for result in whole)
    assert first < max(result.facts["epochs"] for result in whole)
    with pytest.raises(Killed):  # the state is that of the start, and some replicate has finished since
        train(tmp_path, cohort, killed_after(first + 1), at_once=4, minutes=1000)
    assert list(tmp_path.glob("finished-*"))
    lines = []
    assert_equal(train(tmp_path, cohort, lines.append, at_once=4), whole)
    assert "going on from a checkpoint: 0 replicates had finished, 4 go on after epoch 0" in lines
    assert [line for line in lines if "replicates done" in line][-1].startswith("4 of 4 replicates done")


def test_sizes_fit_the_checkpoint(tmp_path):
    """What a checkpoint is made of is what the networks have, whatever the view."""
    cohort = tiny_cohort(people=30)
    assert (cohort.fc.shape[1], cohort.dosage.shape[1]) == (ROIS, LOCI)
    for views in (["connectivity"], ["connectivity", "snps"]):
        settings = {**SETTINGS, "views": views, "epochs": 1}
        train(tmp_path / "-".join(views), cohort, settings=settings, numbers=[0])
        assert (tmp_path / "-".join(views) / "finished-0000.safetensors").exists()
