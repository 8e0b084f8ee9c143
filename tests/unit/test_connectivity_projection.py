"""The projection and the correlation: against least squares, singular value decomposition and nilearn."""

import numpy as np
import pytest
from connectivity_fixture import TR, N, R, motion

from gcamccl.connectivity import projection
from gcamccl.connectivity.regressors import censored, expand_motion
from gcamccl.preprocess.quality import framewise_displacement


def plain_design(n_volumes, low_hz, high_hz, *columns):
    """Every regressor as it is defined, nothing orthonormal."""
    time = np.arange(n_volumes)
    design = [np.ones(n_volumes), time]
    for cycles in range(1, n_volumes // 2 + 1):
        if not low_hz <= cycles / (n_volumes * TR) <= high_hz:
            phase = 2 * np.pi * cycles * time / n_volumes
            design += [np.cos(phase), np.sin(phase)]
    return np.column_stack([*design, *columns])


def plain_basis(design):
    """Left singular vectors of the regressors, each about its mean and of unit norm, above the rank tolerance."""
    design = np.c_[np.ones(len(design)), design - design.mean(axis=0)]
    norms = np.linalg.norm(design, axis=0)
    left, values, _ = np.linalg.svd(design[:, norms > 1e-9] / norms[norms > 1e-9], full_matrices=False)
    return left[:, values > 1e-8 * values[0]]


def test_the_basis_removes_everything_outside_the_band_and_nothing_inside():
    basis = projection.nuisance_basis(N, TR, 0.01, 0.1)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-10)
    time = np.arange(N)
    for cycles in range(N // 2 + 1):
        wave = np.cos(2 * np.pi * cycles * time / N + 0.3)
        left = np.linalg.norm(projection.clean(wave[:, None], basis)) / np.linalg.norm(wave)
        inside = 0.01 <= cycles / (N * TR) <= 0.1
        assert left > 0.75 if inside else left < 1e-9, cycles
    in_band = sum(0.01 <= c / (N * TR) <= 0.1 for c in range(1, N // 2 + 1))
    assert N - basis.shape[1] == 2 * in_band - 1  # one degree of freedom is the trend's


def awkward_confounds(rng, n_volumes):
    """Motion, a copy, a sum, a constant, nothing, the trend, a frequency that is out anyway, censored volumes."""
    moved = motion(rng, n_volumes)
    time = np.arange(n_volumes)
    return np.column_stack(
        [
            *(moved, 1e-6 * moved[:, 0], moved[:, 1] + moved[:, 2], np.full(n_volumes, 0.1), np.zeros(n_volumes)),
            *(time, np.cos(2 * np.pi * time / n_volumes), np.eye(n_volumes)[:, [0, 7, 8, 50]]),
        ]
    )


@pytest.mark.parametrize("n_volumes", [N, N + 1])
@pytest.mark.parametrize("band", [(0.01, 0.1), (0.0, 0.17), (0.05, 0.06)])
def test_the_basis_spans_what_a_singular_value_decomposition_of_all_regressors_does(n_volumes, band):
    confounds = awkward_confounds(np.random.default_rng(1), n_volumes)
    ours = projection.nuisance_basis(n_volumes, TR, *band, confounds)
    theirs = plain_basis(plain_design(n_volumes, *band, confounds))
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.T @ ours, np.eye(ours.shape[1]), atol=1e-10)
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T, atol=1e-7)


def test_regressors_that_add_nothing_cost_nothing():
    shared = projection.nuisance_basis(N, TR, 0.01, 0.1)
    time = np.arange(N, dtype=float)
    for nothing in (np.empty((N, 0)), np.zeros((N, 2)), np.full((N, 1), 0.3), time[:, None]):
        assert projection.nuisance_basis(N, TR, 0.01, 0.1, nothing).shape == shared.shape
    with pytest.raises(ValueError, match="read-only"):
        shared[0] = 0  # everybody's


def test_cleaning_equals_least_squares():
    rng = np.random.default_rng(0)
    series, confounds = rng.normal(size=(N, R)), motion(rng)
    ours = projection.clean(series, projection.nuisance_basis(N, TR, 0.01, 0.1, confounds))
    design = plain_design(N, 0.01, 0.1, confounds)
    np.testing.assert_allclose(ours, series - design @ np.linalg.lstsq(design, series, rcond=1e-10)[0], atol=1e-8)
    assert np.abs(np.corrcoef(ours.T, confounds.T)[:R, R:]).max() < 1e-8


@pytest.mark.parametrize("out", [[20], [0, 1, 2, 3], [10, 11, 40, 41, 42, 43, 99, 137, 138, 139]])
def test_censoring_equals_least_squares_on_the_other_volumes(out):
    rng = np.random.default_rng(1)
    series, confounds = 1000 + rng.normal(size=(N, R)), motion(rng)
    series[out] += 500 * rng.normal(size=(len(out), R))
    kept = np.setdiff1d(np.arange(N), out)
    basis = projection.nuisance_basis(N, TR, 0.01, 0.1, np.c_[confounds, np.eye(N)[:, out]])
    ours = projection.clean(series, basis)
    design = plain_design(N, 0.01, 0.1, confounds)[kept]
    left = series[kept] - design @ np.linalg.lstsq(design, series[kept], rcond=1e-10)[0]
    np.testing.assert_allclose(ours[out], 0, atol=1e-7)
    np.testing.assert_allclose(ours[kept], left, atol=1e-6)
    expected = np.corrcoef(left.T) - np.eye(R)
    np.testing.assert_allclose(projection.correlation(ours), expected, atol=1e-6)
    whole = projection.nuisance_basis(N, TR, 0.01, 0.1, confounds)
    assert basis.shape[1] == whole.shape[1] + len(out)


@pytest.mark.parametrize("seed", [729, 946, 1027, 1272])
def test_a_scan_with_most_volumes_censored_is_no_error(seed):
    """Rank-deficient: numpy's own singular value decomposition does not converge for these (OpenBLAS 0.3.30)."""
    rng = np.random.default_rng(seed)
    moved = motion(rng)
    out = censored(framewise_displacement(moved), 0.25, 1, 2)
    other = np.random.default_rng(seed).normal(size=(N, 3))
    confounds = np.c_[expand_motion(moved, 24), other, np.eye(N)[:, out]]
    basis = projection.nuisance_basis(N, TR, 0.01, 0.1, confounds)
    assert basis.shape[1] == N
    np.testing.assert_allclose(projection.clean(confounds - confounds.mean(axis=0), basis), 0, atol=1e-9)


def test_cleaning_equals_nilearns_where_the_models_coincide():
    """nilearn has no projection of frequencies; with the band open both remove trend and confounds by least squares."""
    from nilearn import signal

    rng = np.random.default_rng(1)
    series, confounds = rng.normal(100, 5, (N, R)), motion(rng)
    ours = projection.clean(series, projection.nuisance_basis(N, TR, 0.0, 1.0, confounds))
    theirs = signal.clean(series, confounds=confounds, detrend=True, standardize=None)
    np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_cleaning_agrees_with_nilearns_butterworth():
    from nilearn import signal

    rng = np.random.default_rng(2)
    series = rng.normal(size=(N, R)) @ rng.normal(size=(R, R))
    ours = projection.clean(series, projection.nuisance_basis(N, TR, 0.01, 0.1))
    theirs = signal.clean(series, t_r=TR, low_pass=0.1, high_pass=0.01, detrend=True, standardize=None)
    upper = np.triu_indices(R, 1)
    assert np.corrcoef(np.corrcoef(ours.T)[upper], np.corrcoef(theirs.T)[upper])[0, 1] > 0.95


def test_correlation_equals_nilearns():
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import EmpiricalCovariance

    series = np.random.default_rng(3).normal(size=(N, R))
    series -= series.mean(axis=0)
    measure = ConnectivityMeasure(EmpiricalCovariance(), kind="correlation", standardize=False)
    theirs = measure.fit_transform([series])[0]
    np.fill_diagonal(theirs, 0)
    np.testing.assert_allclose(projection.correlation(series), theirs, atol=1e-6)
    np.testing.assert_allclose(projection.correlation(series, "fisher_z"), np.arctanh(theirs), atol=1e-6)


@pytest.mark.parametrize(
    ("motion_count", "global_signal", "dof"), [(0, 0, 125), (6, 0, 119), (24, 0, 101), (6, 1, 118), (24, 1, 100)]
)
def test_degrees_of_freedom_at_231_volumes(motion_count, global_signal, dof):
    """The table in docs/user_guide.md."""
    confounds = np.random.default_rng(4).normal(size=(231, motion_count + global_signal))
    assert 231 - projection.nuisance_basis(231, 3.0, 0.01, 0.1, confounds).shape[1] == dof
