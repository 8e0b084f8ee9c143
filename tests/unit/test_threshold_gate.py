"""Groups of features, and several views: what a study may select only if it shows that anything differs."""

import numpy as np
import pytest
from scipy import stats
from test_threshold_calibrated import selected, study

from gcamccl.threshold.confirm import Confirmation, gate, groups, nothing
from gcamccl.threshold.univariate import bh


def confirmation(p, p_any=0.0):
    """What halves say, from the p alone."""
    p = np.asarray(p, dtype=float)
    return Confirmation(p, np.fmax(bh(p), p_any), np.ones(len(p), dtype=np.int8), np.ones(len(p)), p_any)


def test_groups_by_hand():
    p, q = groups(confirmation([1e-4, 0.2, 1, 1, 0.5]), np.array([0, 0, 1, 1, 2]))
    assert p.tolist() == [2e-4, 1, 0.5], "Simes: 2 x 1e-4 / 1 is less than 2 x 0.2 / 2"
    np.testing.assert_allclose(q, stats.false_discovery_control(p))
    many = np.r_[np.full(5, 1e-3), np.ones(95)]  # as many as are named count, whatever else the group holds
    assert groups(confirmation(many), np.zeros(100, int))[0] == pytest.approx(0.02)
    assert np.isnan(groups(nothing(3), np.array([0, 0, 1]))[0]).all(), "no halves"
    assert [len(part) for part in groups(confirmation([]), np.zeros(0, int))] == [0, 0]
    _, q = groups(confirmation([1e-4, 0.2, 1, 1, 0.5], 0.3), np.array([0, 0, 1, 1, 2]))
    assert q[0] == 0.3, "nothing shows that anything differs"


def of_view(p_any):
    """A view with one feature of that p."""
    return Confirmation(np.array([p_any]), np.array([p_any]), np.ones(1, dtype=np.int8), np.ones(1), p_any)


@pytest.mark.parametrize(
    ("own", "p_any", "q"),
    [
        ([0.04, 0.9], 0.08, [0.08, 0.9]),  # twice the smaller
        ([0.06, 0.9], 0.12, [0.12, 0.9]),  # at a level of 0.1 alone, but not in a study of two views
        ([0.06, 0.07], 0.07, [0.07, 0.07]),  # both together
        ([1e-6, 0.09], 2e-6, [2e-6, 0.09]),  # one that surely differs lets the other keep its level
    ],
)
def test_a_study_selects_only_if_anything_differs(own, p_any, q):
    found = gate({"connectivity": of_view(own[0]), "snps": of_view(own[1])})
    assert [one.p_any for one in found.values()] == pytest.approx([p_any] * 2)
    assert [one.q[0] for one in found.values()] == pytest.approx(q)


def test_one_view_or_none_stays_as_it_is():
    one = of_view(0.06)
    assert gate({"snps": one})["snps"].q == pytest.approx(one.q)
    beside_none = gate({"connectivity": one, "snps": nothing(0)})
    assert beside_none["connectivity"].p_any == pytest.approx(0.06)
    assert len(beside_none["snps"].q) == 0
    assert np.isnan(gate({"snps": nothing(2)})["snps"].q).all()


def test_two_views_of_nothing_select_in_at_most_a_tenth_of_the_studies():
    rng = np.random.default_rng(21)
    gated = each = 0
    for _ in range(100):
        views = {}
        for view in ("connectivity", "snps"):
            values, labels, _, halvings = study(rng, 0.0, features=200, planted=0)
            views[view] = selected(values, labels, halvings)
        each += any((one.q <= 0.1).any() for one in views.values())
        gated += any((one.q <= 0.1).any() for one in gate(views).values())
    assert gated <= each
    assert gated <= 16, "the upper 3 % of 100 studies with a rate of 10 %"


def test_what_differs_in_one_view_is_found_beside_one_of_nothing():
    rng = np.random.default_rng(22)
    alone = beside = 0
    for _ in range(6):
        values, labels, _, halvings = study(rng, 1.2, features=200, planted=20)
        one = selected(values, labels, halvings)
        other = selected(study(rng, 0.0, features=200, planted=0)[0], labels, halvings)
        alone += (one.q <= 0.1).sum()
        beside += (gate({"connectivity": one, "snps": other})["connectivity"].q <= 0.1).sum()
    assert alone == beside > 0
