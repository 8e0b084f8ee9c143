"""Training: it learns, it repeats, and it never sees the test part."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_cohort import LOCI, ROIS, tiny_cohort

from gcamccl.cohort import PARTS, TEST, TRAIN, VALIDATION
from gcamccl.cohort_files import write_cohort
from gcamccl.device import choose_device
from gcamccl.model import storage
from gcamccl.model.inputs import prepare
from gcamccl.model.loss import collaborative_loss
from gcamccl.train.data import Staged, replicate_of
from gcamccl.train.fit import batches, fit, fresh_network, predict
from gcamccl.train.replicates import train_replicate
from gcamccl.train.scores import area_under_curve, p_high
from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError

SETTINGS = {
    **stage_defaults("train"),
    "epochs": 3,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "last_batch_norm": False,
}


def same_weights(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def fitted_network(cohort, replicate, settings):
    """The network of a replicate after training, in evaluation mode."""
    chosen = replicate_of(cohort, replicate, settings)
    staged = Staged(cohort.fc, cohort.dosage, [chosen], settings)
    (fitted,) = fit(staged, [chosen], settings)
    network = fresh_network(staged.sizes, settings, 0)
    network.load_state_dict(fitted.weights)
    return network.eval()


def accuracy(predictions, part):
    people = predictions[predictions["part"] == part]
    return ((people["p_high"] > 0.5) == people["label"]).mean()


def test_batches_leave_nobody_out():
    for people in range(2, 30):
        pieces = batches(torch.arange(people), 4)
        assert torch.equal(torch.cat(pieces), torch.arange(people))
        assert min(len(piece) for piece in pieces) >= 2
        assert max(len(piece) for piece in pieces) <= 5
    assert [len(piece) for piece in batches(torch.arange(9), 4)] == [4, 5]


def test_auc_of_one_class():
    assert area_under_curve(np.array([1, 1, 1]), np.array([0.1, 0.2, 0.3])) == 0.5
    assert area_under_curve(np.array([0, 1, 1]), np.array([0.1, 0.2, 0.3])) == 1.0


def test_learns_an_easy_study():
    result = train_replicate(tiny_cohort(), 0, {**SETTINGS, "epochs": 6})
    assert accuracy(result.predictions, "train") > 0.9
    assert accuracy(result.predictions, "test") > 0.85
    history = result.history
    assert history["train_loss"].iloc[-1] < 0.6 * history["train_loss"].iloc[0]
    assert list(history["epoch"]) == list(range(len(history)))


def test_permuted_labels_are_not_learnt():
    # 9 held-out people in each of 4 splits, labels permuted: accuracy is about a half.
    cohort = tiny_cohort(splits=4)
    right = [accuracy(train_replicate(cohort, r, SETTINGS).predictions, "test") for r in (1, 3, 5, 7)]
    assert 0.2 < np.mean(right) < 0.8


def test_same_seed_gives_equal_bits_and_other_seeds_do_not():
    cohort = tiny_cohort(people=40)
    state = torch.get_rng_state()
    first = train_replicate(cohort, 0, SETTINGS)
    assert torch.equal(torch.get_rng_state(), state)  # the caller's generator is left alone
    torch.randn(17)
    again = train_replicate(cohort, 0, SETTINGS)
    assert same_weights(first.weights, again.weights)
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    other = train_replicate(cohort, 0, {**SETTINGS, "seed": 2})
    assert not same_weights(first.weights, other.weights)


def test_nothing_leaks_from_the_test_part():
    cohort = tiny_cohort(people=40)
    cohort.fc[0, 3, 4:] = cohort.fc[0, 4:, 3] = np.nan
    test = cohort.splits[0] == TEST
    rng = np.random.default_rng(9)
    fc, dosage, labels = cohort.fc.copy(), cohort.dosage.copy(), cohort.labels.copy()
    noise = rng.normal(5, 3, fc[test].shape).astype(np.float32)
    fc[test] = noise + noise.transpose(0, 2, 1)
    dosage[test] = 2 - dosage[test]
    labels[:, test] = 1 - labels[:, test]
    other = dataclasses.replace(cohort, fc=fc, dosage=dosage, labels=labels)
    settings = {**SETTINGS, "input_scale": "global"}
    a, b = train_replicate(cohort, 0, settings), train_replicate(other, 0, settings)
    assert same_weights(a.weights, b.weights)
    fitted = [
        {name: value for name, value in result.facts["input_scale"].items() if not name.startswith("filled")}
        for result in (a, b)
    ]
    assert fitted[0] == fitted[1]
    assert fitted[0]["snps_mean"] > 0
    pd.testing.assert_frame_equal(a.history, b.history)
    seen = ~test
    assert np.array_equal(a.embeddings[seen], b.embeddings[seen])
    assert np.array_equal(a.predictions["p_high"][seen], b.predictions["p_high"][seen])
    assert not np.array_equal(a.predictions["p_high"][test], b.predictions["p_high"][test])


def test_the_validation_part_picks_the_epoch_but_does_not_train():
    cohort = tiny_cohort(people=40)
    validation = cohort.splits[0] == VALIDATION
    dosage = cohort.dosage.copy()
    dosage[validation] = 2 - dosage[validation]
    other = dataclasses.replace(cohort, dosage=dosage)
    settings = {**SETTINGS, "epochs": 1}  # one epoch: no choice to make
    assert same_weights(train_replicate(cohort, 0, settings).weights, train_replicate(other, 0, settings).weights)


@pytest.mark.parametrize("select_on", ["loss", "cross_entropy", "auc"])
def test_the_best_epoch_is_restored(select_on):
    cohort = tiny_cohort(people=40, effect=0.1)
    settings = {**SETTINGS, "epochs": 4, "select_on": select_on, "learning_rate": 3e-3}
    result = train_replicate(cohort, 0, settings)
    column = {"loss": "validation_loss", "cross_entropy": "validation_cross_entropy", "auc": "validation_auc"}[
        select_on
    ]
    scores = result.history[column] * (-1 if select_on == "auc" else 1)
    assert result.facts["best_epoch"] == scores.argmin()
    parts, labels = cohort.splits[0], cohort.labels[0]
    inputs, _ = prepare(cohort.fc, cohort.dosage, np.flatnonzero(parts == TRAIN), settings)
    model = fitted_network(cohort, 0, settings)
    rows = torch.from_numpy(np.flatnonzero(parts == VALIDATION))
    logits, _ = predict(model, inputs, rows)
    loss = float(collaborative_loss(logits, torch.from_numpy(labels[parts == VALIDATION]).long()))
    assert loss == pytest.approx(result.history["validation_loss"][result.facts["best_epoch"]], rel=1e-6)


def test_early_stopping():
    settings = {**SETTINGS, "epochs": 30, "patience_epochs": 2, "learning_rate": 0.1}
    result = train_replicate(tiny_cohort(people=40, effect=0.0), 0, settings)
    assert result.facts["epochs"] == result.facts["best_epoch"] + 3 < 30


def test_learning_rate_halves():
    cohort = tiny_cohort(people=40)
    settings = {**SETTINGS, "optimizer": "sgd", "epochs": 5, "halve_every_epochs": 2, "learning_rate": 0.01}
    rates = train_replicate(cohort, 0, settings).history["learning_rate"]
    assert list(rates) == pytest.approx([0.01, 0.01, 0.005, 0.005, 0.0025])
    rates = train_replicate(cohort, 0, {**settings, "halve_every_epochs": 0}).history["learning_rate"]
    assert list(rates) == [0.01] * 5


def test_sgd_step_is_eq12_descent():
    # One full-batch step of plain SGD is weights minus rate times gradient.
    cohort = tiny_cohort(people=20)
    parts = np.where(np.arange(20) < 14, TRAIN, VALIDATION)
    cohort = dataclasses.replace(cohort, splits=parts[None].astype(np.int8))
    settings = {**SETTINGS, "optimizer": "sgd", "momentum": 0.0, "batch_size": 14, "epochs": 1, "dropout": 0.0}
    inputs, _ = prepare(cohort.fc, cohort.dosage, np.arange(14), settings)
    still = fitted_network(cohort, 0, {**settings, "learning_rate": 1e-30}).train()
    moved = fitted_network(cohort, 0, {**settings, "learning_rate": 0.01})
    still.zero_grad()
    logits = still({view: x[:14] for view, x in inputs.items()})
    collaborative_loss(logits, torch.from_numpy(cohort.labels[0][:14]).long()).backward()
    for before, after in zip(still.parameters(), moved.parameters(), strict=True):
        assert torch.allclose(after, before - 0.01 * before.grad, atol=3e-6)


def test_outputs_of_a_replicate():
    cohort = tiny_cohort(people=40)
    result = train_replicate(cohort, 3, SETTINGS)
    people = result.predictions
    assert list(people.columns) == [
        *("replicate", "split", "permutation", "participant_id", "part", "label"),
        *("p_high", "p_high_connectivity", "p_high_snps"),
    ]
    assert (people["split"] == 1).all()
    assert (people["permutation"] == 1).all()
    assert list(people["part"]) == [PARTS[part] for part in cohort.splits[1][cohort.permutations[1]]]
    assert list(people["label"]) == list(cohort.labels[1])
    both = (people["p_high_connectivity"] + people["p_high_snps"]) / 2
    assert np.allclose(people["p_high"], both, atol=1e-6)
    assert result.embeddings.shape == (40, 128)
    assert result.embeddings.dtype == np.float32
    assert result.facts["seed"] == SETTINGS["seed"] + 3
    # What is stored gives the predictions again.
    model_state = {name.split("/", 1)[1]: tensor for name, tensor in result.weights.items()}
    inputs, _ = prepare(
        cohort.fc, cohort.dosage, np.flatnonzero(cohort.splits[1][cohort.permutations[1]] == TRAIN), SETTINGS
    )
    logits = torch.stack(
        [
            torch.from_numpy(result.embeddings[:, 64 * view : 64 * view + 64])
            @ model_state[f"branches.{name}.head.weight"].T
            + model_state[f"branches.{name}.head.bias"]
            for view, name in enumerate(inputs)
        ],
        dim=1,
    )
    assert np.allclose(p_high(logits)[0], people["p_high"], atol=1e-6)


def test_one_view():
    result = train_replicate(tiny_cohort(people=40), 0, {**SETTINGS, "views": ["snps"]})
    assert result.predictions["p_high_connectivity"].isna().all()
    assert np.array_equal(result.predictions["p_high"], result.predictions["p_high_snps"])
    assert result.embeddings.shape == (40, 64)


def test_missing_connections_are_counted():
    cohort = tiny_cohort(people=40)
    cohort.fc[2, 7, :] = cohort.fc[2, :, 7] = np.nan
    scale = train_replicate(cohort, 0, {**SETTINGS, "epochs": 1}).facts["input_scale"]
    assert scale["filled_people"] == 1
    assert scale["filled_values"] == ROIS - 1  # the diagonal is no connection


def test_divergence_is_one_readable_line():
    settings = {**SETTINGS, "optimizer": "sgd", "learning_rate": 1e30, "epochs": 5}
    with pytest.raises(InputError, match=r"train replicate 1: the loss is not finite in epoch \d; lower train"):
        train_replicate(tiny_cohort(people=40), 1, settings)


def test_no_cuda_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(InputError, match="no CUDA device"):
        choose_device("cuda")


def run_train(cohort, out, *words):
    program = [sys.executable, ROOT / "workflow/scripts/train.py", "--cohort", cohort, "--out", out, "--device", "cpu"]
    return subprocess.run([*map(str, program), *words], capture_output=True, text=True, check=False)


def test_program(tmp_path):
    cohort = tiny_cohort(people=40)
    (tmp_path / "cohort").mkdir()
    write_cohort(dataclasses.replace(cohort, people=pd.DataFrame()), lambda name: tmp_path / "cohort" / name)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({**SETTINGS, "epochs": 2}))
    out = tmp_path / "replicates-1-2"
    done = run_train(tmp_path / "cohort", out, "--first", "1", "--last", "2", "--settings", str(settings))
    assert done.returncode == 0, done.stderr
    assert "epoch 2 of 2" in done.stdout
    assert storage.replicates(out / "models.safetensors") == [1, 2]
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert predictions.groupby("replicate").size().to_dict() == {1: 40, 2: 40}
    facts = json.loads((out / "replicates.json").read_text())
    assert [fact["replicate"] for fact in facts] == [1, 2]
    assert len(pd.read_parquet(out / "history.parquet")) == 4
    with np.load(out / "embeddings.npz") as embeddings:
        assert sorted(embeddings.files) == ["0001", "0002"]
        direct = train_replicate(cohort, 2, {**SETTINGS, "epochs": 2})
        assert np.array_equal(embeddings["0002"], direct.embeddings)  # a shard's start changes nothing
    weights = storage.load(out / "models.safetensors", 2, ROIS, LOCI, SETTINGS).state_dict()
    assert all(torch.equal(weights[name.removeprefix("0002/")], tensor) for name, tensor in direct.weights.items())
    assert json.loads((out / "artifact.json").read_text())["device"] == "cpu"

    failed = run_train(tmp_path / "cohort", tmp_path / "none", "--first", "0", "--last", "4")
    assert failed.returncode == 2
    assert failed.stderr.strip() == "ERROR: replicates: there is no replicate 4; this cohort has 0 to 3"
    assert not list((tmp_path / "none").iterdir())
