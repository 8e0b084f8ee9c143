"""Nominate and confirm: tests against textbook references, the Cauchy rule, error rates, LD blocks."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from tiny_cohort import tiny_cohort

from gcamccl.cohort import TEST, VALIDATION, halving
from gcamccl.threshold import calibrated
from gcamccl.threshold.confirm import SAFETY, adjusted_t, cauchy, combine, confirmed, household_means, one_sided

SETTINGS = {"covariates": [], "nominate_share": 0.25, "fdr_q": 0.1}


def least_squares_t(y, group, covariates):
    """t of the group by the textbook: coefficient over its standard error."""
    x = np.column_stack([np.ones(len(y)), group, covariates])
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    rest = y - x @ beta
    dof = len(y) - x.shape[1]
    return beta[1] / np.sqrt(rest @ rest / dof * np.linalg.inv(x.T @ x)[1, 1]), dof


def test_adjusted_t_is_that_of_the_linear_model():
    rng = np.random.default_rng(0)
    labels, covariates = rng.integers(0, 2, 50), rng.normal(size=(50, 3))
    values = rng.normal(size=(50, 8)) + covariates[:, :1] + 0.5 * labels[:, None]
    values[3:9, 2] = np.nan
    t, dof = adjusted_t(values, labels, covariates)
    for column in range(8):
        there = ~np.isnan(values[:, column])
        expected, left = least_squares_t(values[there, column], labels[there], covariates[there])
        assert (t[column], dof[column]) == (pytest.approx(expected), left)
    # Without covariates: Student's t, and the slope's p of scipy.
    t, dof = adjusted_t(values[:, :2], labels)
    student = stats.ttest_ind(values[labels == 1, :2], values[labels == 0, :2])
    np.testing.assert_allclose(t, student.statistic)
    np.testing.assert_allclose(
        one_sided(t, dof, 1),
        stats.ttest_ind(values[labels == 1, :2], values[labels == 0, :2], alternative="greater").pvalue,
    )
    assert LinearRegression().fit(labels[:, None], values[:, 0]).coef_[0] * t[0] > 0


def test_what_cannot_be_tested_is_missing():
    rng = np.random.default_rng(1)
    labels = np.tile([0, 1], 10)
    values = np.column_stack([np.ones(20), rng.normal(size=20), np.full(20, np.nan), labels])
    t, _ = adjusted_t(values, labels)
    assert np.isnan(t[[0, 2]]).all() and np.isfinite(t[1])
    assert t[3] > 1e6, "a feature that is the group"
    assert np.isnan(adjusted_t(values, labels, labels[:, None] * 2.0)[0]).all(), "the covariate is the group"
    assert np.isnan(adjusted_t(values, labels, rng.normal(size=(20, 19)))[0]).all(), "no degrees of freedom"
    twice = np.repeat(rng.normal(size=(20, 1)), 2, axis=1)  # the same covariate again changes nothing
    np.testing.assert_allclose(adjusted_t(values, labels, twice)[0][1], adjusted_t(values, labels, twice[:, :1])[0][1])


def test_cauchy_combination():
    rng = np.random.default_rng(2)
    p = rng.random((1, 1000)) * 0.9
    np.testing.assert_allclose(cauchy(p), p[0], rtol=1e-10)  # of one p it is that p
    p = rng.random((10, 200_000)) * 0.99
    independent = cauchy(np.minimum(p / 0.99, 0.99))
    assert (independent < 0.01).mean() == pytest.approx(0.01, rel=0.1)
    same = np.repeat(rng.random((1, 200_000)), 10, axis=0)
    assert (cauchy(same) < 0.01).mean() == pytest.approx(0.01, rel=0.1)
    # scipy's own, of the p that it can tell from 0.
    p = 10.0 ** rng.uniform(-12, -0.1, (6, 50))
    np.testing.assert_allclose(
        cauchy(p), [stats.cauchy.sf(np.tan((0.5 - one) * np.pi).mean()) for one in p.T], rtol=1e-6
    )
    assert 0 < cauchy(np.array([[1e-200], [1.0]]))[0] < 1e-198


def test_only_nominated_features_are_tested_and_their_p_is_weighted():
    rng = np.random.default_rng(3)
    labels = np.tile([0, 1], 40)
    values = rng.normal(size=(80, 40))
    importance = np.zeros(40)
    importance[[4, 7, 9, 30]] = [3, -2, 1, 0.5]
    rows = np.arange(20, 80)
    p, direction = confirmed(importance, lambda features: values[:, features], labels, rows, None, 0.075)
    assert direction[[4, 7, 9]].tolist() == [1, -1, 1]
    assert not direction[[0, 30]].any(), "3 of 40 are nominated"
    greater = stats.ttest_ind(
        values[rows][labels[rows] == 1], values[rows][labels[rows] == 0], alternative="greater"
    ).pvalue
    np.testing.assert_allclose(p[[4, 7, 9]], np.array([greater[4], 1 - greater[7], greater[9]]) * 3 / 40)
    assert (np.delete(p, [4, 7, 9]) == 1).all()


def test_combine_keeps_direction_stability_and_order():
    p = np.array([[1e-6, 0.2, 1, 0.1], [1e-5, 0.2, 1, 1], [1, 1e-3, 1, 1], [1e-4, 1, 1, 1]])
    direction = np.array([[1, 1, 0, -1], [1, 1, 0, 0], [0, -1, 0, 0], [1, 0, 0, 0]], dtype=np.int8)
    found = combine(p, direction)
    assert found.direction.tolist() == [1, -1, 0, -1]
    np.testing.assert_allclose(found.stability, [0.75, 0.25, 0, 0.25])
    assert found.p[0] == pytest.approx(SAFETY * cauchy(p[:, :1])[0])
    # A half speaks for its own direction only: the third one's, not the one that two others named in vain.
    assert found.p[1] == pytest.approx(SAFETY * cauchy(np.array([[1], [1], [1e-3], [1]]))[0])
    assert found.p[2] == found.q[2] == 1
    np.testing.assert_allclose(found.q, stats.false_discovery_control(found.p))


def test_halvings_are_two_sides_of_one():
    labels = np.tile([0, 1], 30)
    families = [f"f{row // 3}" if row < 18 else None for row in range(60)]
    rows = halving(labels, 0.2, np.random.default_rng(0), families)
    assert rows.shape == (2, 60)
    assert ((rows[0] == TEST) != (rows[1] == TEST)).all()
    assert (rows == VALIDATION).sum(axis=1).tolist() == [6, 6]
    for row in rows == TEST:
        for family in range(6):
            assert len(set(row[3 * family : 3 * family + 3])) == 1
        assert 27 <= row.sum() <= 33 and abs(labels[row].mean() - 0.5) < 0.1


# --- error rates ------------------------------------------------------------------------------------------------------


def study(rng, effect, people=80, features=400, planted=40):
    """Correlated features, some of which differ between the groups, and halvings."""
    labels = np.tile([0, 1], people // 2)
    loadings = rng.normal(size=(8, features)) / np.sqrt(8)
    values = rng.normal(size=(people, features)) + rng.normal(size=(people, 8)) @ loadings
    direction = np.zeros(features)
    direction[:planted] = rng.choice([-1, 1], planted)
    values += effect * np.outer(labels - 0.5, direction)
    return values, labels, direction, np.concatenate([halving(labels, 0.2, rng) for _ in range(4)])


def selected(values, labels, halvings):
    """The selection with a linear model for nominator."""
    found = [
        confirmed(
            calibrated.linear_importance(values, labels, np.flatnonzero(split != TEST)),
            lambda features: values[:, features],
            labels,
            np.flatnonzero(split == TEST),
            None,
            0.25,
        )
        for split in halvings
    ]
    return combine(*(np.stack(part) for part in zip(*found, strict=True)))


def test_nothing_is_found_in_at_most_a_tenth_of_pure_null_studies():
    rng = np.random.default_rng(11)
    hits = 0
    for _ in range(100):
        values, labels, _, halvings = study(rng, 0.0)
        hits += (selected(values, labels, halvings).q <= 0.1).any()
    assert hits <= 16, "the upper 3 % of 100 studies with a rate of 10 %"


def test_planted_features_are_found_with_the_false_discovery_rate_promised():
    rng = np.random.default_rng(12)
    false, share = [], []
    for _ in range(12):
        values, labels, direction, halvings = study(rng, 1.2)
        found = selected(values, labels, halvings)
        chosen = found.q <= 0.1
        wrong = chosen & (found.direction != direction)
        false.append(wrong.sum() / max(1, chosen.sum()))
        _, p = stats.ttest_ind(values[labels == 1], values[labels == 0])
        univariate = stats.false_discovery_control(p) <= 0.1
        share.append((chosen & (direction != 0)).sum() / (univariate & (direction != 0)).sum())
    assert np.mean(false) <= 0.1
    assert np.mean(share) >= 0.5
    assert np.std(share) < 0.3


def test_halves_that_name_the_wrong_direction_do_not_lend_it_to_the_one_that_is_right():
    rng = np.random.default_rng(13)
    labels = np.tile([0, 1], 60)
    wrong = 0
    for _ in range(20):
        values = rng.normal(size=(120, 30))
        values[:, 0] -= 1.5 * labels  # lower in high
        importance = np.zeros(30)
        found = []
        for half in range(8):
            importance[0] = -1 if half == 0 else 1
            rows = rng.permutation(120)[:60]
            found.append(confirmed(importance, lambda features, v=values: v[:, features], labels, rows, None, 0.2))
        result = combine(*(np.stack(part) for part in zip(*found, strict=True)))
        wrong += result.q[0] <= 0.1 and result.direction[0] == 1
    assert wrong == 0


def test_relatives_of_one_group_count_once():
    rng = np.random.default_rng(14)
    pairs, hits = 40, {"related": 0, "single": 0}
    unit = np.repeat(np.arange(pairs), 2)
    labels = np.repeat(np.arange(pairs) % 2, 2)
    for _ in range(400):
        values = np.repeat(rng.normal(size=(pairs, 1)), 2, axis=0) + 0.3 * rng.normal(size=(2 * pairs, 1))
        for name, units in (("related", unit), ("single", None)):
            p, _ = confirmed(np.ones(1), lambda f, v=values: v[:, f], labels, np.arange(2 * pairs), None, 1.0, units)
            hits[name] += p[0] < 0.05
    assert hits["related"] <= 32, "5 % of 400, and three standard errors"
    assert hits["single"] > 40, "as if there were twice as many people"
    # Means by hand: a pair of one group, one of both groups, a single person; a missing value.
    cells, group = household_means(
        np.array([[1.0, np.nan], [3.0, 4.0], [5.0, np.nan], [7.0, 1.0], [9.0, 2.0]]),
        np.array([0, 0, 0, 1, 1]),
        np.array([0, 0, 1, 1, 2]),
    )
    assert group.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(cells, [[2, 4], [5, np.nan], [7, 1], [9, 2]])


def test_untestable_features_bring_no_evidence():
    labels = np.tile([0, 1], 20)
    values = np.column_stack([np.ones(40), np.full(40, np.nan), np.random.default_rng(0).normal(size=40)])
    p, direction = confirmed(np.ones(3), lambda features: values[:, features], labels, np.arange(40), None, 1.0)
    assert p[:2].tolist() == [1, 1] and direction.tolist() == [0, 0, 1]
    p, direction = confirmed(np.zeros(0), lambda features: np.zeros((40, 0)), labels, np.arange(40), None, 0.5)
    assert len(p) == len(direction) == 0


# --- a cohort ---------------------------------------------------------------------------------------------------------


def halves_of(cohort, nominate, halvings=3):
    """The cohort's halvings, nominated by a function of (replicate's split, labels, view)."""
    labels = cohort.labels[0]
    rng = np.random.default_rng(5)
    splits = np.concatenate([halving(labels, 0.2, rng) for _ in range(halvings)])
    from dataclasses import replace

    cohort = replace(cohort, splits=splits)
    nominations = {
        f"{half * len(cohort.labels) + row:04d}/{view}": nominate(splits[half], cohort.labels[row], view)
        for half in range(len(splits))
        for row in range(len(cohort.labels))
        for view in ("connectivity", "snps")
    }
    return calibrated.Halves(cohort, nominations)


def planted_edges(cohort):
    """Connections of the block that differs, in the order of triu_indices."""
    rows, columns = np.triu_indices(cohort.n_rois, 1)
    return (rows < 20) & (columns < 20)


def test_a_cohort_is_selected_from_with_true_and_not_with_permuted_labels():
    cohort = tiny_cohort(people=80, effect=0.4, permutations=6)
    truth = {"connectivity": planted_edges(cohort), "snps": np.isin(np.arange(cohort.n_loci), range(10, 30))}
    rng = np.random.default_rng(6)

    def good(split, labels, view):
        return (truth[view] + 0.1 * rng.random(len(truth[view]))).astype(np.float32)

    halves = halves_of(cohort, good)
    for view, planted in truth.items():
        found = calibrated.select(halves, view, 0, SETTINGS)
        chosen = found.q <= 0.1
        assert (chosen & planted).sum() >= 0.5 * min(planted.sum(), 0.25 * len(planted))
        assert (found.direction[chosen] == 1).all()
        # Everybody's block rises and falls together: a permutation close to the truth finds all of it.
        permuted = [(calibrated.select(halves, view, row, SETTINGS).q <= 0.1).any() for row in range(1, 7)]
        assert sum(permuted) <= 2
        linear = calibrated.select(halves, view, 0, SETTINGS, "linear").q <= 0.1
        assert (linear & planted).sum() >= 0.9 * linear.sum() > 0


def test_a_network_that_learned_nothing_selects_little_and_the_wrong_direction_nothing():
    cohort = tiny_cohort(people=80, effect=0.4)
    planted = planted_edges(cohort)

    def backwards(split, labels, view):
        return np.float32(-1) * planted if view == "connectivity" else np.zeros(60, np.float32)

    wrong = halves_of(cohort, backwards)
    found = calibrated.select(wrong, "connectivity", 0, SETTINGS)
    assert (found.q > 0.9).all()
    nothing = calibrated.select(wrong, "snps", 0, SETTINGS)
    assert (nothing.q == 1).all() and not nothing.direction.any() and not nothing.stability.any()


def test_ld_blocks():
    rng = np.random.default_rng(7)
    base = rng.normal(size=(200, 4))
    columns = [0, 0, 1, 1, 1, 2, 3]
    dosage = base[:, columns] + 0.2 * rng.normal(size=(200, 7))
    chrom, pos = np.array(["5", "5", "5", "5", "17", "17", "17"]), np.array([10, 20, 30, 40, 5, 6, 7])
    assert calibrated.ld_blocks(dosage, chrom, pos, 0.2).tolist() == [0, 0, 1, 1, 2, 3, 4]
    order = np.array([6, 2, 0, 5, 3, 1, 4])
    shuffled = calibrated.ld_blocks(dosage[:, order], chrom[order], pos[order], 0.2)
    assert [len(set(shuffled[np.isin(order, pair)])) for pair in ([0, 1], [2, 3])] == [1, 1]
