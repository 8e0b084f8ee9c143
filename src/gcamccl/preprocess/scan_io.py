"""Reading scans: one orientation, and every fault that would give a silently wrong matrix refused."""

import gzip
import zlib
from dataclasses import dataclass

import nibabel
import numpy as np

from gcamccl.preprocess.geometry import voxel_affine
from gcamccl.preprocess.repetition_time import header_repetition_time, resolve_repetition_time
from gcamccl.workflow.errors import InputError

MIN_VOLUMES = 20  # fewer cannot be band-passed to 0.01 Hz at any usual repetition time
MIN_VOXELS = 8  # along each axis
UNEVEN = 1.2  # volumes whose means differ more from the median one are told; BOLD changes the mean by a few per cent
HOT = 10  # times a volume's 98th percentile: brighter than any tissue
LARGEST = 1e15  # sums of squares of larger values overflow in float32
UNREADABLE = (
    nibabel.filebasedimages.ImageFileError,
    nibabel.spatialimages.HeaderDataError,
    nibabel.wrapstruct.WrapStructError,
    EOFError,
    OSError,
    zlib.error,
    ValueError,
)


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


def open_image(path, n_dimensions):
    """Open a NIfTI and check its header.

    Returns
    -------
    image : nibabel.Nifti1Image
    shape : tuple of int
        Without trailing axes of length 1 beyond `n_dimensions`.
    affine, warnings
        As from `gcamccl.preprocess.geometry.voxel_affine`.
    """
    try:
        image = nibabel.load(path)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except UNREADABLE as error:
        raise InputError(path, f"not a readable NIfTI image ({_one_line(error)})") from None
    if not isinstance(image, nibabel.Nifti1Image):
        raise InputError(
            path, f"not NIfTI in one file but {type(image).__name__} of nibabel", "convert it to .nii or .nii.gz"
        )
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
    return image, shape, *voxel_affine(image, path)


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def _check_sum(image):
    """Read a compressed file to its end, where its check sum is: nibabel stops before, and takes damaged data."""
    for holder in image.file_map.values():
        if str(holder.filename).lower().endswith(".gz"):
            with gzip.open(holder.filename) as stream:
                while stream.read(1 << 22):
                    pass


def voxels(image, shape, affine, path):
    """Data of an image in RAS+ order, without resampling, and the affine that goes with it.

    Parameters
    ----------
    image, shape, affine
        As from `open_image`.
    path : str or Path

    Returns
    -------
    data : int16, uint16 or float32
    affine : float64 (4, 4)
        Voxel to world, mm.
    """
    try:
        _check_sum(image)
        data = np.asanyarray(image.dataobj)
    except UNREADABLE as error:
        raise InputError(path, f"the file is truncated or damaged ({_one_line(error)})", "copy it again") from None
    data = data.reshape(shape)
    if data.dtype.kind not in "iuf":
        kind = "colours" if data.dtype.names else f"type {data.dtype}"
        raise InputError(path, f"voxels of {kind}; integers or floats are expected")
    if data.dtype not in (np.int16, np.uint16, np.float32):
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite and is refused
            data = data.astype(np.float32)
    orientation = nibabel.orientations.io_orientation(affine)
    affine = affine @ nibabel.orientations.inv_ornt_aff(orientation, shape[:3])
    return nibabel.orientations.apply_orientation(data, orientation), affine


def read_volume(path):
    """Read a 3D image (T1w).

    Returns
    -------
    data : float32 (x, y, z)
        RAS+ order.
    affine : float64 (4, 4)
    """
    image, shape, affine, _ = open_image(path, 3)
    data, affine = voxels(image, shape, affine, path)
    data = np.ascontiguousarray(data, np.float32)
    if not np.isfinite(data).all():
        raise InputError(path, f"{int((~np.isfinite(data)).sum())} voxels are NaN or infinite")
    if data.min() == data.max():
        raise InputError(path, f"every voxel is {data.min():g}")
    if data.max() <= 0 or np.abs(data).max() > LARGEST:
        raise InputError(path, f"values from {data.min():g} to {data.max():g}", "positive intensities are expected")
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
    image, shape, affine, warnings = open_image(path, 4)
    if shape[3] < MIN_VOLUMES:
        raise InputError(path, f"only {shape[3]} volumes; at least {MIN_VOLUMES} are needed")
    repetition_time, doubts = resolve_repetition_time(path, header_repetition_time(image), repetition_time_s)
    data, affine = voxels(image, shape, affine, path)
    volumes = np.ascontiguousarray(np.moveaxis(data, 3, 0))
    means, peaks = np.empty((2, len(volumes)))
    for number, volume in enumerate(volumes):
        means[number] = volume.mean(dtype=np.float64)
        low, high = volume.min(), volume.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = np.argwhere(~np.isfinite(volume))
            raise InputError(
                path, f"volume {number} has {len(bad)} NaN or infinite voxels, the first at {bad[0].tolist()}"
            )
        if low == high:
            raise InputError(path, f"volume {number} is constant ({low:g})", "the scan is incomplete or damaged")
        if max(high, -float(low)) > LARGEST:
            raise InputError(path, f"volume {number} has values from {low:g} to {high:g}", "scale the scan")
        peaks[number] = float(high) / max(float(np.percentile(volume[::2, ::2, ::2], 98)), 1e-30)
    return Scan(volumes, affine, repetition_time, doubts + warnings + _too_bright(means, peaks))


def _too_bright(means, peaks):
    """Warnings about volumes unlike the others, e.g. before the steady state, and about voxels that no tissue makes.

    Parameters
    ----------
    means : float (n_volumes,)
    peaks : float (n_volumes,)
        Brightest voxel beside the 98th percentile.
    """
    warnings, middle = [], np.median(means)
    ratio = means / middle if middle > 0 else np.ones(len(means))
    out = np.flatnonzero((ratio > UNEVEN) | (ratio < 1 / UNEVEN))
    if len(out):
        worst = out[np.abs(np.log(np.maximum(ratio[out], 1e-9))).argmax()]
        warnings.append(
            f"volumes much brighter or darker than the median one: {len(out)} of {len(means)}, "
            f"worst volume {worst} ({ratio[worst]:.2g} times as bright)"
        )
    if middle > 0 and peaks.max() > HOT:
        worst = int(peaks.argmax())
        warnings.append(
            f"volume {worst} has a voxel {peaks[worst]:.0f} times as bright as its brain: an artefact, which blurs "
            "into the ROIs near it"
        )
    return warnings
