"""Reading scans: one orientation, and every fault that would give a silently wrong matrix refused."""

import zlib
from dataclasses import dataclass

import nibabel
import numpy as np

from gcamccl.preprocess.repetition_time import header_repetition_time, resolve_repetition_time
from gcamccl.workflow.errors import InputError

MIN_VOLUMES = 20  # fewer cannot be band-passed to 0.01 Hz at any usual repetition time
MIN_VOXELS = 8  # along each axis


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
