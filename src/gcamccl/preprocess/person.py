"""One person from files to ROI time series and quality, along the route that their files allow."""

from dataclasses import dataclass, field

import numpy as np

from gcamccl.preprocess import quality, scan_io, tables
from gcamccl.preprocess.repetition_time import PLAUSIBLE_TR_S
from gcamccl.preprocess.spheres import roi_means, sphere_points
from gcamccl.workflow.errors import InputError

SMALLEST_BRAIN_ML = 100  # also of a thin slab


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
    """

    series: np.ndarray
    motion: np.ndarray | None
    global_signal: np.ndarray | None
    quality: dict
    pictures: dict = field(default_factory=dict)


def from_timeseries(participant, path, xyz, repetition_time_s):
    """ROI time series made elsewhere; motion and registration are unknown.

    Parameters
    ----------
    path : str or Path
        TSV, one column an ROI.
    xyz : float (R, 3)
        MNI mm.
    repetition_time_s : float or None
        From the participants table; the table has no header to hold it.
    """
    low, high = PLAUSIBLE_TR_S
    if repetition_time_s is None or not low <= repetition_time_s <= high:
        raise InputError(
            path,
            f"repetition time {repetition_time_s} s",
            "give seconds in the participants table, column repetition_time",
        )
    series = tables.read_timeseries(path, len(xyz))
    there = ~np.isnan(series[0])
    facts = quality.summary(
        participant,
        "timeseries",
        repetition_time_s,
        len(series),
        [],
        sfnr_global=quality.sfnr(series[:, there].mean(axis=1)),
        sfnr_roi_median=np.median(quality.sfnr(series[:, there])),
        roi_coverage=there.astype(float),
    )
    return Result(series, None, None, facts)


def from_fmriprep(participant, preproc_bold, confounds, xyz, settings, repetition_time_s=None, device="cpu"):
    """BOLD already realigned and in MNI152 space, with fMRIPrep's confounds table.

    fMRIPrep writes zeros outside the acquired slab, so places without data count as outside the scan.
    """
    scan = scan_io.read_scan(preproc_bold, repetition_time_s)
    motion = tables.read_confounds(confounds, len(scan.volumes))
    still = np.broadcast_to(np.eye(4), (len(scan.volumes), 4, 4))
    mean = scan.volumes.mean(axis=0, dtype=np.float32)
    has_data = scan.volumes.min(axis=0) < scan.volumes.max(axis=0)  # varies over time, so it is not all zero either

    def to_native(points):
        return points

    return _extract(
        participant, "fmriprep", scan, still, mean, motion, to_native, xyz, settings, preproc_bold, device, has_data
    )


def from_raw(participant, bold, t1w, xyz, settings, scratch, repetition_time_s=None, say=print, device="cpu"):
    """Raw BOLD, with a T1w image or without.

    Parameters
    ----------
    participant : str
    bold : str or Path
    t1w : str, Path or None
        None: the mean BOLD is registered to an EPI-contrast template, affine, with a warning.
    xyz : float (R, 3)
        MNI mm.
    settings : dict
        Config section ``preprocess``.
    scratch : Path
        Folder for registration files.
    repetition_time_s : float, optional
        From the participants table.
    say : callable
        Takes a line of progress.
    device : str
        ``cpu`` or ``cuda``, for realignment and sampling.

    Returns
    -------
    Result
    """
    from gcamccl.preprocess import realign, register

    scan = scan_io.read_scan(bold, repetition_time_s)
    anatomy = scan_io.read_volume(t1w) if t1w else None
    say(f"{len(scan.volumes)} volumes of {' x '.join(map(str, scan.volumes.shape[1:]))} voxels")
    transforms, mean = realign.realign(
        scan.volumes,
        scan.affine,
        settings["realign_fwhm_mm"],
        settings["realign_separation_mm"],
        settings["seed"],
        device,
    )
    say("realigned")
    mask = _brain(mean, scan.affine, bold)
    where = (settings["registration_resolution_mm"], settings["seed"], scratch)
    if anatomy and settings["registration"] == "t1w_syn":
        warp = register.register_t1w(mean, mask, scan.affine, *anatomy, *where)
    else:
        if not anatomy:
            scan.warnings.append("no T1w: mean BOLD registered to an EPI-contrast MNI152 template, affine")
        warp = register.register_epi(mean, mask, scan.affine, *where)
    say("registered")
    index = np.argwhere(mask).mean(axis=0)
    motion = realign.motion_parameters(transforms, scan.affine[:3, :3] @ index + scan.affine[:3, 3])

    def to_native(points):
        return register.to_native(points, warp)

    return _extract(participant, "raw", scan, transforms, mean, motion, to_native, xyz, settings, bold, device)


def _brain(mean, affine, path):
    """Brain mask of a mean image; InputError if there is nothing like a brain."""
    from gcamccl.preprocess.register import brain_mask

    mask = brain_mask(mean)
    millilitres = mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000
    if millilitres < SMALLEST_BRAIN_ML:
        raise InputError(
            path, f"no brain found in the mean image (largest bright part: {millilitres:.0f} ml)", "look at the scan"
        )
    return mask


def _extract(participant, route, scan, transforms, mean, motion, to_native, xyz, settings, path, device, has_data=None):
    """ROI time series and quality of a scan whose motion and registration are known.

    `has_data`, bool (x, y, z): voxels that were acquired; None: all. The grid must not move (identity transforms).
    """
    from gcamccl.preprocess import register, resample
    from gcamccl.preprocess.figures import sampling

    shape, affine = scan.volumes.shape[1:], scan.affine
    points, roi = sphere_points(xyz, settings["sphere_radius_mm"])
    grid, in_brain = register.dice_grid()
    slices = sampling.slice_points()
    native = to_native(np.concatenate([points, grid, slices]))
    spheres, native_grid, slices = np.split(native, [len(points), len(points) + len(grid)])

    def in_scan(places):
        there = resample.inside_always(places, shape, affine, transforms)
        return there if has_data is None else there & resample.at_nearest_voxel(has_data, affine, places)

    inside = in_scan(spheres)
    coverage = np.bincount(roi, inside, len(xyz)) / np.bincount(roi, minlength=len(xyz))
    if not inside.any():
        raise InputError(path, "no ROI lies inside the scan", "check its orientation and that it shows a brain")
    values = resample.sample(scan.volumes, affine, transforms, spheres[inside], settings["smoothing_fwhm_mm"], device)
    series = roi_means(values, roi[inside], len(xyz))

    mask = _brain(mean, affine, path)
    voxels = np.argwhere(mask) @ affine[:3, :3].T + affine[:3, 3]
    inner = native_grid[in_brain]
    rows, tissue = sampling.carpet_voxels(grid[in_brain], in_scan(inner))
    values = resample.sample(scan.volumes, affine, transforms, np.concatenate([voxels, inner[rows]]))
    brain, carpet = values[:, : len(voxels)], values[:, len(voxels) :]
    ratio, global_signal = quality.sfnr(brain), brain.mean(axis=1, dtype=np.float64)
    overlap = register.dice(mask, affine, native_grid, in_brain)
    if overlap < register.LOW_DICE:
        scan.warnings.append(
            f"brain overlaps MNI152's by a Dice coefficient of only {overlap:.2f}: look at the pictures"
        )
    facts = quality.summary(
        participant,
        route,
        scan.repetition_time_s,
        len(scan.volumes),
        scan.warnings,
        motion,
        sfnr_global=quality.sfnr(global_signal),
        sfnr_roi_median=np.nanmedian(quality.sfnr(series)),
        sfnr_voxel_median=np.median(ratio[np.isfinite(ratio)]),
        roi_coverage=coverage,
        registration_dice=overlap,
    )
    still = np.eye(4)[None]
    seen = resample.inside_always(slices, shape, affine, still)
    if has_data is not None:
        seen &= resample.at_nearest_voxel(has_data, affine, slices)
    sfnr_map = np.zeros(shape, np.float32)
    sfnr_map[mask] = np.where(np.isfinite(ratio), ratio, 0)
    pictures = {
        "mean": mean,
        "sfnr": sfnr_map,
        "affine": affine,
        "carpet": carpet,
        "tissue": tissue,
        "slices": np.where(seen, resample.sample(mean[None], affine, still, slices)[0], np.nan),
    }
    return Result(series, motion, global_signal, facts, pictures)
