"""The classifiers of Table III: as scikit-learn fits them, fair, right on easy data."""

import dataclasses

import numpy as np
import pytest
from compare_fixture import RAW_METHODS, SETTINGS, write_trained
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TRAIN, VALIDATION, relatives
from gcamccl.compare import classifiers
from gcamccl.compare.calibration import platt
from gcamccl.compare.classifiers import LOGISTIC_PENALTIES, ON_EMBEDDING, design, outcomes
from gcamccl.compare.features import coordinates, inner_products, raw_features, standardise
from gcamccl.compare.run import predictions
from gcamccl.compare.selection import FOLDS, SELECTIONS, fit_predict, inner_folds, merit
from gcamccl.compare.trees import cut_probabilities
from gcamccl.train.replicates import train_replicates
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError


@pytest.fixture(autouse=True)
def _less_work(monkeypatch):
    """Fewer trees and epochs than in a study; what is tested does not depend on them."""
    monkeypatch.setattr(classifiers, "TREES", 50)
    monkeypatch.setattr(classifiers, "MLP_EPOCHS", 50)


def noise(people=60, columns=300, seed=1):
    """Features that tell nothing, and labels."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (people, columns)).astype(np.float32), np.tile([0, 1], people // 2)


def test_features_are_every_connection_once():
    cohort = tiny_cohort(people=20)
    features = raw_features(cohort.fc, cohort.dosage)
    assert list(features) == ["connectivity", "snps"]
    assert features["connectivity"].shape == (20, 40 * 39 // 2)
    assert np.array_equal(features["connectivity"][3, :39], cohort.fc[3, 0, 1:])
    assert features["snps"] is cohort.dosage
    assert list(raw_features(None, cohort.dosage, ["snps"])) == ["snps"]
    assert list(raw_features(cohort.fc, None, ["connectivity"])) == ["connectivity"]


def test_scaling_is_fitted_on_the_training_part():
    rng = np.random.default_rng(0)
    views = [rng.normal(3, 2, (30, 50)).astype(np.float32), rng.binomial(2, 0.3, (30, 5)).astype(np.float32)]
    views[1][:20, 0] = 1.7  # constant in training only
    train = np.arange(20)
    z = [standardise(view, train) for view in views]
    assert np.allclose(z[0], StandardScaler().fit(views[0][train].astype(float)).transform(views[0].astype(float)))
    assert not z[1][:, 0].any()
    products = [inner_products(view, train) for view in views]
    for balanced, shares in ((True, (0.5, 0.4)), (False, (50, 4))):  # one locus of five is constant
        x = coordinates(products, train, balanced)
        assert (x[train] ** 2).sum(axis=1).mean() == pytest.approx(1)
        assert np.allclose(x[train].mean(axis=0), 0, atol=1e-9)
        weights = np.array(shares) / np.array([50, 4]) / sum(shares)
        gram = sum(weight * part @ part.T for weight, part in zip(weights, z, strict=True))
        assert np.allclose(x @ x[train].T, gram[:, train], atol=1e-9)
        assert np.allclose((x**2).sum(axis=1), np.diagonal(gram), atol=1e-9)
    changed = views[0].copy()
    changed[25] += 100
    assert np.array_equal(standardise(changed, train)[:25], z[0][:25])


def test_scalings_that_are_the_same_are_tried_once():
    one, other = noise(columns=64, seed=2)[0], noise(columns=64, seed=3)[0]
    train = np.arange(40)
    assert [len(design("svm", views, train)) for views in ([one, other], [one, other[:, :9]], [one])] == [1, 2, 1]
    products = [inner_products(view, train) for view in (one, other)]
    assert np.allclose(coordinates(products, train, True), coordinates(products, train, False), atol=1e-9)


def test_nothing_but_constants():
    x = design("svm", [np.ones((10, 3))], np.arange(6))[0]
    assert x.shape == (10, 1)
    assert not x.any()


def test_few_coordinates_give_the_predictions_of_all_features():
    features, labels = noise()
    train = np.arange(40)
    few = coordinates([inner_products(features, train)], train, balanced=False)
    assert few.shape == (60, 40)  # centred: one direction fewer than people, and the distance
    for one, everything in (
        (SVC(kernel="linear", C=10), SVC(kernel="linear", C=10 / 300)),
        (SVC(kernel="rbf", C=10, gamma=0.2), SVC(kernel="rbf", C=10, gamma=0.2 / 300)),
        (LogisticRegression(C=10, tol=1e-10), LogisticRegression(C=10 / 300, tol=1e-10, max_iter=9999)),
    ):
        peer = make_pipeline(StandardScaler(), everything).fit(features[train].astype(float), labels[train])
        ours = one.fit(few[train], labels[train]).decision_function(few)
        assert np.allclose(ours, peer.decision_function(features.astype(float)), atol=2e-3 * ours.std())


def test_logistic_regressions_equal_scikit_learns_pipeline():
    features, labels = noise(columns=100)
    train = np.arange(40)
    designs = design("logist", [features], train)
    for penalty, outcome in zip(LOGISTIC_PENALTIES, outcomes("logist", designs, labels, train, 0), strict=True):
        peer = make_pipeline(StandardScaler(), LogisticRegression(C=penalty / 100, tol=1e-9, max_iter=99999))
        peer.fit(features[train].astype(float), labels[train])
        assert np.allclose(outcome.probability, peer.predict_proba(features.astype(float))[:, 1], atol=1e-3), penalty


def test_cut_trees_are_shallow_trees():
    features, labels = noise(people=200, columns=4)
    labels = np.where(features[:, 0] > 0, labels, 1 - labels)
    tree = DecisionTreeClassifier(random_state=0).fit(features, labels)
    assert tree.get_depth() > 6
    depths = (0, 1, 2, 3, None)
    for depth, share in zip(depths, cut_probabilities([tree], features, depths), strict=True):
        if depth == 0:
            assert np.allclose(share, labels.mean())
        else:
            peer = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(features, labels)
            assert np.allclose(share, peer.predict_proba(features)[:, 1], atol=1e-12), depth


def test_uncut_forest_is_scikit_learns():
    features, labels = noise(columns=20)
    forest = RandomForestClassifier(20, random_state=0).fit(features[:40], labels[:40])
    assert np.allclose(
        cut_probabilities(forest.estimators_, features, (None,))[0], forest.predict_proba(features)[:, 1], atol=1e-12
    )


@pytest.mark.parametrize("people", [12, 60])
def test_platt_equals_scikit_learn(people):
    features, labels = noise(people=2 * people, columns=3)
    features[:, 0] += labels
    model = SVC(C=0.1, kernel="linear").fit(features[:people], labels[:people])
    rest = slice(people, None)
    peer = CalibratedClassifierCV(FrozenEstimator(model), method="sigmoid").fit(features[rest], labels[rest])
    decision = model.decision_function(features)
    slope, offset = platt(decision[rest], labels[rest])
    assert slope > 0
    ours = 1 / (1 + np.exp(-(slope * decision + offset)))
    assert np.allclose(ours, peer.predict_proba(features)[:, 1], atol=2e-3)


def test_platt_never_turns_the_order_round():
    decision = np.linspace(-3, 3, 20)
    slope, _ = platt(decision, (decision < 0).astype(int))
    assert slope > 0
    p = 1 / (1 + np.exp(-slope * decision))
    assert (np.diff(p) > 0).all()
    slope, offset = platt(decision[:4], np.zeros(4, int))  # one class: 1 / (4 + 2), Platt's target
    assert 1 / (1 + np.exp(-offset - slope * decision[:4].mean())) == pytest.approx(1 / 6, abs=1e-3)
    assert platt(np.ones(6), np.array([0, 1] * 3))[0] > 0
    perfect = platt(np.array([-1, -1, 1, 1.0]), np.array([0, 0, 1, 1]))  # finite, and not certain with four people
    assert 1 / (1 + np.exp(-sum(perfect))) == pytest.approx(3 / 4, abs=1e-3)


def test_inner_folds_keep_relatives_together():
    labels = np.tile([0, 1], 40)
    units = np.where(np.arange(80) < 30, np.arange(80) // 3, 100 + np.arange(80))  # ten families of three
    folds = inner_folds(labels, units, 0)
    assert len(folds) == FOLDS
    assert sorted(np.concatenate([judge for _, judge in folds])) == list(range(80))
    for fit, judge in folds:
        assert not set(units[fit]) & set(units[judge])
        assert abs(labels[judge].mean() - 0.5) < 0.1
    assert len(inner_folds(np.repeat([0, 1], [20, 3]), np.arange(23), 0)) == 3
    assert inner_folds(np.repeat([0, 1], [20, 1]), np.arange(21), 0) == []
    assert inner_folds(labels, np.zeros(80, int), 0) == []
    assert [a.tolist() for a, _ in folds] == [a.tolist() for a, _ in inner_folds(labels, units, 0)]


def test_relatives_are_those_of_the_cohort():
    table = tiny_cohort(people=20).table[:6].copy()
    assert len(set(relatives(table))) == 6
    table["family_id"] = ["a", "a", None, "b", None, "b"]
    assert relatives(table).tolist()[:2] == [0, 0]
    assert len(set(relatives(table))) == 4
    table["relatives"] = [None, None, "unit1", "unit1", None, None]
    assert len(set(relatives(table))) == 5


def test_cross_validation_does_not_choose_on_the_validation_part():
    features, labels = noise(people=80, columns=30, seed=5)
    features[:, 0] += 1.5 * labels
    parts = np.repeat([TRAIN, VALIDATION, 2], [50, 15, 15])
    other = np.where(parts == VALIDATION, 1 - labels, labels)
    designs = design("svm", [features], np.flatnonzero(parts == TRAIN))
    chosen = {
        (selection, number): fit_predict("svm", designs, here, parts, 0, selection)
        for selection in SELECTIONS
        for number, here in enumerate((labels, other))
    }
    a, b = chosen["cross_validation", 0], chosen["cross_validation", 1]
    assert a.candidate == b.candidate
    assert np.array_equal(a.predicted, b.predicted)
    assert not np.allclose(a.p_high, b.p_high)  # calibrated there all the same
    assert chosen["validation", 0].candidate != chosen["validation", 1].candidate


def test_the_best_candidate_wins_and_of_equals_the_first():
    features, labels = noise(people=60, columns=5)
    parts = np.repeat([TRAIN, VALIDATION, 2], [40, 10, 10])
    useless, telling = np.zeros((60, 2)), features + 9 * labels[:, None]
    n = len(LOGISTIC_PENALTIES)
    for selection in SELECTIONS:
        assert fit_predict("logist", [useless, useless], labels, parts, 0, selection).candidate == 0
        assert fit_predict("logist", [useless, telling], labels, parts, 0, selection).candidate >= n
        assert fit_predict("logist", [telling, useless], labels, parts, 0, selection).candidate < n
    everyone_low = np.where(parts == VALIDATION, 0, labels)  # nothing to choose by
    assert fit_predict("logist", [useless, telling], everyone_low, parts, 0).candidate == 0


def test_of_models_that_are_equally_right_the_one_wins_whose_probabilities_are():
    features, labels = noise(people=60, columns=5)
    parts = np.repeat([TRAIN, VALIDATION, 2], [40, 10, 10])
    validation, train = parts == VALIDATION, np.flatnonzero(parts == TRAIN)
    designs = [features + 9 * labels[:, None]]
    briers = []
    for outcome in outcomes("logist", designs, labels, train, 0):
        assert np.array_equal(outcome.decision[validation] > 0, labels[validation] == 1)
        briers.append(brier_score_loss(labels[validation], outcome.probability[validation]))
    assert briers[0] > 2 * min(briers)  # the most regularised says little
    for selection in SELECTIONS:
        chosen = fit_predict("logist", designs, labels, parts, 0, selection)
        assert briers[chosen.candidate] < 1.1 * min(briers)
    assert merit(labels, labels - 0.5) == (1, 1, 0)  # margins only: nothing to tell equals apart by


@pytest.mark.parametrize(
    ("method", "selection"),
    [*((method, "validation") for method in RAW_METHODS), ("svm", "cross_validation"), ("dt", "cross_validation")],
)
def test_a_separable_study_is_told_apart_completely(method, selection):
    cohort = tiny_cohort(people=40, effect=1.0, permutations=0, splits=1)
    cohort.dosage[:, 10:30] = 2 * cohort.labels[0][:, None]  # one locus is enough for a tree
    table = predictions(method, cohort, {**SETTINGS, "selection": selection, "views_alone": True})
    assert list(table["features"].unique()) == ["connectivity+snps", "connectivity", "snps"]
    assert (table["predicted"] == table["label"]).all()
    assert ((table["p_high"] >= 0) & (table["p_high"] <= 1)).all()
    assert ((table["p_high"] > 0.5) == table["label"]).all()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A separable study, and what the network leaves of it."""
    cohort = tiny_cohort(people=40, effect=1.0, permutations=0, splits=2)
    settings = {**stage_defaults("train"), "epochs": 12, "batch_size": 7, "optimizer": "adamw", "learning_rate": 3e-3}
    results = train_replicates(cohort, range(2), settings)
    return cohort, [write_trained(results, tmp_path_factory.mktemp("trained") / "replicates-0-1")]


@pytest.mark.parametrize("method", ["gcamccl", *ON_EMBEDDING])
def test_the_network_tells_a_separable_study_apart_completely(method, trained):
    table = predictions(method, trained[0], {**SETTINGS, "views_alone": True}, trained[1])
    assert list(table["features"].unique()) == ["connectivity+snps", "connectivity", "snps"]
    assert table.groupby("features")["label"].agg(["size", "sum"]).to_numpy().tolist() == [[12, 6]] * 3
    assert (table["predicted"] == table["label"]).all()


def test_same_bits_again():
    cohort = tiny_cohort(people=40, effect=0.2, splits=1, permutations=0)
    for method in ("mlp_svm", "dt"):
        assert predictions(method, cohort, SETTINGS).equals(predictions(method, cohort, SETTINGS))


def test_permuted_labels_are_the_same_study_with_people_in_other_places():
    cohort = tiny_cohort(people=40, effect=0.2, splits=2)
    cohort.fc[:9, 0, 1] = cohort.fc[:9, 1, 0] = np.nan  # filled from the training part of each replicate
    permuted = predictions("logist", cohort, SETTINGS).query("permutation == 1")
    # Person i has the label and part of person rows[i]: put everybody into that person's row.
    back = np.argsort(cohort.permutations[1])
    moved = dataclasses.replace(
        cohort,
        table=cohort.table.iloc[back].reset_index(drop=True),
        fc=cohort.fc[back],
        dosage=cohort.dosage[back],
        labels=cohort.labels[:1],
        permutations=cohort.permutations[:1],
    )
    keys = ["split", "participant_id"]
    ours, same = (one.set_index(keys).sort_index() for one in (permuted, predictions("logist", moved, SETTINGS)))
    assert len(ours) == 12
    assert ours["label"].equals(same["label"])
    assert np.allclose(ours["p_high"], same["p_high"], rtol=0, atol=1e-6)


def test_one_class_in_training():
    features, labels = noise()
    parts = np.repeat([TRAIN, VALIDATION, 2], 20)
    designs = design("svm", [features], np.arange(20))
    with pytest.raises(InputError, match="one class only"):
        fit_predict("svm", designs, np.where(parts == TRAIN, 1, labels), parts, 1)


def test_values_that_are_not_finite():
    for method in ("svm", "dt"):
        for bad in (np.nan, np.inf):
            features, _ = noise(columns=5)
            features[7, 2] = bad
            with pytest.raises(InputError, match="row 7 has values that are not finite"):
                design(method, [features], np.arange(40))
