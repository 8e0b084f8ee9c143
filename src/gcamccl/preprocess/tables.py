"""Reading tables that come with scans: fMRIPrep's confounds, ROI time series."""

import numpy as np
import pandas as pd

from gcamccl.preprocess.quality import MOTION_COLUMNS
from gcamccl.preprocess.scan_io import LARGEST, MIN_VOLUMES
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

# fMRIPrep's names, newest first; before version 1.2 they were X, Y, Z, RotX, RotY, RotZ.
CONFOUND_NAMES = (MOTION_COLUMNS, ("X", "Y", "Z", "RotX", "RotY", "RotZ"))
GLOBAL_SIGNAL_NAMES = ("global_signal", "GlobalSignal")


def read_confounds(path, n_volumes):
    """Motion parameters from an fMRIPrep confounds table, old or new column names.

    Returns
    -------
    float64 (n_volumes, 6)
        Translations (mm), rotations (rad), as fMRIPrep has them.
    """
    table = read_tsv(path)
    names = next((names for names in CONFOUND_NAMES if set(names) <= set(table.columns)), None)
    if names is None:
        wanted = " or ".join(", ".join(names) for names in CONFOUND_NAMES)
        raise InputError(path, "no motion parameters", f"expected columns {wanted}")
    if len(table) != n_volumes:
        raise InputError(path, f"{len(table)} rows, but the scan has {n_volumes} volumes")
    try:
        motion = table[list(names)].to_numpy(float)
    except ValueError as error:
        raise InputError(path, f"motion parameters must be numbers: {error}") from None
    if not np.isfinite(motion).all():
        row, column = np.argwhere(~np.isfinite(motion))[0]
        raise InputError(path, f"line {row + 2}: {names[column]} is missing")
    return motion


def read_global_signal(path):
    """Column global_signal of a confounds table (before fMRIPrep 1.2: GlobalSignal), float64; None where not given."""
    table = read_tsv(path)
    name = next((name for name in GLOBAL_SIGNAL_NAMES if name in table), None)
    if name is None:
        return None
    values = pd.to_numeric(table[name], errors="coerce").to_numpy(float)
    if not np.isfinite(values).all():
        raise InputError(path, f"line {2 + int(np.argmin(np.isfinite(values)))}: {name} is not a number")
    return values


def _check_header(path):
    """Refuse a table whose first line is numbers: it would be taken for names, and the first volume lost.

    The plain ROI numbers 1, 2, 3, ... are names. Read apart, since pandas makes names unique by changing them.
    """
    names = read_tsv(path, header=None, nrows=1, dtype=str).iloc[0]
    try:
        numbers = names.astype(float).tolist()  # missing cells too: n/a stands for a missing ROI
    except ValueError:
        twice = names[names.duplicated()]
        if len(twice):
            raise InputError(path, f"two columns are called {twice.iloc[0]}") from None
        return
    if numbers != list(range(1, len(numbers) + 1)):
        raise InputError(path, "no header line: every column name is a number", "name the ROIs in the first line")


def read_timeseries(path, n_rois):
    """ROI time series from a TSV: one column an ROI, in the atlas's order, one row a volume.

    Returns
    -------
    float32 (n_volumes, n_rois)
        A column without any value is a missing ROI: NaN.

    Raises
    ------
    InputError
        No header line, wrong number, names or order of columns, too few volumes, values missing in some volumes only,
        text.
    """
    _check_header(path)
    table = read_tsv(path)
    if table.shape[1] != n_rois:
        todo = "fields must be separated by tabs" if table.shape[1] == 1 else None
        raise InputError(path, f"{table.shape[1]} columns, but the atlas has {n_rois} ROIs", todo)
    if len(table) < MIN_VOLUMES:
        raise InputError(path, f"only {len(table)} volumes; at least {MIN_VOLUMES} are needed")
    numbers = [str(name).rpartition("_")[2] for name in table.columns]
    if all(number.isdigit() for number in numbers) and list(map(int, numbers)) != list(range(1, n_rois + 1)):
        raise InputError(
            path,
            "columns must be the ROIs 1, 2, 3, ... in the atlas's order",
            f"found {', '.join(map(str, table.columns[:4]))}, ...",
        )
    try:
        series = table.to_numpy(np.float64)
    except ValueError as error:
        raise InputError(path, f"the series must be numbers: {error}") from None
    holes = ~np.isfinite(series)
    partly = holes.any(axis=0) & ~holes.all(axis=0)
    if partly.any():
        column = int(partly.argmax())
        row = int(holes[:, column].argmax())
        raise InputError(path, f"line {row + 2}: {table.columns[column]} is missing or not finite in some volumes")
    if (np.abs(series[~holes]) > LARGEST).any():
        raise InputError(path, f"values beyond {LARGEST:g}", "scale the series")
    if holes.all():
        raise InputError(path, "no ROI has values")
    series[holes] = np.nan
    return series.astype(np.float32)
