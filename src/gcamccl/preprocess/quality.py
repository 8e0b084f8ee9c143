"""Scan quality: displacement, translation, signal-to-fluctuation-noise ratio."""

import numpy as np
import pandas as pd

HEAD_RADIUS_MM = 50.0  # Power et al. 2012
MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
CONFOUND_COLUMNS = (*MOTION_COLUMNS, "framewise_displacement", "global_signal")
DETREND_ORDER = 2  # Friedman & Glover 2006 (fBIRN)
SFNR_COLUMNS = 20_000  # at a time: all voxels of a long scan at once would need several times the scan's memory


def framewise_displacement(motion):
    """Sum of absolute backward differences; rotations as arcs on a sphere of 50 mm (Power et al. 2012).

    Parameters
    ----------
    motion : float (n_volumes, 6)
        mm, rad.

    Returns
    -------
    float64 (n_volumes,)
        mm; the first is NaN.
    """
    steps = np.abs(np.diff(motion, axis=0))
    return np.r_[np.nan, steps[:, :3].sum(axis=1) + HEAD_RADIUS_MM * steps[:, 3:].sum(axis=1)]


def max_translation(motion):
    """Longest translation from the reference volume, mm."""
    return float(np.linalg.norm(motion[:, :3], axis=1).max())


def confounds_table(n_volumes, motion=None, global_signal=None):
    """Table of confounds, one row a volume; a column that is unknown is missing throughout.

    Parameters
    ----------
    n_volumes : int
    motion : float (n_volumes, 6), optional
        mm, rad.
    global_signal : float (n_volumes,), optional
        Mean over the brain, scanner units.

    Returns
    -------
    DataFrame
        `CONFOUND_COLUMNS`.
    """
    table = pd.DataFrame(np.nan, index=range(n_volumes), columns=list(CONFOUND_COLUMNS))
    if motion is not None:
        table[list(MOTION_COLUMNS)] = motion
        table["framewise_displacement"] = framewise_displacement(motion)
    if global_signal is not None:
        table["global_signal"] = global_signal
    return table


def trend_basis(n_volumes):
    """Orthonormal basis of a polynomial trend of order `DETREND_ORDER`: float64 (n_volumes, DETREND_ORDER + 1)."""
    time = np.linspace(-1, 1, n_volumes)
    return np.linalg.qr(np.stack([time**power for power in range(DETREND_ORDER + 1)], axis=1))[0]


def sfnr(series):
    """Signal-to-fluctuation-noise ratio: mean over SD of what a second-order polynomial leaves (fBIRN).

    Parameters
    ----------
    series : float (n_volumes,) or (n_volumes, n)

    Returns
    -------
    float64, shape of one volume
        NaN where the series is missing, infinite where it is constant.
    """
    if series.ndim == 2 and series.shape[1] > SFNR_COLUMNS:
        starts = range(0, series.shape[1], SFNR_COLUMNS)
        return np.concatenate([sfnr(series[:, start : start + SFNR_COLUMNS]) for start in starts])
    n_volumes = len(series)
    basis = trend_basis(n_volumes)
    mean = series.mean(axis=0, dtype=np.float64)
    centred = series - mean.astype(series.dtype)
    left = np.einsum("i...,i...->...", centred, centred, dtype=np.float64)
    left = left - (np.tensordot(basis.T, centred, axes=1) ** 2).sum(axis=0)
    with np.errstate(divide="ignore"):
        return mean / np.sqrt(np.maximum(left, 0) / (n_volumes - DETREND_ORDER - 1))


def finite_or_none(value):
    """A JSON number, or None where it is unknown, NaN or infinite."""
    return None if value is None or not np.isfinite(value) else float(value)


def summary(participant, route, repetition_time_s, n_volumes, warnings, motion=None, **values):
    """Content of ``*_qc.json``.

    Parameters
    ----------
    motion : float (n_volumes, 6), optional
        None where the route cannot know.
    values
        ``sfnr_global``, ``sfnr_roi_median``, ``sfnr_voxel_median``, ``roi_coverage`` (share of each ROI inside the
        scan), ``registration_dice``, ``t1w_gain``; missing ones are null.
    """
    displacement = None if motion is None else float(np.nanmean(framewise_displacement(motion)))
    coverage = values.get("roi_coverage")
    return {
        "participant_id": participant,
        "route": route,
        "repetition_time_s": float(repetition_time_s),
        "n_volumes": int(n_volumes),
        "max_translation_mm": None if motion is None else max_translation(motion),
        "mean_fd_mm": displacement,
        "sfnr_global": finite_or_none(values.get("sfnr_global")),
        "sfnr_roi_median": finite_or_none(values.get("sfnr_roi_median")),
        "sfnr_voxel_median": finite_or_none(values.get("sfnr_voxel_median")),
        "roi_coverage": None if coverage is None else [round(float(share), 4) for share in coverage],
        "registration_dice": finite_or_none(values.get("registration_dice")),
        "t1w_gain": finite_or_none(values.get("t1w_gain")),
        "warnings": list(warnings),
    }


def one_line(facts):
    """The main figures of ``*_qc.json`` in words; what is unknown is left out."""
    words = [f"{facts['n_volumes']} volumes, TR {facts['repetition_time_s']:g} s"]
    for key, text, form, unit in (
        ("max_translation_mm", "translation", ".2f", " mm"),
        ("mean_fd_mm", "mean FD", ".2f", " mm"),
        ("sfnr_global", "SFNR whole brain", ".0f", ""),
        ("sfnr_roi_median", "ROIs", ".0f", ""),
        ("sfnr_voxel_median", "voxels", ".0f", ""),
        ("registration_dice", "overlap with MNI152", ".2f", ""),
    ):
        if facts[key] is not None:
            words.append(f"{text} {facts[key]:{form}}{unit}")
    return ", ".join(words)
