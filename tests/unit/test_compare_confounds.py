"""Confounds alone: as numbers, without those that tell nothing."""

import dataclasses

import numpy as np
import pandas as pd
from compare_fixture import SETTINGS
from sklearn.preprocessing import OneHotEncoder
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TRAIN
from gcamccl.compare.run import COLUMNS, predictions
from gcamccl.confounds import available, confound_features

WANTED = ["age", "sex", "motion", "ancestry", "site"]


def people(**columns):
    """A cohort's table with these columns and no other confound."""
    return tiny_cohort(people=40).table.assign(**columns)


def test_what_tells_nothing_is_left_out_and_said():
    said = []
    table = people(
        age=np.arange(40.0), site="one", mean_fd_mm=[np.nan, *[0.1] * 39], max_translation_mm=1.0, pc2=np.arange(40.0)
    )
    found = available(table, WANTED, said.append)
    # Motion that only one person lacks still tells who that is.
    assert found == {
        "age": ["age"],
        "motion": ["mean_fd_mm"],
        "ancestry": ["pc2"],
        "all": ["age", "mean_fd_mm", "pc2"],
    }
    assert "confounds: sex is left out: nobody has one" in said
    assert "confounds: site is left out: the same for everybody" in said
    assert len(said) == 7  # max_translation_mm, sex, site, four components
    assert list(available(table, ["ancestry"])) == ["ancestry", "all"]
    assert available(people(), WANTED) == {}
    assert available(table.drop(columns=["pc2"]), ["ancestry"]) == {}


def test_levels_are_those_of_the_training_part():
    rng = np.random.default_rng(0)
    table = people(site=rng.choice(["b", "a", "c"], 40), sex=[*["F", "M"] * 19, None, "X"])
    train = np.arange(30)
    table.loc[30:, "site"] = ["a", "d"] * 5
    features = confound_features(table, ["site", "sex"], train)
    peer = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(table.loc[train, ["site", "sex"]])
    known = peer.transform(table[["site", "sex"]])
    assert known.shape == (40, 5)
    assert np.array_equal(features[:, :5], known)
    assert not features[31, :3].any()  # d: a level that training lacks
    assert features[:, 5].tolist() == [0.0] * 38 + [1.0, 0.0]


def test_missing_numbers_are_the_training_mean_and_marked():
    age = np.array([10.0, np.nan, 20.0, *range(36), np.nan])
    features = confound_features(people(age=age), ["age"], np.arange(3))
    assert features.shape == (40, 2)
    assert features[[1, 39], 0].tolist() == [15.0, 15.0]
    assert np.flatnonzero(features[:, 1]).tolist() == [1, 39]
    none = confound_features(people(age=[np.nan] * 10 + [1.0] * 30), ["age"], np.arange(10))
    assert np.isfinite(none).all()


def test_a_confound_that_tells_the_groups_apart_does():
    cohort = tiny_cohort(people=40, effect=0)
    rng = np.random.default_rng(0)
    labels = cohort.labels[0]
    table = people(
        age=rng.normal(0, 1, 40) + 8 * labels, sex=rng.choice(["F", "M"], 40), site=np.where(labels, "h", "l")
    )
    table.loc[np.flatnonzero((cohort.splits == TRAIN).all(axis=0))[0], "age"] = np.nan
    result = predictions("confounds", dataclasses.replace(cohort, table=table), SETTINGS)
    assert list(result.columns) == list(COLUMNS)
    assert list(result["features"].unique()) == ["age", "sex", "site", "all"]
    right = (result["label"] == result["predicted"])[result["permutation"] == 0].groupby(result["features"]).mean()
    assert (right[["age", "site", "all"]] == 1).all()
    assert right["sex"] < 1
    assert result["p_high"].between(0, 1).all()


def test_no_confounds_at_all():
    said = []
    table = predictions("confounds", tiny_cohort(people=40), SETTINGS, say=said.append)
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == 0
    assert table["predicted"].dtype == np.int8
    assert any("nothing to fit" in line for line in said)
    assert isinstance(table, pd.DataFrame)
