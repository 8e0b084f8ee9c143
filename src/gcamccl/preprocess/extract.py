"""ROI time series, quality and pictures of a scan whose motion and place in MNI152 are known."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from gcamccl.preprocess import brain, quality, resample
from gcamccl.preprocess.figures import sampling
from gcamccl.preprocess.regions import GRID_ORIGIN_MM, GRID_STEP_MM, roi_means
from gcamccl.preprocess.scan_io import Scan
from gcamccl.preprocess.templates import brain_grid

GRID_SHAPE = (91, 109, 91)  # the 2 mm MNI152 grid of FSL, SPM and fMRIPrep's res-2
OVERLAP_STEP_MM = 4
LOW_DICE = 0.75
LOW_T1W_GAIN = 0.025  # nats; own and others' T1w in simulated heads: docs/decisions/imaging.md
INT16_TOP = 32_000


@dataclass
class Located:
    """A scan whose motion and place in MNI152 are known.

    Attributes
    ----------
    scan : Scan
    path : str or Path
    route : str
    transforms : float64 (n_volumes, 4, 4)
        Reference world to the place in each volume, mm.
    mean : float32 (x, y, z)
        Mean of the realigned volumes.
    motion : float64 (n_volumes, 6)
        mm, rad.
    to_native : callable
        MNI152 points (n, 3) to reference world, mm.
    has_data : bool (x, y, z) or None
        Voxels that were acquired; None: all. Only for a grid that does not move (identity transforms).
    t1w_gain : float or None
        As in `gcamccl.preprocess.register.Registration`.
    """

    scan: Scan
    path: str
    route: str
    transforms: np.ndarray
    mean: np.ndarray
    motion: np.ndarray
    to_native: Callable
    has_data: np.ndarray | None = None
    t1w_gain: float | None = None


@dataclass
class Result:
    """What ``preprocess`` leaves of one person.

    Attributes
    ----------
    series : float32 (n_volumes, R)
        Scanner units; NaN columns: ROI missing.
    motion : float64 (n_volumes, 6) or None
        mm, rad; None: unknown.
    global_signal : float64 (n_volumes,) or None
        Mean over the brain, scanner units; None: unknown.
    quality : dict
        Content of ``*_qc.json``.
    pictures : dict
        What `gcamccl.preprocess.figures` draws; empty for ROI tables. ``mean``, ``sfnr`` (0 outside the brain): float32
        (x, y, z); ``affine``: float64 (4, 4), voxel to world, mm; ``carpet``: float32 (n_volumes, n) with ``tissue``,
        int (n,), as from `gcamccl.preprocess.figures.sampling.carpet_voxels`; ``slices``: float32, the mean image at
        `gcamccl.preprocess.figures.sampling.slice_points`, NaN outside the scan.
    located : Located or None
        None for ROI tables.
    """

    series: np.ndarray
    motion: np.ndarray | None
    global_signal: np.ndarray | None
    quality: dict
    pictures: dict = field(default_factory=dict)
    located: Located | None = None


def in_scan(located, places):
    """Which places (n, 3), reference world mm, lie inside the acquired volume all the time: bool (n,)."""
    shape = located.scan.volumes.shape[1:]
    there = resample.inside_always(places, shape, located.scan.affine, located.transforms)
    if located.has_data is not None:
        there &= resample.voxel_values(located.has_data, located.scan.affine, places)
    return there


def sampled(located, places, fwhm_mm=0.0, device="cpu", reduce=None):
    """Values of every volume at places that move with the head, smoothed; see `gcamccl.preprocess.resample.sample`.

    Where the scan holds zeros for what was not acquired, these take no part in the smoothing.
    """
    scan, share = located.scan, None
    if located.has_data is not None and fwhm_mm > 0:
        acquired = located.has_data[None].astype(np.float32)
        share = resample.sample(acquired, scan.affine, located.transforms[:1], places, fwhm_mm, device)[0]
        share = np.maximum(share, 0.5)  # a place is at most half a voxel from an acquired one

    def whole(values):
        values = values if share is None else values / share
        return values if reduce is None else reduce(values)

    return resample.sample(scan.volumes, scan.affine, located.transforms, places, fwhm_mm, device, whole)


def extract(participant, located, regions, settings, device="cpu"):
    """ROI time series, quality and pictures.

    Parameters
    ----------
    participant : str
    located : Located
    regions : gcamccl.preprocess.regions.Regions
    settings : dict
        Config section ``preprocess``.
    device : str

    Returns
    -------
    Result
    """
    scan, affine = located.scan, located.scan.affine
    grid, in_mni = brain_grid(OVERLAP_STEP_MM)
    slices = sampling.slice_points()
    native = located.to_native(np.concatenate([regions.points, grid, slices]))
    places, native_grid, slices = np.split(native, np.cumsum([len(regions.points), len(grid)]))

    inside, total = in_scan(located, places), np.bincount(regions.roi, minlength=regions.count)
    roi = regions.roi[inside]
    series = sampled(
        located,
        places[inside],
        settings["smoothing_fwhm_mm"],
        device,
        lambda values: roi_means(values, roi, regions.count),
    )
    mask = brain.checked_mask(located.mean, affine, located.path)
    voxels = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    inner = native_grid[in_mni]
    rows, tissue = sampling.carpet_voxels(grid[in_mni], in_scan(located, inner))
    values = sampled(located, np.concatenate([voxels, inner[rows]]), device=device)
    of_brain, carpet = values[:, : len(voxels)], values[:, len(voxels) :]
    ratio, global_signal = quality.sfnr(of_brain), of_brain.mean(axis=1, dtype=np.float64)
    overlap = brain.dice(mask, affine, native_grid, in_mni)
    facts = quality.summary(
        participant,
        located.route,
        scan.repetition_time_s,
        len(scan.volumes),
        [*scan.warnings, *_doubts(inside.any(), overlap, located.t1w_gain)],
        located.motion,
        sfnr_global=quality.sfnr(global_signal),
        sfnr_roi_median=np.nanmedian(quality.sfnr(series)) if inside.any() else None,
        sfnr_voxel_median=np.median(ratio[np.isfinite(ratio)]),
        roi_coverage=np.bincount(regions.roi, inside, regions.count) / np.maximum(total, 1),
        registration_dice=overlap,
        t1w_gain=located.t1w_gain,
    )
    sfnr_map = np.zeros(mask.shape, np.float32)
    sfnr_map[mask] = np.where(np.isfinite(ratio), ratio, 0)
    pictures = {
        "mean": located.mean,
        "sfnr": sfnr_map,
        "affine": affine,
        "carpet": carpet,
        "tissue": tissue,
        "slices": _mean_at(located, slices),
    }
    return Result(series, located.motion, global_signal, facts, pictures, located)


def _doubts(any_roi, overlap, t1w_gain):
    """Warnings about the place of the scan."""
    if not any_roi:
        yield "no ROI lies inside the scan: check its orientation, and its motion"
    if overlap < LOW_DICE:
        yield f"brain overlaps MNI152's by a Dice coefficient of only {overlap:.2f}: look at the pictures"
    if t1w_gain is not None and t1w_gain < LOW_T1W_GAIN:
        yield (
            f"the T1w hardly helps the registration or spoils it (mutual information {t1w_gain:+.3f} nats): "
            "is it the same person's?"
        )


def _mean_at(located, places):
    """The mean image at reference places; NaN outside the scan."""
    shape, affine, still = located.mean.shape, located.scan.affine, np.eye(4)[None]
    seen = resample.inside_always(places, shape, affine, still)
    if located.has_data is not None:
        seen &= resample.voxel_values(located.has_data, affine, places)
    return np.where(seen, resample.sample(located.mean[None], affine, still, places)[0], np.nan)


def write_normalised(path, located, settings, device="cpu"):
    """Write the smoothed, realigned series on the 2 mm MNI152 grid, for people who want to look.

    ROI means over it are the ROI time series (up to the 16 bits a value is rounded to). Zero outside the scan.

    Parameters
    ----------
    path : Path
        NIfTI.
    located : Located
    settings : dict
        Config section ``preprocess``.
    device : str
    """
    import nibabel

    points = np.indices(GRID_SHAPE).reshape(3, -1).T * GRID_STEP_MM + GRID_ORIGIN_MM
    places = located.to_native(points)
    inside = in_scan(located, places)
    lowest, highest = located.scan.volumes.min(), located.scan.volumes.max()
    largest = max(float(highest), -float(lowest))  # as floats: int16 has no 32768
    step = largest * 1.2 / INT16_TOP  # splines overshoot by less than a fifth

    def whole_numbers(values):
        return np.rint(values / step).astype(np.int16)

    values = sampled(located, places[inside], settings["smoothing_fwhm_mm"], device, whole_numbers)
    data = np.zeros((len(values), len(points)), np.int16)
    data[:, inside] = values
    affine = np.diag([GRID_STEP_MM] * 3 + [1.0])
    affine[:3, 3] = GRID_ORIGIN_MM
    image = nibabel.Nifti1Image(np.moveaxis(data.reshape(-1, *GRID_SHAPE), 0, 3), affine)
    image.header.set_slope_inter(step, 0)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((*image.header.get_zooms()[:3], located.scan.repetition_time_s))
    image.set_sform(affine, "mni")
    image.set_qform(affine, "mni")
    nibabel.save(image, path)
