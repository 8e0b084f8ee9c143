"""Cleaned ROI series, ROI x ROI correlation, exclusions, the group's stack."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import csv

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, read_tsv

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
MISSING = csv.ConvertOptions(null_values=["n/a", ""], strings_can_be_null=True)
RANK_TOLERANCE = 1e-8
CONSTANT = 1e-6  # a series whose cleaned SD is this small beside its mean holds no signal
FEWEST_KEPT = 0.5  # excluding more people than this is a wrong limit, not bad scans
QC_COLUMNS = (
    "participant_id",
    "route",
    "repetition_time_s",
    "n_volumes",
    "residual_dof",
    "max_translation_mm",
    "mean_fd_mm",
    "sfnr_global",
    "sfnr_roi_median",
    "sfnr_voxel_median",
    "missing_rois",
    "registration_dice",
    "included",
    "warnings",
)


@dataclass
class Group:
    """Everybody's connectivity and quality.

    Attributes
    ----------
    fc : float32 (people, R, R)
        Diagonal 0; NaN rows and columns: ROI missing.
    people : DataFrame
        participant_id, n_volumes, residual_dof; in the order of `fc`.
    quality : DataFrame
        `QC_COLUMNS`; everybody.
    excluded : DataFrame
        participant_id, reason, value, limit; one row a reason, so that a person may have several.
    """

    fc: np.ndarray
    people: pd.DataFrame
    quality: pd.DataFrame
    excluded: pd.DataFrame


def nuisance_basis(n_volumes, repetition_time_s, low_hz, high_hz, confounds=None):
    """Orthonormal basis of everything that cleaning removes.

    Intercept, linear trend, the confounds, and a cosine and a sine for every Fourier frequency outside
    `low_hz`..`high_hz`. One projection removes them all at once, so that no later step brings back what an earlier one
    took out (Lindquist et al. 2019).

    Parameters
    ----------
    n_volumes : int
    repetition_time_s : float
    low_hz, high_hz : float
        Pass band, both ends in.
    confounds : float (n_volumes, k), optional
        E.g. six motion parameters.

    Returns
    -------
    float64 (n_volumes, rank)
        Residual degrees of freedom: n_volumes - rank.
    """
    time = np.arange(n_volumes)
    columns = [np.ones(n_volumes), np.linspace(-1, 1, n_volumes)]
    for cycles in range(1, n_volumes // 2 + 1):
        frequency = cycles / (n_volumes * repetition_time_s)
        if low_hz - 1e-9 <= frequency <= high_hz + 1e-9:
            continue
        phase = 2 * np.pi * cycles * time / n_volumes
        columns.append(np.cos(phase))
        if 2 * cycles != n_volumes:  # the sine of the Nyquist frequency is 0
            columns.append(np.sin(phase))
    design = np.stack(columns, axis=1)
    if confounds is not None:
        design = np.c_[design, confounds - confounds.mean(axis=0)]
    norms = np.linalg.norm(design, axis=0)
    design = design[:, norms > 0] / norms[norms > 0]
    left, values, _ = np.linalg.svd(design, full_matrices=False)
    return left[:, values > RANK_TOLERANCE * values[0]]


def clean(series, basis):
    """Project `basis` (n_volumes, rank) out of `series` (n_volumes, R); float64."""
    series = np.asarray(series, np.float64)
    return series - basis @ (basis.T @ series)


def correlation(cleaned, kind="pearson"):
    """Pearson correlation of all pairs of ROIs.

    Parameters
    ----------
    cleaned : float64 (n_volumes, R)
        Zero mean; NaN columns: ROI missing.
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
        matrix = np.arctanh(np.clip(matrix, -1 + 1e-7, 1 - 1e-7))
    return matrix.astype(np.float32)


def missing_rois(series, coverage, min_coverage):
    """Which ROIs are missing: not covered by the scan, or without any signal.

    Parameters
    ----------
    series : float32 (n_volumes, R)
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


def reasons_to_exclude(facts, missing_share, residual_dof, settings):
    """Limits that a person breaks.

    Parameters
    ----------
    facts : dict
        Content of ``*_qc.json``. What is null there is not judged.
    missing_share : float
        Share of ROIs that are missing.
    residual_dof : int
    settings : dict
        Config section ``connectivity``.

    Returns
    -------
    list of (reason, value, limit)
        Reasons are the names of the settings.
    """
    translation, ratio = facts["max_translation_mm"], facts[settings["sfnr_metric"]]
    checks = [
        ("max_translation_mm", translation, translation is not None and translation > settings["max_translation_mm"]),
        ("min_sfnr", ratio, ratio is not None and ratio < settings["min_sfnr"]),
        ("max_missing_rois", missing_share, missing_share > settings["max_missing_rois"]),
        ("min_residual_dof", residual_dof, residual_dof < settings["min_residual_dof"]),
    ]
    return [(name, value, settings[name]) for name, value, broken in checks if broken]


def read_series(path, n_rois):
    """ROI time series as `preprocess` leaves them: float64 (n_volumes, n_rois); NaN columns: ROI missing."""
    try:
        table = csv.read_csv(path, parse_options=csv.ParseOptions(delimiter="\t"), convert_options=MISSING)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    if table.num_columns != n_rois:
        raise InputError(path, f"{table.num_columns} columns, expected {n_rois} ROIs", "use the atlas it was made with")
    return np.stack([column.to_numpy().astype(np.float64) for column in table.columns], axis=1)


def person(folder, names, n_rois, settings):
    """One person's connectivity and quality from their ``preprocess`` folder.

    Parameters
    ----------
    folder : Path
    names : dict of str to str
        Of the files in it, as from `gcamccl.bids.derivatives`.
    n_rois : int
    settings : dict
        Config section ``connectivity``.

    Returns
    -------
    fc : float32 (R, R)
    row : dict
        `QC_COLUMNS`.
    reasons : list
        As from `reasons_to_exclude`.
    """
    folder = Path(folder)
    facts = read_json(folder / names["quality"])
    series = read_series(folder / names["timeseries"], n_rois)
    repetition_time = facts["repetition_time_s"]
    if settings["high_hz"] > 0.5 / repetition_time + 1e-9:
        raise InputError(
            folder / names["quality"],
            f"repetition time {repetition_time:g} s carries frequencies up to {0.5 / repetition_time:.4g} Hz, "
            f"but connectivity.high_hz is {settings['high_hz']:g}",
            "lower connectivity.high_hz",
        )
    confounds = _confounds(folder / names["confounds"], len(series), settings)
    basis = nuisance_basis(len(series), repetition_time, settings["low_hz"], settings["high_hz"], confounds)
    missing = missing_rois(series, facts["roi_coverage"], settings["min_roi_coverage"])
    series = np.where(missing, np.nan, series)
    residual_dof = len(series) - basis.shape[1]
    reasons = reasons_to_exclude(facts, missing.mean(), residual_dof, settings)
    fc = correlation(clean(series, basis), settings["kind"])
    row = {name: facts.get(name) for name in QC_COLUMNS}
    row.update(
        residual_dof=residual_dof,
        missing_rois=int(missing.sum()),
        included=not reasons,
        warnings="; ".join(facts["warnings"]) or None,
    )
    return fc, row, reasons


def _confounds(path, n_volumes, settings):
    """Motion parameters (n_volumes, 6), or None where they are unknown or not wanted."""
    motion = read_tsv(path, columns=MOTION_COLUMNS)[list(MOTION_COLUMNS)].to_numpy(float)
    if len(motion) != n_volumes:
        raise InputError(path, f"{len(motion)} rows, but {n_volumes} volumes")
    return None if np.isnan(motion).all() or not settings["motion_parameters"] else motion


def group(folders, n_rois, settings):
    """Connectivity of everybody, and who is left out and why.

    Parameters
    ----------
    folders : dict of str to (Path, dict) or None
        participant_id -> the person's folder of the preprocess stage and the names of the files in it (as from
        `gcamccl.bids.derivatives`); None: no scan, reason ``no_scan``.
    n_rois : int
    settings : dict
        Config section ``connectivity``.

    Returns
    -------
    Group

    Raises
    ------
    InputError
        More than half of the people with scans would be excluded, or there is none.
    """
    matrices, rows, excluded = [], [], []
    for name, place in folders.items():
        if place is None:
            excluded.append((name, "no_scan", None, None))
            rows.append({"participant_id": name, "included": False})
            continue
        fc, row, reasons = person(*place, n_rois, settings)
        rows.append(dict(row, participant_id=name))
        excluded += [(name, *reason) for reason in reasons]
        if not reasons:
            matrices.append(fc)
    quality = pd.DataFrame(rows, columns=list(QC_COLUMNS))
    excluded = pd.DataFrame(excluded, columns=["participant_id", "reason", "value", "limit"])
    _enough_left(quality, excluded, settings)
    kept = quality[quality["included"].astype(bool)]
    people = kept[["participant_id", "n_volumes", "residual_dof"]].astype({"n_volumes": int, "residual_dof": int})
    return Group(np.stack(matrices), people.reset_index(drop=True), quality, excluded)


def _enough_left(quality, excluded, settings):
    """Stop if the limits throw out more people than they keep: then a limit is wrong for these scans."""
    scanned = quality["n_volumes"].notna()
    n_scanned, n_out = int(scanned.sum()), int((scanned & ~quality["included"].astype(bool)).sum())
    if not n_scanned:
        raise InputError("participants table", "nobody has a scan")
    if n_out <= FEWEST_KEPT * n_scanned:
        return
    found = excluded[excluded["reason"] != "no_scan"]
    parts = []
    for reason, rows in found.groupby("reason", sort=False):
        metric = f" ({settings['sfnr_metric']})" if reason == "min_sfnr" else ""
        middle = rows["value"].astype(float).median()
        parts.append(
            f"connectivity.{reason} {rows['limit'].iloc[0]:g}{metric}: {len(rows)} people, median {middle:.3g}"
        )
    raise InputError(
        "connectivity",
        f"{n_out} of {n_scanned} people with scans would be excluded by " + ", ".join(parts),
        "check that limit",
    )
