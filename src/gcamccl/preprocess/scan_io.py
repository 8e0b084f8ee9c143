"""Reading scans: one orientation, one unit of time, and every fault that would give a silently wrong matrix refused."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

MIN_VOLUMES = 20  # fewer cannot be band-passed to 0.01 Hz at any usual repetition time
MIN_VOXELS = 8  # along each axis
PLAUSIBLE_TR_S = (0.1, 30.0)
TR_TOLERANCE = 0.01
MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
# fMRIPrep's names, newest first; before version 1.2 they were X, Y, Z, RotX, RotY, RotZ.
CONFOUND_NAMES = (MOTION_COLUMNS, ("X", "Y", "Z", "RotX", "RotY", "RotZ"))
UNITS_IN_S = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


@dataclass
class Scan:
    """A series of volumes.

    Attributes
    ----------
    volumes : int16, uint16 or float32 (n_volumes, x, y, z)
        C order, axes closest to right, anterior, superior.
    affine : float64 (4, 4)
        Voxel to world, mm.
    repetition_time_s : float
    warnings : list of str
    """

    volumes: np.ndarray
    affine: np.ndarray
    repetition_time_s: float
    warnings: list


def sidecar_path(path):
    """The BIDS sidecar beside a NIfTI file."""
    path = Path(path)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")


def _open(path, n_dimensions):
    """Load a NIfTI, oriented to RAS+ without resampling."""
    try:
        image = nibabel.load(path)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (nibabel.filebasedimages.ImageFileError, EOFError, OSError, zlib.error, ValueError) as error:
        raise InputError(path, f"not a readable NIfTI image ({_one_line(error)})") from None
    shape = image.shape
    while len(shape) > n_dimensions and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != n_dimensions:
        raise InputError(
            path,
            f"{len(shape)}D image of {' x '.join(map(str, shape))}, expected {n_dimensions}D",
            "check which file this is",
        )
    if min(shape[:3]) < MIN_VOXELS:
        raise InputError(path, f"only {min(shape[:3])} voxels along one axis; at least {MIN_VOXELS} are needed")
    header = image.header
    if "qform_code" in header and not (int(header["qform_code"]) or int(header["sform_code"])):
        raise InputError(
            path, "neither qform nor sform is set, so left and right are unknown", "convert the scan again"
        )
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < 1e-6:
        raise InputError(path, "the affine in the header is not invertible")
    return image, shape


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def _voxels(image, shape, path):
    """Data of an image in RAS+ order (int16 as it is, all else float32), and the affine that goes with it."""
    try:
        data = np.asanyarray(image.dataobj)
    except (EOFError, OSError, zlib.error, ValueError) as error:
        raise InputError(path, f"the file is truncated or damaged ({_one_line(error)})", "copy it again") from None
    data = data.reshape(shape)
    if data.dtype.kind not in "iuf":
        raise InputError(path, f"voxels of type {data.dtype}; integers or floats are expected")
    if data.dtype not in (np.int16, np.uint16, np.float32):
        data = data.astype(np.float32)
    orientation = nibabel.orientations.io_orientation(image.affine)
    affine = image.affine @ nibabel.orientations.inv_ornt_aff(orientation, shape[:3])
    return nibabel.orientations.apply_orientation(data, orientation), affine


def read_volume(path):
    """Read a 3D image (T1w).

    Returns
    -------
    data : float32 (x, y, z)
        RAS+ order.
    affine : float64 (4, 4)
    """
    image, shape = _open(path, 3)
    data, affine = _voxels(image, shape, path)
    data = np.ascontiguousarray(data, np.float32)
    if not np.isfinite(data).all():
        raise InputError(path, f"{int((~np.isfinite(data)).sum())} voxels are NaN or infinite")
    if data.min() == data.max():
        raise InputError(path, f"every voxel is {data.min():g}")
    return data, affine


def read_scan(path, repetition_time_s=None):
    """Read a BOLD series.

    Parameters
    ----------
    path : str or Path
        4D NIfTI; its JSON sidecar is read where it exists.
    repetition_time_s : float, optional
        As the participants table has it.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        Not a 4D series, truncated, NaN or infinite voxels, constant volumes, too few volumes, no or contradictory
        repetition times.
    """
    image, shape = _open(path, 4)
    if shape[3] < MIN_VOLUMES:
        raise InputError(path, f"only {shape[3]} volumes; at least {MIN_VOLUMES} are needed")
    repetition_time, warnings = resolve_repetition_time(path, header_repetition_time(image), repetition_time_s)
    data, affine = _voxels(image, shape, path)
    volumes = np.ascontiguousarray(np.moveaxis(data, 3, 0))
    for number, volume in enumerate(volumes):
        low, high = volume.min(), volume.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = np.argwhere(~np.isfinite(volume))
            raise InputError(
                path, f"volume {number} has {len(bad)} NaN or infinite voxels, the first at {bad[0].tolist()}"
            )
        if low == high:
            raise InputError(path, f"volume {number} is constant ({low:g})", "the scan is incomplete or damaged")
    return Scan(volumes, affine, repetition_time, warnings)


def header_repetition_time(image):
    """Fourth pixel dimension of a NIfTI and its unit, as the header gives them: (value, unit name)."""
    return float(image.header.get_zooms()[3]), image.header.get_xyzt_units()[1]


def resolve_repetition_time(path, header, table_s=None):
    """Repetition time from sidecar, participants table and header, in this order of trust.

    Parameters
    ----------
    path : str or Path
        The scan; its sidecar is looked for beside it.
    header : (float, str)
        As from `header_repetition_time`.
    table_s : float, optional

    Returns
    -------
    seconds : float
    warnings : list of str

    Raises
    ------
    InputError
        None of them has one, one is out of range, or they differ by more than 1 %.
    """
    found, warnings = {}, []
    sidecar = sidecar_path(path)
    if sidecar.exists():
        try:
            value = json.loads(sidecar.read_text(encoding="utf-8")).get("RepetitionTime")
        except (json.JSONDecodeError, AttributeError) as error:
            raise InputError(sidecar, f"not a JSON object: {error}") from None
        if value is not None:
            found[sidecar] = value
    if table_s is not None:
        found["participants table"] = table_s
    value, unit = header
    if value > 0:
        seconds = value * UNITS_IN_S.get(unit, 1.0)
        if seconds > PLAUSIBLE_TR_S[1] and PLAUSIBLE_TR_S[0] <= seconds / 1000 <= PLAUSIBLE_TR_S[1]:
            warnings.append(
                f"repetition time {value:g} in the header is taken as milliseconds, though its unit says {unit}"
            )
            seconds /= 1000
        found[f"header of {path}"] = seconds
    if not found:
        raise InputError(
            path, f"repetition time {value:g} in the header and none in {sidecar.name}", "add RepetitionTime there"
        )
    for where, seconds in found.items():
        in_range = isinstance(seconds, int | float) and PLAUSIBLE_TR_S[0] <= seconds <= PLAUSIBLE_TR_S[1]
        if not in_range:
            raise InputError(
                where, f"repetition time {seconds!r} s is not between {PLAUSIBLE_TR_S[0]:g} and {PLAUSIBLE_TR_S[1]:g} s"
            )
    first, chosen = next(iter(found.items()))
    for where, seconds in found.items():
        if abs(seconds - chosen) > TR_TOLERANCE * chosen:
            raise InputError(
                path,
                f"repetition time is {chosen:g} s in {first} but {seconds:g} s in {where}",
                "correct the wrong one",
            )
    return float(chosen), warnings


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


def _needs_header(path):
    """Refuse a table whose first line is numbers: it would be taken for names, and the first volume lost.

    The plain ROI numbers 1, 2, 3, ... are names. Read apart, since pandas makes names unique by changing them.
    """
    names = read_tsv(path, header=None, nrows=1, dtype=str).iloc[0]
    try:
        numbers = names.astype(float).tolist()  # missing cells too: n/a stands for a missing ROI
    except ValueError:
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
        No header line, wrong number or order of columns, too few volumes, values missing in some volumes only, text.
    """
    _needs_header(path)
    table = read_tsv(path)
    if table.shape[1] != n_rois:
        raise InputError(path, f"{table.shape[1]} columns, but the atlas has {n_rois} ROIs")
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
    if holes.all():
        raise InputError(path, "no ROI has values")
    series[holes] = np.nan
    return series.astype(np.float32)
