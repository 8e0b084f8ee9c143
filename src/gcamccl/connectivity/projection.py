"""One projection that removes every nuisance at once, the correlation of what it leaves, and ROIs that have none."""

from functools import lru_cache

import numpy as np
from scipy import linalg

RANK_TOLERANCE = 1e-8  # beside the unit norm of the regressors; rounding is near 1e-15, measured motion well above 1e-4
BAND_EDGE_HZ = 1e-9  # a frequency this close to an edge of the band lies on it
CONSTANT = 1e-6  # a series whose SD is this small beside its mean holds no signal
LARGEST_Z_R = 1 - 1e-7  # float32 cannot tell a larger |r| from 1, whose artanh is infinite


def nuisance_basis(n_volumes, repetition_time_s, low_hz, high_hz, confounds=None):
    """Orthonormal basis of everything that cleaning removes.

    Intercept, linear trend, the confounds, and a cosine and a sine for every Fourier frequency outside
    `low_hz`..`high_hz`. One projection removes them all at once, so that no later step brings back what an earlier one
    took out (Hallquist et al. 2013; Lindquist et al. 2019).

    Parameters
    ----------
    n_volumes : int
    repetition_time_s : float
    low_hz, high_hz : float
        Pass band, both ends in.
    confounds : float (n_volumes, k), optional
        E.g. six motion parameters; indicators of censored volumes.

    Returns
    -------
    float64 (n_volumes, rank)
        Residual degrees of freedom: n_volumes - rank.
    """
    shared = stop_band_basis(n_volumes, repetition_time_s, low_hz, high_hz)
    if confounds is None or not confounds.shape[1]:
        return shared
    left = confounds - confounds.mean(axis=0)
    norms = np.linalg.norm(left, axis=0)
    left = clean(left[:, norms > 0] / norms[norms > 0], shared)
    if not left.shape[1]:
        return shared
    # The basis of [shared, confounds] is the shared one and a basis of what the confounds have beside it.
    # Of the two LAPACK drivers the default (gesdd, as in numpy) sometimes fails to converge when many volumes of a
    # short scan are censored and most singular values are 0.
    vectors, values, _ = linalg.svd(left, full_matrices=False, lapack_driver="gesvd")
    vectors = vectors[:, values > RANK_TOLERANCE]
    # A weak direction has been divided by its small singular value, and with it the rounding inside the shared basis.
    extra, _ = np.linalg.qr(clean(vectors, shared))
    return np.concatenate([shared, extra], axis=1)


@lru_cache(maxsize=32)  # everybody with the same scan length and repetition time shares it
def stop_band_basis(n_volumes, repetition_time_s, low_hz, high_hz):
    """Orthonormal basis of intercept, linear trend and every Fourier frequency outside the band.

    Returns
    -------
    float64 (n_volumes, rank)
        Read-only.
    """
    time = np.arange(n_volumes)
    columns = [np.full(n_volumes, n_volumes**-0.5)]
    for cycles in range(1, n_volumes // 2 + 1):
        frequency = cycles / (n_volumes * repetition_time_s)
        if low_hz - BAND_EDGE_HZ <= frequency <= high_hz + BAND_EDGE_HZ:
            continue
        phase = 2 * np.pi * cycles * time / n_volumes
        if 2 * cycles == n_volumes:  # the Nyquist frequency: its sine is 0
            columns.append(np.cos(phase) * n_volumes**-0.5)
        else:
            columns += [np.cos(phase) * (2 / n_volumes) ** 0.5, np.sin(phase) * (2 / n_volumes) ** 0.5]
    basis = np.stack(columns, axis=1)
    trend = np.linspace(-1, 1, n_volumes)[:, None]
    trend = clean(trend / np.linalg.norm(trend), basis)
    if np.linalg.norm(trend) > RANK_TOLERANCE:
        trend = clean(trend / np.linalg.norm(trend), basis)
        basis = np.concatenate([basis, trend / np.linalg.norm(trend)], axis=1)
    basis.flags.writeable = False
    return basis


def clean(series, basis):
    """Project `basis` (n_volumes, rank) out of `series` (n_volumes, R); float64."""
    series = np.asarray(series, np.float64)
    return series - basis @ (basis.T @ series)


def correlation(cleaned, kind="pearson"):
    """Pearson correlation of all pairs of ROIs.

    Parameters
    ----------
    cleaned : float64 (n_volumes, R)
        Zero mean; NaN columns: ROI missing. Volumes that the projection censored are 0, so the correlation is that of
        the others.
    kind : str
        ``pearson`` or ``fisher_z`` (artanh r).

    Returns
    -------
    float32 (R, R)
        Diagonal 0; NaN in the rows and columns of missing ROIs, off the diagonal.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = cleaned / np.linalg.norm(cleaned, axis=0)
    matrix = np.clip(unit.T @ unit, -1, 1)
    np.fill_diagonal(matrix, 0)
    if kind == "fisher_z":
        matrix = np.arctanh(np.clip(matrix, -LARGEST_Z_R, LARGEST_Z_R))
    return matrix.astype(np.float32)


def missing_rois(series, coverage, min_coverage):
    """Which ROIs are missing: not covered by the scan, or without any signal.

    Parameters
    ----------
    series : float (n_volumes, R)
    coverage : float (R,) or None
        Share of each ROI inside the scan.
    min_coverage : float

    Returns
    -------
    bool (R,)
    """
    gone = np.isnan(series).any(axis=0)
    with np.errstate(invalid="ignore"):
        gone |= ~(series.std(axis=0, dtype=np.float64) > CONSTANT * np.abs(series.mean(axis=0, dtype=np.float64)))
    if coverage is not None:
        gone |= np.asarray(coverage) < min_coverage
    return gone
