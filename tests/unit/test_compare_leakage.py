"""Nothing of the test part is used to fit, scale, choose or calibrate: planted information there does not help.

The same checks catch a variant that leaks on purpose.
"""

import copy
import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from compare_fixture import SETTINGS
from scipy.stats import ttest_ind
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TEST, TRAIN, VALIDATION
from gcamccl.compare import classifiers
from gcamccl.compare.classifiers import design
from gcamccl.compare.features import raw_features
from gcamccl.compare.run import predictions
from gcamccl.compare.selection import fit_predict
from gcamccl.train.replicates import train_replicate
from gcamccl.workflow.config import stage_defaults

METHODS = ("mlp_svm", "svm", "dt", "rf", "logist", "confounds")
FAST = ("svm", "logist", "dt", "confounds")
TRAIN_SETTINGS = {**stage_defaults("train"), "epochs": 2, "optimizer": "adamw", "learning_rate": 1e-3}


@pytest.fixture(autouse=True)
def _less_work(monkeypatch):
    """Fewer trees and epochs than in a study; what is tested does not depend on them."""
    monkeypatch.setattr(classifiers, "TREES", 50)
    monkeypatch.setattr(classifiers, "MLP_EPOCHS", 50)


def study(people=40, effect=0.2, seed=0, splits=1):
    """A cohort with confounds."""
    cohort = tiny_cohort(people=people, effect=effect, splits=splits, permutations=0, seed=seed)
    rng = np.random.default_rng(seed + 100)
    table = cohort.table.copy()
    table["age"] = rng.normal(14, 3, people)
    table["sex"] = rng.choice(["F", "M"], people)
    table["site"] = rng.choice(["one", "two", "three"], people)
    table["mean_fd_mm"] = np.where(rng.uniform(size=people) < 0.1, np.nan, rng.uniform(0, 1, people))
    table["pc1"] = rng.normal(0, 1, people)
    return dataclasses.replace(cohort, table=table)


def spoilt(cohort):
    """The same study, but everything about the first half of the test people is another; also whom this concerns."""
    changed = copy.deepcopy(cohort)
    who = np.flatnonzero(cohort.splits[0] == TEST)
    who = who[: len(who) // 2]
    changed.fc[who] = 3 * changed.fc[who] + 0.5
    changed.fc[who, 0, 1:] = changed.fc[who, 1:, 0] = np.nan
    changed.fc[:, range(40), range(40)] = 0
    changed.dosage[who] = 2 - changed.dosage[who] / 2
    changed.labels[:, who] = 1 - changed.labels[:, who]
    for column in ("age", "mean_fd_mm", "pc1"):
        changed.table.loc[who, column] = [1e3, np.nan, -50.0][: len(who)]
    changed.table.loc[who, ["sex", "site"]] = ["other", "elsewhere"]
    return changed, who


def moved(predict, cohort):
    """Whether predictions for people move when other people of the test part are spoilt.

    Parameters
    ----------
    predict : callable
        Cohort -> DataFrame with participant_id, features and p_high; people that it has rows of are compared.
    """
    changed, who = spoilt(cohort)
    others = ~np.isin(cohort.table["participant_id"], cohort.table["participant_id"][who])
    tables = []
    for one in (cohort, changed):
        table = predict(one)
        tables.append(table[table["participant_id"].isin(cohort.table["participant_id"][others])])
        assert len(tables[-1])
    return not np.allclose(tables[0]["p_high"], tables[1]["p_high"], rtol=0, atol=1e-9)


def everybody(method, cohort, selection="validation"):
    """Probabilities of everybody, not of the test part alone."""
    train = np.flatnonzero(cohort.splits[0] == TRAIN)
    views = list(raw_features(np.nan_to_num(cohort.fc), cohort.dosage).values())
    scores = fit_predict(method, design(method, views, train), cohort.labels[0], cohort.splits[0], 1, selection)
    return pd.DataFrame({"participant_id": cohort.table["participant_id"], "p_high": scores.p_high})


def leaky(cohort):
    """What is often done: the 20 features with the largest t over all people, scaled on all people."""
    x = np.concatenate(list(raw_features(np.nan_to_num(cohort.fc), cohort.dosage).values()), axis=1)
    labels, parts = cohort.labels[0], cohort.splits[0]
    t = np.nan_to_num(ttest_ind(x[labels == 1], x[labels == 0]).statistic)
    x = x[:, np.argsort(-np.abs(t), kind="stable")[:20]]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    scores = fit_predict("logist", design("logist", [x], np.flatnonzero(parts == TRAIN)), labels, parts, 1)
    return pd.DataFrame(
        {"participant_id": cohort.table["participant_id"], "label": labels, "part": parts, "p_high": scores.p_high}
    )


@pytest.mark.parametrize("method", METHODS)
def test_other_test_people_change_nothing(method):
    settings = {**SETTINGS, "views_alone": method in FAST}
    assert not moved(lambda cohort: predictions(method, cohort, settings), study())


@pytest.mark.parametrize("method", [name for name in METHODS if name != "confounds"])
def test_test_people_change_nothing_for_training_and_validation(method):
    assert not moved(lambda one: everybody(method, one), study())


def test_the_check_sees_a_leak():
    assert moved(leaky, study())
    # and predictions do depend on the training part
    cohort = study()
    changed = copy.deepcopy(cohort)
    changed.fc[np.flatnonzero(cohort.splits[0] == TRAIN)[0]] *= -3
    assert not np.allclose(everybody("svm", cohort)["p_high"], everybody("svm", changed)["p_high"], atol=1e-3)


def planted(seed):
    """A study of nothing, whose test people alone carry their label in both views and every confound."""
    cohort = study(people=40, effect=0.0, seed=seed)
    rng = np.random.default_rng(seed)
    cohort.labels[0] = rng.permutation(cohort.labels[0])
    test = np.flatnonzero(cohort.splits[0] == TEST)
    label = cohort.labels[0][test]
    cohort.fc[test, 0, 1] = cohort.fc[test, 1, 0] = 5 * label
    cohort.fc[cohort.splits[0] != TEST, 0, 1] = cohort.fc[cohort.splits[0] != TEST, 1, 0] = 0
    cohort.dosage[:, 0] = 0
    cohort.dosage[test, 0] = 2 * label
    cohort.table.loc[test, "site"] = np.where(label, "high", "low")
    return cohort


@pytest.mark.parametrize("method", FAST)
def test_a_marker_that_only_the_test_part_has_is_no_use(method):
    right = []
    for seed in range(12):
        table = predictions(method, planted(seed), SETTINGS)
        main = table[table["features"] == table["features"].iloc[-1]]  # of confounds: all
        right += list(main["predicted"] == main["label"])
    # 6 people in each of 12 studies; a marker that is used gives 1. Chance: 0.5 with a standard error of 0.06.
    assert 0.3 < np.mean(right) < 0.7


def test_the_leaky_variant_uses_what_the_test_part_tells():
    right = []
    for seed in range(12):
        table = leaky(study(effect=0.0, seed=seed))
        table = table[table["part"] == TEST]
        right += list((table["p_high"] > 0.5) == table["label"])
    assert np.mean(right) > 0.7


@pytest.mark.parametrize("method", ["svm", "logist", "dt", "confounds"])
def test_names_and_order_of_people_tell_nothing(method):
    cohort = study(effect=0.2)
    before = predictions(method, cohort, SETTINGS).set_index(["features", "participant_id"])["p_high"]
    order = np.random.default_rng(0).permutation(len(cohort.table))
    if method == "dt":  # of equal splits it takes one at random
        order = np.arange(len(order))
    names = np.array([f"{label}-{row}" for row, label in enumerate(cohort.labels[0])])
    other = dataclasses.replace(
        cohort,
        table=cohort.table.assign(participant_id=names).iloc[order].reset_index(drop=True),
        fc=cohort.fc[order],
        dosage=cohort.dosage[order],
        labels=cohort.labels[:, order],
        splits=cohort.splits[:, order],
    )
    after = predictions(method, other, SETTINGS)
    after["participant_id"] = after["participant_id"].map(dict(zip(names, cohort.table["participant_id"], strict=True)))
    after = after.set_index(["features", "participant_id"])["p_high"]
    assert np.allclose(after.loc[before.index], before, atol=1e-6)


def test_the_network_does_not_see_the_test_part(tmp_path):
    cohort = study(people=40)
    changed, who = spoilt(cohort)
    results = [train_replicate(one, 0, TRAIN_SETTINGS) for one in (cohort, changed)]
    others = ~np.isin(np.arange(40), who)
    columns = ["p_high", "p_high_connectivity", "p_high_snps"]
    before, after = (result.predictions[columns].to_numpy() for result in results)
    assert np.abs(before[others] - after[others]).max() < 1e-5
    assert np.abs(before[who] - after[who]).max() > 1e-5  # other inputs, other outputs
    for name, weights in results[0].weights.items():
        assert torch.equal(weights, results[1].weights[name]), name
    # CCL+SVM and the branches alone, on what the two trainings left.
    tables = []
    for number, result in enumerate(results):
        folder = tmp_path / f"{number}" / "replicates-0-0"
        folder.mkdir(parents=True)
        result.predictions.to_parquet(folder / "predictions.parquet")
        np.savez(folder / "embeddings.npz", **{"0000": result.embeddings})
        one = (cohort, changed)[number]
        settings = {**SETTINGS, "views_alone": True}
        both = [predictions(method, one, settings, [folder]) for method in ("gcamccl", "ccl_svm")]
        tables.append(
            pd.concat(both).query(
                "participant_id not in @spoilt_names",
                local_dict={"spoilt_names": list(cohort.table["participant_id"][who])},
            )
        )
    assert len(tables[0]) == 6 * ((cohort.splits[0] == TEST).sum() - len(who))
    assert np.abs(tables[0]["p_high"] - tables[1]["p_high"]).max() < 1e-4


def test_the_check_sees_a_network_that_trains_on_the_test_part():
    honest = study(people=40)
    changed, who = spoilt(honest)
    cheating = np.where(honest.splits == VALIDATION, VALIDATION, TRAIN).astype(np.int8)
    results = [
        train_replicate(dataclasses.replace(one, splits=cheating), 0, TRAIN_SETTINGS) for one in (honest, changed)
    ]
    others = ~np.isin(np.arange(40), who)
    before, after = (result.predictions["p_high"].to_numpy() for result in results)
    assert np.abs(before[others] - after[others]).max() > 1e-3
