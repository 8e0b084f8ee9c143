"""One person from preprocessed series to a connectivity matrix."""

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from gcamccl.connectivity.exclusion import reasons_to_exclude
from gcamccl.connectivity.projection import BAND_EDGE_HZ, clean, correlation, missing_rois, nuisance_basis
from gcamccl.connectivity.regressors import regressors
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json

TABS = csv.ParseOptions(delimiter="\t")
ONE_THREAD = csv.ReadOptions(use_threads=False)  # a small file; the rule asks for one core
QC_COLUMNS = (
    "participant_id",
    "route",
    "repetition_time_s",
    "n_volumes",
    "n_scrubbed",
    "n_regressors",
    "regressors",
    "residual_dof",
    "max_translation_mm",
    "mean_fd_mm",
    "sfnr_global",
    "sfnr_roi_median",
    "sfnr_voxel_median",
    "missing_rois",
    "registration_dice",
    "t1w_gain",
    "included",
    "warnings",
)


def read_series(path, n_rois):
    """ROI time series as `preprocess` leaves them.

    Parameters
    ----------
    path : str or Path
        TSV, a column an ROI, a row a volume; ``n/a``: missing.
    n_rois : int

    Returns
    -------
    float64 (n_volumes, n_rois)
        NaN columns: ROI missing.

    Raises
    ------
    InputError
        No such file, another number of columns, text, a ragged line.
    """
    try:
        with Path(path).open(encoding="utf-8") as lines:
            names = lines.readline().rstrip("\n").split("\t")
        if len(names) != n_rois:
            raise InputError(path, f"{len(names)} columns, expected {n_rois} ROIs", "use the atlas it was made with")
        # Types are given because guessing them takes more than half of the time that reading does.
        numbers = csv.ConvertOptions(null_values=["n/a", ""], column_types=dict.fromkeys(names, pa.float64()))
        table = csv.read_csv(path, read_options=ONE_THREAD, parse_options=TABS, convert_options=numbers)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except pa.ArrowInvalid as error:
        raise InputError(path, str(error).splitlines()[0]) from None
    series = np.empty((table.num_rows, n_rois))
    for index, column in enumerate(table.columns):
        series[:, index] = column.to_numpy()
    return series


def person(folder, names, n_rois, settings, events=None):
    """One person's connectivity and quality from their ``preprocess`` folder.

    Parameters
    ----------
    folder : Path
    names : dict of str to str
        Of the files in it, as from `gcamccl.bids.derivatives`.
    n_rois : int
    settings : dict
        Config section ``connectivity``.
    events : str or Path, optional
        BIDS events table of the scan, for ``task_regressors``.

    Returns
    -------
    fc : float32 (R, R)
    row : dict
        `QC_COLUMNS`.
    reasons : list
        As from `gcamccl.connectivity.exclusion.reasons_to_exclude`.
    """
    folder = Path(folder)
    facts = read_json(folder / names["quality"])
    series = read_series(folder / names["timeseries"], n_rois)
    repetition_time = facts["repetition_time_s"]
    if settings["high_hz"] > 0.5 / repetition_time + BAND_EDGE_HZ:
        raise InputError(
            folder / names["quality"],
            f"repetition time {repetition_time:g} s carries frequencies up to {0.5 / repetition_time:.4g} Hz, "
            f"but connectivity.high_hz is {settings['high_hz']:g}",
            "lower connectivity.high_hz",
        )
    removed = regressors(folder / names["confounds"], len(series), repetition_time, settings, events)
    basis = nuisance_basis(len(series), repetition_time, settings["low_hz"], settings["high_hz"], removed.columns)
    missing = missing_rois(series, facts["roi_coverage"], settings["min_roi_coverage"])
    series[:, missing] = np.nan
    residual_dof = len(series) - basis.shape[1]
    reasons = reasons_to_exclude(facts, float(missing.mean()), residual_dof, settings)
    fc = correlation(clean(series, basis), settings["kind"])
    row = {name: facts.get(name) for name in QC_COLUMNS}
    row.update(
        n_scrubbed=removed.n_scrubbed,
        n_regressors=removed.n_regressors,
        regressors=removed.used,
        residual_dof=residual_dof,
        missing_rois=int(missing.sum()),
        included=not reasons,
        warnings="; ".join([*facts["warnings"], *removed.warnings]) or None,
    )
    return fc, row, reasons
