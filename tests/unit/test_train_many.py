"""Many replicates side by side: each is what it is alone, whoever is beside it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TRAIN, VALIDATION
from gcamccl.device import full_precision
from gcamccl.model.inputs import prepare
from gcamccl.model.loss import collaborative_loss, cross_entropy
from gcamccl.train import fit as training
from gcamccl.train import replicates
from gcamccl.train.data import Staged, replicate_of
from gcamccl.train.job import train_job
from gcamccl.train.replicates import side_by_side, train_replicate, train_replicates
from gcamccl.train.scores import area_under_curve, p_high, validation_scores
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError

SETTINGS = {**stage_defaults("train"), "epochs": 3, "learning_rate": 1e-3, "select_on": "cross_entropy"}


class DoubleStaged(Staged):
    """The cohort in float64."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.arrays = {view: array.double() for view, array in self.arrays.items()}


@pytest.fixture()
def double(monkeypatch):
    """Train in float64. In float32 rounding is amplified: the batch norm over the 4 numbers of a batch's last layer
    divides by their spread, which may be tiny, so that after some epochs two orders of summation differ visibly."""
    monkeypatch.setattr(replicates, "Staged", DoubleStaged)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def equal(a, b):
    """Two results have the same bits."""
    pd.testing.assert_frame_equal(a.predictions, b.predictions, check_exact=True)
    pd.testing.assert_frame_equal(a.history, b.history, check_exact=True)
    assert a.facts == b.facts
    assert np.array_equal(a.embeddings, b.embeddings)
    assert all(torch.equal(tensor, b.weights[name]) for name, tensor in a.weights.items())


def close(a, b, tolerance):
    """The same up to rounding."""
    assert a.facts == b.facts
    assert np.allclose(a.predictions["p_high"], b.predictions["p_high"], rtol=0, atol=tolerance)
    assert np.allclose(a.history.to_numpy(float), b.history.to_numpy(float), rtol=0, atol=tolerance)
    assert np.allclose(a.embeddings, b.embeddings, rtol=0, atol=tolerance)


def missing(cohort):
    """The cohort with missing connections of two people."""
    cohort.fc[2, 7, :] = cohort.fc[2, :, 7] = np.nan
    cohort.fc[5, 1, 4:] = cohort.fc[5, 4:, 1] = np.nan
    return cohort


@pytest.mark.parametrize("arrangement", ["grouped", "gemm"])
def test_each_replicate_is_what_it_is_alone(arrangement, double):
    # Splits and permuted labels together; missing connections; one global scale.
    cohort = missing(tiny_cohort(people=40))
    settings = {**SETTINGS, "input_scale": "global"}
    alone = [train_replicate(cohort, number, settings) for number in range(4)]
    for expected, found in zip(
        alone, train_replicates(cohort, range(4), settings, at_once=4, arrangement=arrangement), strict=True
    ):
        close(found, expected, 1e-8)
        for name, tensor in expected.weights.items():
            assert torch.allclose(found.weights[name].float(), tensor.float(), rtol=0, atol=1e-8), name


def test_adamw_and_one_view_side_by_side(double):
    cohort = tiny_cohort(people=40)
    for views in (["snps"], ["connectivity", "snps"]):
        settings = {**SETTINGS, "optimizer": "adamw", "views": views, "epochs": 2, "last_batch_norm": False}
        for found in train_replicates(cohort, [1, 2], settings, at_once=2):
            close(found, train_replicate(cohort, found.facts["replicate"], settings), 1e-5)


def test_a_study_with_one_modality_equals_that_view_of_both():
    cohort = tiny_cohort(people=40)
    for views, lacking in ((["snps"], {"fc": None}), (["connectivity"], {"dosage": None})):
        settings = {**SETTINGS, "views": views, "epochs": 1, "input_scale": "global"}
        one = dataclasses.replace(cohort, **lacking)
        expected = train_replicate(cohort, 1, settings)
        equal(train_replicate(one, 1, settings), expected)
        assert len(train_job(one, range(3), settings, "cpu", at_once=2)[0]) == 3


def test_one_after_the_other_has_the_bits_of_each_alone():
    cohort, settings = tiny_cohort(people=40), {**SETTINGS, "epochs": 2}
    alone = {number: train_replicate(cohort, number, settings) for number in (0, 1, 2, 3)}
    for numbers in (range(4), [2, 3], [3, 1]):  # other shards, other starts; permuted labels are the odd ones
        for number, found in zip(numbers, train_replicates(cohort, numbers, settings), strict=True):
            equal(found, alone[number])


def test_more_splits_and_permutations_leave_a_replicate_of_the_same_seed_alone():
    cohort, settings = tiny_cohort(people=40), {**SETTINGS, "epochs": 1}
    more = dataclasses.replace(
        cohort,
        labels=np.concatenate([cohort.labels, cohort.labels[1:]]),
        permutations=np.concatenate([cohort.permutations, cohort.permutations[1:]]),
    )
    a = train_replicate(cohort, 1, settings)
    b = train_replicate(more, 1, settings)  # split 0, label row 1 in both
    equal(a, b)


def other_sizes(cohort):
    """Replicates whose training parts have other sizes, as where relatives are kept together."""
    splits = np.concatenate([cohort.splits, cohort.splits])
    row = np.flatnonzero(splits[1] == TRAIN)[0]
    splits[1, row] = VALIDATION
    return dataclasses.replace(cohort, splits=splits)


def test_training_parts_of_other_sizes_are_grouped(double):
    cohort = other_sizes(tiny_cohort(people=40))
    replicates = [replicate_of(cohort, number, SETTINGS) for number in range(8)]
    groups = [[replicate.number for replicate in group] for group in side_by_side(replicates, 4)]
    assert groups == [[2, 3], [0, 1, 4, 5], [6, 7]]
    assert [[r.number for r in group] for group in side_by_side(replicates, 1)] == [
        [n] for n in (2, 3, 0, 1, 4, 5, 6, 7)
    ]
    settings = {**SETTINGS, "epochs": 2}
    results = train_replicates(cohort, range(8), settings, at_once=4)
    assert [result.facts["replicate"] for result in results] == list(range(8))
    for number in (0, 2, 7):
        close(results[number], train_replicate(cohort, number, settings), 1e-8)


def test_validation_parts_of_other_sizes_side_by_side(double):
    cohort = tiny_cohort(people=40)
    splits = cohort.splits.copy()
    splits[1, np.flatnonzero(splits[1] == VALIDATION)[:2]] = 2
    cohort = dataclasses.replace(cohort, splits=splits)
    settings = {**SETTINGS, "epochs": 2}
    for found in train_replicates(cohort, [0, 2], settings, at_once=2):
        close(found, train_replicate(cohort, found.facts["replicate"], settings), 1e-8)


def test_early_stopping_side_by_side(monkeypatch, double):
    # Replicates stop at different epochs; those that are done leave the stack and the others go on as before.
    cohort = tiny_cohort(people=40, effect=0.0, splits=3)
    settings = {**SETTINGS, "epochs": 12, "patience_epochs": 2, "learning_rate": 3e-3, "views": ["snps"]}
    sizes = []
    whole = training.run_epoch
    monkeypatch.setattr(
        training, "run_epoch", lambda state, *rest: sizes.append(len(state.replicates)) or whole(state, *rest)
    )
    together = train_replicates(cohort, range(6), settings, at_once=6)
    alone = [train_replicate(cohort, number, settings) for number in range(6)]
    epochs = [result.facts["epochs"] for result in alone]
    assert len(set(epochs)) > 1
    assert [result.facts["epochs"] for result in together] == epochs
    for found, expected in zip(together, alone, strict=True):
        assert found.facts["best_epoch"] == found.facts["epochs"] - 3 or found.facts["epochs"] == 12
        close(found, expected, 1e-8)
    assert sizes[: max(epochs)] == [sum(count > epoch for count in epochs) for epoch in range(max(epochs))]


def test_staged_inputs_are_the_prepared_ones():
    cohort = missing(tiny_cohort(people=40))
    cohort.fc[cohort.splits[1] == TRAIN, 0, 9] = cohort.fc[cohort.splits[1] == TRAIN, 9, 0] = np.nan
    for scale in ("none", "global"):
        settings = {**SETTINGS, "input_scale": scale}
        replicates = [replicate_of(cohort, number, settings) for number in (0, 2)]
        staged = Staged(cohort.fc, cohort.dosage, replicates, settings)
        rows = torch.tensor([[0, 2, 5, 39], [5, 2, 2, 1]])
        batch = staged.batch(rows, staged.places(replicates))
        for place, replicate in enumerate(replicates):
            inputs, facts = prepare(cohort.fc, cohort.dosage, replicate.rows(TRAIN), settings)
            assert staged.scales[replicate.split, replicate.permutation] == facts
            for view, x in inputs.items():
                assert torch.equal(batch[view][place], x[rows[place]]), view


def test_auc_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels, valid = rng.integers(0, 2, (50, 30)), rng.random((50, 30)) < 0.8
    scores = rng.normal(0, 1, (50, 30)).round(1)  # with ties
    valid[0], labels[1] = True, 1
    found = area_under_curve(labels, scores, valid)
    assert found[1] == 0.5
    for row in (0, *range(2, 50)):
        kept = valid[row]
        assert found[row] == pytest.approx(roc_auc_score(labels[row][kept], scores[row][kept]), abs=1e-12)


def test_validation_scores_leave_padding_out():
    rng = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(3, 9, 2, 2, generator=rng), torch.tensor([[0, 1, 1, 0, 1, 0, 1, 1, 0]]).expand(3, 9)
    valid = torch.arange(9) < torch.tensor([[9], [5], [2]])
    found = validation_scores(logits, labels, valid, {**SETTINGS, "collaboration": 0.6})
    for row, count in enumerate((9, 5, 2)):
        own, truth = logits[row, :count], labels[row, :count]
        assert found["validation_loss"][row] == pytest.approx(float(collaborative_loss(own, truth, 0.6)), rel=1e-6)
        assert found["validation_cross_entropy"][row] == pytest.approx(float(cross_entropy(own, truth)), rel=1e-6)
        assert found["validation_auc"][row] == roc_auc_score(truth, p_high(own)[0])


def test_fusion():
    logits = torch.tensor(np.random.default_rng(0).normal(0, 2, (7, 2, 2)))
    h = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(axis=-1, keepdims=True)
    both, views = p_high(logits, "mean")
    assert np.allclose(views, h[:, :, 1])
    assert np.allclose(both, h[:, :, 1].mean(axis=1))
    product = h.prod(axis=1)
    assert np.allclose(p_high(logits, "product")[0], product[:, 1] / product.sum(axis=1))
    one = logits[:, :1]
    assert np.allclose(p_high(one, "product")[0], p_high(one, "mean")[0])
    with pytest.raises(ValueError, match="mean, product"):
        p_high(logits, "max")
    cohort, settings = tiny_cohort(people=40), {**SETTINGS, "epochs": 1}
    mean, product = (train_replicate(cohort, 0, {**settings, "fusion": f}).predictions for f in ("mean", "product"))
    low, high = (
        np.prod([side(product[f"p_high_{view}"]) for view in ("connectivity", "snps")], axis=0)
        for side in (lambda p: 1 - p, lambda p: p)
    )
    assert np.allclose(product["p_high"], high / (low + high), atol=1e-6)
    assert np.array_equal(mean["p_high_snps"], product["p_high_snps"])


def test_order_of_people_depends_on_seed_and_epoch_only():
    rows = np.arange(50)
    orders = {(seed, epoch): tuple(training.order_of_people(rows, seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}
    assert len(set(orders.values())) == 4
    assert all(sorted(order) == list(rows) for order in orders.values())
    np.random.default_rng(0).random()
    assert tuple(training.order_of_people(rows, 1, 1)) == orders[1, 1]


def test_divergence_names_the_replicates():
    settings = {**SETTINGS, "learning_rate": 1e30, "epochs": 5}
    with pytest.raises(InputError, match=r"train replicate 0, 1: the loss is not finite in epoch \d; lower train"):
        train_replicates(tiny_cohort(people=40), [0, 1], settings, at_once=2)


def test_parts_that_cannot_be_trained_on():
    cohort = tiny_cohort(people=40)
    labels = cohort.labels.copy()
    labels[1, cohort.splits[0][cohort.permutations[1]] == TRAIN] = 1
    with pytest.raises(InputError, match="replicate 1: nobody in the training part is low"):
        train_replicates(dataclasses.replace(cohort, labels=labels), [0, 1], SETTINGS)
    splits = np.where(cohort.splits == VALIDATION, TRAIN, cohort.splits)
    with pytest.raises(InputError, match="the validation part has 0 people"):
        train_replicate(dataclasses.replace(cohort, splits=splits), 0, SETTINGS)
    with pytest.raises(InputError, match="splits are of 39 people, the table has 40"):
        train_replicate(dataclasses.replace(cohort, splits=cohort.splits[:, 1:]), 0, SETTINGS)
    with pytest.raises(InputError, match="labels are of 39 people, the table has 40"):
        train_replicate(dataclasses.replace(cohort, labels=cohort.labels[:, 1:]), 0, SETTINGS)


def test_replicates_side_by_side_must_have_parts_of_one_size():
    cohort = other_sizes(tiny_cohort(people=40))
    replicates = [replicate_of(cohort, number, SETTINGS) for number in (0, 2)]
    staged = Staged(cohort.fc, cohort.dosage, replicates, SETTINGS)
    with pytest.raises(ValueError, match="one size"):
        training.fit(staged, replicates, SETTINGS, "grouped")


def test_full_precision_is_restored():
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        with pytest.raises(RuntimeError), full_precision():
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cuda.matmul.allow_tf32
            raise RuntimeError
        assert torch.backends.cudnn.allow_tf32
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def test_training_is_in_full_precision(monkeypatch):
    seen = []
    whole = training.run_epoch
    monkeypatch.setattr(
        training, "run_epoch", lambda *rest: seen.append(torch.backends.cudnn.allow_tf32) or whole(*rest)
    )
    before = torch.backends.cudnn.allow_tf32
    train_replicate(tiny_cohort(people=40), 0, {**SETTINGS, "epochs": 2})
    assert seen == [False, False]
    assert torch.backends.cudnn.allow_tf32 == before
