"""QC-FC: against scipy edge by edge, and against planted effects of motion."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gcamccl.connectivity import qc_fc

PEOPLE, ROIS = 60, 15


def study(rng, effect=0.0, near=False):
    """(fc, mean_fd, rois): motion raises every connection, or the nearer ones more."""
    rois = pd.DataFrame(rng.uniform(-60, 60, (ROIS, 3)), columns=["x", "y", "z"])
    rois.insert(0, "roi", np.arange(1, ROIS + 1))
    xyz = rois[["x", "y", "z"]].to_numpy()
    distance = np.linalg.norm(xyz[:, None] - xyz[None], axis=2)
    mean_fd = rng.gamma(3, 0.05, PEOPLE)
    noise = 0.1 * rng.normal(size=(PEOPLE, ROIS, ROIS))
    slope = effect * (1 - distance / distance.max() if near else 1)
    fc = noise + noise.transpose(0, 2, 1) + mean_fd[:, None, None] * slope
    fc[:, np.arange(ROIS), np.arange(ROIS)] = 0
    return fc.astype(np.float32), mean_fd, rois


def test_every_connection_equals_scipys():
    rng = np.random.default_rng(0)
    fc, mean_fd, rois = study(rng, 1.0)
    fc[3, 2] = fc[3, :, 2] = fc[8, 2] = fc[8, :, 2] = np.nan  # ROI 3 is missing in two people
    mean_fd[5] = np.nan
    edges, summary = qc_fc.qc_fc(fc, mean_fd, rois)
    a, b = np.triu_indices(ROIS, 1)
    xyz = rois[["x", "y", "z"]].to_numpy()
    expected = []
    for i, j in zip(a, b, strict=True):
        there = np.isfinite(fc[:, i, j]) & np.isfinite(mean_fd)
        found = stats.pearsonr(mean_fd[there], fc[there, i, j].astype(float))
        expected.append((i + 1, j + 1, np.linalg.norm(xyz[i] - xyz[j]), found.statistic, there.sum(), found.pvalue))
    expected = np.array(expected)
    np.testing.assert_allclose(edges.to_numpy(float), expected[:, :5], rtol=1e-9)
    assert list(edges.columns) == ["roi_a", "roi_b", "distance_mm", "r", "n"]
    assert sorted(edges["n"].unique()) == [PEOPLE - 3, PEOPLE - 1]
    np.testing.assert_allclose(qc_fc.p_values(expected[:, 3], expected[:, 4]), expected[:, 5], rtol=1e-7)
    row = summary.iloc[0]
    assert (row["n_people"], row["n_edges"]) == (PEOPLE - 1, len(a))
    assert row["median_abs_r"] == pytest.approx(np.median(np.abs(expected[:, 3])))
    assert row["share_p_below_0_05"] == pytest.approx((expected[:, 5] < 0.05).mean())
    assert row["distance_spearman"] == pytest.approx(stats.spearmanr(expected[:, 2], expected[:, 3]).statistic)
    assert row["reason"] is None or pd.isna(row["reason"])


def test_a_planted_effect_of_motion_is_seen():
    none, all_, near = (
        qc_fc.qc_fc(*study(np.random.default_rng(1), effect, close))[1].iloc[0]
        for effect, close in ((0.0, False), (2.0, False), (4.0, True))
    )
    assert none["median_abs_r"] == pytest.approx(none["median_abs_r_by_chance"], abs=0.03)
    assert none["share_p_below_0_05"] < 0.15 and abs(none["distance_spearman"]) < 0.3
    assert all_["median_abs_r"] > 0.5 and all_["share_p_below_0_05"] > 0.95
    assert near["distance_spearman"] < -0.7


def test_chance_level_is_that_of_random_numbers():
    rng = np.random.default_rng(2)
    r, n = qc_fc.correlations(rng.normal(size=30), rng.normal(size=(30, 20000)))
    expected = np.sqrt(stats.beta.median(0.5, 14))
    assert np.median(np.abs(r)) == pytest.approx(expected, abs=0.005) and (n == 30).all()
    assert (qc_fc.p_values(r, n) < 0.05).mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("known", [0, 1, 9])
def test_too_few_people_give_a_reason_and_no_numbers(known):
    fc, mean_fd, rois = study(np.random.default_rng(3))
    mean_fd[known:] = np.nan
    edges, summary = qc_fc.qc_fc(fc, mean_fd, rois)
    row = summary.iloc[0]
    assert row["reason"] == f"people kept with known motion: {known}; at least 10 are needed"
    assert (row["n_people"], row["n_edges"]) == (known, 0)
    assert summary[["median_abs_r", "share_p_below_0_05", "distance_spearman"]].isna().all(axis=None)
    assert edges["r"].isna().all() and (edges["n"] == known).all() and edges["distance_mm"].notna().all()


def test_what_does_not_vary_has_no_correlation():
    fc, mean_fd, rois = study(np.random.default_rng(4))
    fc[:, 0, 1] = fc[:, 1, 0] = 0.3
    edges, summary = qc_fc.qc_fc(fc, mean_fd, rois)
    assert np.isnan(edges["r"][0]) and edges["r"][1:].notna().all()
    assert summary["n_edges"][0] == len(edges) - 1
    summary = qc_fc.qc_fc(fc, np.full(PEOPLE, 0.1), rois)[1]
    assert summary["reason"][0] == "motion or connectivity does not differ between people"
