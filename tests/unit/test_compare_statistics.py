"""What is said about classification: against scikit-learn, scipy and statsmodels, and against planted truth."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn import metrics as peer
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from gcamccl.compare import inference, intervals, reliability
from gcamccl.compare.metrics import METRICS, metrics

RATIO = 0.15 / 0.7


def test_metrics_equal_scikit_learn():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = rng.integers(0, 2, 25)
        scores = np.round(rng.uniform(0, 1, 25), 1)  # with ties
        predicted = (scores > 0.5).astype(int)
        ours = metrics(labels, predicted, scores)
        assert tuple(ours) == METRICS
        theirs = {
            "accuracy": peer.accuracy_score(labels, predicted),
            "sensitivity": peer.recall_score(labels, predicted),
            "specificity": peer.recall_score(labels, predicted, pos_label=0),
            "f1": peer.f1_score(labels, predicted),
            "balanced_accuracy": peer.balanced_accuracy_score(labels, predicted),
            "auc": peer.roc_auc_score(labels, scores),
            "brier": peer.brier_score_loss(labels, scores),
        }
        assert ours == pytest.approx(theirs, abs=1e-12)


def test_metrics_at_the_edges():
    only_low = metrics([0, 0, 0], [0, 0, 1], [0.1, 0.2, 0.9])
    assert np.isnan(only_low["sensitivity"])
    assert np.isnan(only_low["auc"])
    assert only_low["specificity"] == pytest.approx(2 / 3)
    assert only_low["f1"] == 0
    assert metrics([1, 0], [0, 0], [0.2, 0.1])["f1"] == 0
    for labels, predicted, scores, what in (
        ([], [], [], "length"),
        ([0, 1], [0], [0.1, 0.2], "length"),
        ([0, 1], [0, 1], [np.nan, 1], "probabilities"),
        ([0, 1], [0, 1], [-0.5, 1], "probabilities"),
    ):
        with pytest.raises(ValueError, match=what):
            metrics(labels, predicted, scores)


# --- one test set ---


def test_wilson_equals_scipy():
    for k, n, confidence in ((0, 7, 0.95), (7, 7, 0.95), (38, 51, 0.95), (38, 51, 0.9), (1, 1000, 0.99)):
        theirs = stats.binomtest(k, n).proportion_ci(confidence, "wilson")
        assert intervals.wilson(k / n, n, confidence) == pytest.approx((theirs.low, theirs.high))
    assert np.isnan(intervals.wilson(np.nan, 0, 0.95)).all()


def test_hanley_mcneil_variance_is_that_of_exponential_scores():
    """Exponential scores are the case that the formula is exact for: the spread of simulated AUCs is it."""
    rng, n, auc = np.random.default_rng(1), 40, 0.8
    low, high = rng.exponential(1, (4000, n)), rng.exponential(auc / (1 - auc), (4000, n))
    found = [(a[:, None] < b[None]).mean() for a, b in zip(low, high, strict=True)]
    assert np.mean(found) == pytest.approx(auc, abs=0.005)
    assert np.var(found) == pytest.approx(intervals.auc_variance(auc, n, n), rel=0.08)


def delong_variance(labels, scores):
    """DeLong, DeLong and Clarke-Pearson (1988), as printed: the placements' variances."""
    high, low = scores[labels == 1], scores[labels == 0]
    wins = (high[:, None] > low[None]) + 0.5 * (high[:, None] == low[None])
    return wins.mean(axis=1).var(ddof=1) / len(high) + wins.mean(axis=0).var(ddof=1) / len(low)


def test_auc_interval_covers_and_is_as_wide_as_delongs():
    """Normal scores, which the variance formula is not made for; true AUC 0.76."""
    rng, distance = np.random.default_rng(2), 1.0
    truth = stats.norm.cdf(distance / np.sqrt(2))
    labels, covered, ratio = np.repeat([1, 0], [25, 26]), [], []
    for _ in range(400):
        scores = rng.normal(0, 1, 51) + distance * labels
        auc = peer.roc_auc_score(labels, scores)
        low, high = intervals.auc_interval(auc, 25, 26, 0.95)
        covered.append(low <= truth <= high)
        ratio.append((high - low) / (2 * 1.96 * np.sqrt(delong_variance(labels, scores))))
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


def test_auc_interval_solves_its_equation_and_has_a_length_at_the_ends():
    low, high = intervals.auc_interval(0.75, 20, 31, 0.9)
    for end in (low, high):
        assert abs(end - 0.75) == pytest.approx(1.6448536 * np.sqrt(intervals.auc_variance(end, 20, 31)), rel=1e-5)
    low, high = intervals.auc_interval(1.0, 20, 20, 0.95)
    assert high == 1 and 0.8 < low < 0.95
    assert intervals.auc_interval(0.0, 20, 20, 0.95) == pytest.approx((0, 1 - low))
    assert np.isnan(intervals.auc_interval(np.nan, 3, 0, 0.95)).all()


def test_intervals_of_one_split():
    rng = np.random.default_rng(3)
    labels, scores = np.repeat([0, 1], [20, 31]), rng.uniform(0, 1, 51)
    values = metrics(labels, scores > 0.5, scores)
    found = intervals.one_split(labels, scores > 0.5, scores, values, 0.95)
    assert tuple(found) == METRICS
    theirs = stats.binomtest(int(((scores > 0.5) & (labels == 1)).sum()), 31).proportion_ci(0.95, "wilson")
    assert found["sensitivity"] == pytest.approx((theirs.low, theirs.high))
    squares = (scores - labels) ** 2
    theirs = stats.ttest_1samp(squares, 0).confidence_interval(0.95)
    assert found["brier"] == pytest.approx((theirs.low, theirs.high))
    assert np.isnan(found["f1"]).all()
    bounds = [found[metric] for metric in METRICS if metric != "f1"]
    values = [values[metric] for metric in METRICS if metric != "f1"]
    assert all(low < value < high for (low, high), value in zip(bounds, values, strict=True))


def test_balanced_accuracy_interval_covers():
    rng, sizes, true = np.random.default_rng(4), (12, 40), (0.9, 0.6)
    labels, covered = np.repeat([1, 0], sizes), []
    for _ in range(600):
        right = rng.uniform(size=52) < np.repeat(true, sizes)
        predicted = np.where(right, labels, 1 - labels)
        values = metrics(labels, predicted, predicted)
        low, high = intervals.one_split(labels, predicted, predicted, values, 0.95)["balanced_accuracy"]
        covered.append(low <= np.mean(true) <= high)
    assert 0.93 <= np.mean(covered) <= 0.985


def test_paired_proportions_equal_statsmodels_and_cover():
    rng, covered = np.random.default_rng(5), []
    for number in range(600):
        shared, own, other = (rng.uniform(size=51) < p for p in (0.5, 0.4, 0.2))
        one, two = shared | own, shared | other  # shares of right answers 0.7 and 0.6
        difference, low, high, p = intervals.paired_proportions(one, two, 0.95)
        covered.append(low <= 0.1 <= high)
        if number < 40:
            counts = [[(one & two).sum(), (one & ~two).sum()], [(~one & two).sum(), (~one & ~two).sum()]]
            assert p == pytest.approx(mcnemar(counts, exact=True).pvalue)
            assert difference == pytest.approx(one.mean() - two.mean())
    assert 0.93 <= np.mean(covered) <= 0.985
    assert intervals.paired_proportions([True], [True], 0.95)[3] == 1
    assert np.isnan(intervals.paired_proportions([], [], 0.95)).all()


# --- repeated splits ---


def test_corrected_interval_is_the_printed_formula():
    values = np.array([0.70, 0.78, 0.74, 0.81, 0.69])
    mean, low, high = inference.resampled_interval(values, 51 / 240, 0.95)
    spread = np.sqrt((1 / 5 + 51 / 240) * sum((value - mean) ** 2 for value in values) / 4)
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - 2.7764451 * spread, mean + 2.7764451 * spread))
    naive = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert inference.resampled_interval(values, 0, 0.95)[1:] == pytest.approx((naive.low, naive.high))
    assert inference.resampled_interval([*values, np.nan], 51 / 240, 0.95) == pytest.approx((mean, low, high))
    assert inference.resampled_interval([0.98, 1.0], 0.2, 0.95)[2] == 1
    assert np.isnan(inference.resampled_interval([0.8], 0.2, 0.95)[1:]).all()
    assert np.isnan(inference.resampled_interval([0.8, 0.8, 0.8], 0.2, 0.95)[1:]).all()
    assert np.isnan(inference.resampled_interval([np.nan], 0.2, 0.95)).all()


def test_paired_test_is_the_printed_formula():
    one, other = np.array([0.8, 0.7, 0.75, 0.72]), np.array([0.7, 0.72, 0.7, 0.69])
    naive = stats.ttest_rel(one, other)
    assert inference.paired_difference(one, other, 0, 0.95)[3] == pytest.approx(naive.pvalue)
    difference, low, high, p = inference.paired_difference(one, other, 0.2, 0.95)
    t = naive.statistic * np.sqrt((1 / 4) / (1 / 4 + 0.2))
    assert p == pytest.approx(2 * stats.t.sf(abs(t), 3))
    assert (low < 0 < high) == (p > 0.05)
    assert difference == pytest.approx(0.04)
    edge = inference.paired_difference(one, other, 0.2, 1 - p)  # the interval at confidence 1 - p ends at 0
    assert min(abs(edge[1]), abs(edge[2])) == pytest.approx(0, abs=1e-9)
    assert inference.paired_difference(one, one, 0.2, 0.95)[3] == 1
    assert np.isnan(inference.paired_difference(one, one - 0.125, 0.2, 0.95)[3])  # all splits differ alike
    assert np.isnan(inference.paired_difference([0.8], [0.7], 0.2, 0.95)[1:]).all()


def nearest_centroid(x, y, train, test):
    """Share of `test` that lies nearer to its own group's mean in `train`."""
    high, low = x[train][y[train] == 1].mean(axis=0), x[train][y[train] == 0].mean(axis=0)
    weights = high - low
    return ((x[test] @ weights > weights @ (high + low) / 2) == y[test]).mean(), (weights, weights @ (high + low) / 2)


def study(rng, people=120, features=20, distance=1.0):
    y = np.arange(people) % 2
    x = rng.normal(0, 1, (people, features))
    x[:, 0] += distance * (y - 0.5)
    return x, y


def splits_of(rng, y, count):
    """Stratified splits, 70 % in training and 15 % in test."""
    for _ in range(count):
        own = [rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)]
        cut = [(round(0.15 * len(part)), round(0.7 * len(part))) for part in own]
        yield (
            np.concatenate([part[test : test + train] for part, (test, train) in zip(own, cut, strict=True)]),
            np.concatenate([part[:test] for part, (test, _) in zip(own, cut, strict=True)]),
        )


def test_corrected_interval_covers_where_the_naive_one_does_not():
    """20 splits of 300 simulated studies of 120 people; truth: expected accuracy on new people of such trainings."""
    rng, truth = np.random.default_rng(6), []
    for _ in range(300):
        x, y = study(rng)
        weights, offset = nearest_centroid(x, y, *next(splits_of(rng, y, 1)))[1]
        length = np.linalg.norm(weights)
        truth += [stats.norm.cdf((weights[0] / 2 + sign * offset) / length) for sign in (-1, 1)]
    truth = np.mean(truth)
    covered = {0.0: [], RATIO: []}
    for _ in range(300):
        x, y = study(rng)
        accuracies = [nearest_centroid(x, y, *parts)[0] for parts in splits_of(rng, y, 20)]
        for ratio, hits in covered.items():
            _, low, high = inference.resampled_interval(accuracies, ratio, 0.95)
            hits.append(low <= truth <= high)
    assert np.mean(covered[0.0]) < 0.8
    assert 0.92 <= np.mean(covered[RATIO]) <= 0.985


def test_paired_test_keeps_its_level_where_the_naive_one_does_not():
    """Two classifiers that are equally good by construction: each sees its own half of exchangeable features."""
    rng = np.random.default_rng(7)
    rejected = {0.0: [], RATIO: []}
    for _ in range(300):
        (a, y), (b, _) = study(rng, features=5), study(rng, features=5)
        parts = list(splits_of(rng, y, 20))
        one, other = ([nearest_centroid(x, y, *part)[0] for part in parts] for x in (a, b))
        for ratio, hits in rejected.items():
            hits.append(inference.paired_difference(one, other, ratio, 0.95)[3] < 0.05)
    assert np.mean(rejected[0.0]) > 0.2
    assert np.mean(rejected[RATIO]) < 0.08


def test_permutation_p_counts_ties_and_knows_its_floor():
    null = [0.5, 0.6, 0.55, 0.7, np.nan]
    assert inference.permutation_p(0.6, null) == pytest.approx(3 / 5)
    assert inference.permutation_p(0.8, null) == pytest.approx(1 / 5)
    assert inference.permutation_p(0.6, null, smaller_is_better=True) == pytest.approx(4 / 5)
    assert inference.permutation_p(0.1 + 0.2, [0.3]) == 1  # a tie up to rounding
    assert np.isnan(inference.permutation_p(0.6, []))
    assert np.isnan(inference.permutation_p(np.nan, null))


def test_permutation_p_is_uniform_without_a_difference():
    """The true labels' mean is one draw of 20 exchangeable ones."""
    rng = np.random.default_rng(8)
    draws = rng.normal(0.5, 0.05, (2000, 20))
    p = np.array([inference.permutation_p(row[0], row[1:]) for row in draws])
    assert np.bincount(np.round(p * 20).astype(int), minlength=21)[1:] == pytest.approx(100, abs=40)


def test_holm_equals_statsmodels():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.5, 0.03])
    known = ~np.isnan(p)
    adjusted = inference.holm(p)
    assert adjusted[known] == pytest.approx(multipletests(p[known], method="holm")[1])
    assert np.isnan(adjusted[1])


# --- calibration ---


def planted(rng, people, slope, shift, repeats=1):
    """Labels whose log odds are slope x (log odds stated) + shift; each person `repeats` times."""
    stated = rng.normal(0, 1.5, people)
    labels = (rng.uniform(size=people) < 1 / (1 + np.exp(-(slope * stated + shift)))).astype(int)
    names = np.array([f"p{number}" for number in range(people)], object)
    return (np.repeat(part, repeats) for part in (labels, 1 / (1 + np.exp(-stated)), names))


def test_recalibration_equals_statsmodels():
    labels, p, names = planted(np.random.default_rng(9), 300, 0.5, 0.4, repeats=3)
    p = np.clip(p + np.random.default_rng(10).normal(0, 0.02, len(p)), 0.001, 0.999)  # splits differ a little
    found = reliability.recalibration(labels, p, names, 0.95)
    x, groups = np.log(p / (1 - p)), pd.factorize(names)[0]
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups, "use_correction": False}, "tol": 1e-12}
    full = sm.Logit(labels, sm.add_constant(x)).fit(disp=0, **options)
    fixed = sm.GLM(labels, np.ones(len(x)), offset=x, family=sm.families.Binomial()).fit(**options)
    wide = 1.959964 * np.sqrt(300 / 299)  # of G clusters, G / (G - 1)
    for name, value, error in (
        ("slope", full.params[1], full.bse[1]),
        ("intercept", fixed.params[0], fixed.bse[0]),
    ):
        assert getattr(found, name) == pytest.approx(value, abs=1e-6)
        assert getattr(found, f"{name}_high") == pytest.approx(value + wide * error, rel=1e-4)


def test_calibration_intervals_cover_the_planted_slope_however_often_people_repeat():
    rng, slopes, shifts = np.random.default_rng(11), [], []
    for _ in range(200):
        found = reliability.recalibration(*planted(rng, 150, 0.5, 0.0, repeats=4), 0.95)
        slopes.append(found.slope_low <= 0.5 <= found.slope_high)
        found = reliability.recalibration(*planted(rng, 150, 1.0, 0.4, repeats=4), 0.95)
        shifts.append(found.intercept_low <= 0.4 <= found.intercept_high)
    assert 0.9 <= np.mean(slopes) <= 0.99
    assert 0.9 <= np.mean(shifts) <= 0.99


def test_calibration_that_cannot_be_estimated_is_missing():
    names = list("abcdef")
    parted = reliability.recalibration([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 1.0], names, 0.95)
    assert np.isnan(parted.slope) and np.isfinite(parted.intercept)
    same = reliability.recalibration([0, 1, 0, 1, 1, 1], [0.5] * 6, names, 0.95)
    assert np.isnan(same.slope)
    assert same.intercept == pytest.approx(np.log(2))
    assert np.isnan(reliability.recalibration([1, 1], [0.5, 0.6], list("ab"), 0.95).intercept)
    extreme = reliability.recalibration([0, 1, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1], names, 0.95)
    assert 0 < extreme.slope < 0.1  # certain, and wrong every third time


def test_reliability_equals_scikit_learn():
    labels, p, names = planted(np.random.default_rng(12), 200, 0.5, 0.0, repeats=2)
    p[:2] = 1.0  # the last bin includes 1
    bins = reliability.reliability_bins(labels, p, names, 0.95)
    observed, stated = calibration_curve(labels, p, n_bins=reliability.BINS)
    there = bins["n"] > 0
    assert bins["observed"][there] == pytest.approx(observed)
    assert bins["p_high"][there] == pytest.approx(stated)
    assert bins["n"].sum() == 400
    own = (p >= 0.3) & (p < 0.4)
    assert bins["n_people"][3] == len(set(names[own])) < bins["n"][3]
    low, high = intervals.wilson(labels[own].mean(), bins["n_people"][3], 0.95)
    assert (bins["low"][3], bins["high"][3]) == pytest.approx((low, high))
    error = sum(bins["n"][there] / 400 * abs(observed - stated))
    assert reliability.expected_calibration_error(bins) == pytest.approx(error)


def test_calibration_error_by_chance_is_that_of_calibrated_probabilities():
    rng, errors, expected = np.random.default_rng(13), [], []
    for _ in range(300):
        bins = reliability.reliability_bins(*planted(rng, 150, 1.0, 0.0, repeats=5), 0.95)
        errors.append(reliability.expected_calibration_error(bins))
        expected.append(reliability.error_by_chance(bins))
    assert np.mean(expected) == pytest.approx(np.mean(errors), rel=0.1)
