"""One person from files to ROI time series and quality, along the route that their files allow."""

import numpy as np

from gcamccl import bids
from gcamccl.preprocess import quality, scan_io, tables
from gcamccl.preprocess.extract import Located, Result, extract
from gcamccl.preprocess.repetition_time import PLAUSIBLE_TR_S
from gcamccl.workflow.errors import InputError

DEFORMS = {"epi_affine": False, "epi_syn": True}


def from_timeseries(participant, path, n_rois, repetition_time_s, confounds=None):
    """ROI time series made elsewhere; registration is unknown, motion too where there is no confounds table.

    Parameters
    ----------
    participant : str
    path : str or Path
        TSV, one column an ROI.
    n_rois : int
    repetition_time_s : float or None
        From the participants table; the table has no header to hold it.
    confounds : str or Path, optional
        fMRIPrep's confounds table.

    Returns
    -------
    Result
    """
    low, high = PLAUSIBLE_TR_S
    if repetition_time_s is None or not low <= repetition_time_s <= high:
        raise InputError(
            path,
            f"repetition time {repetition_time_s} s",
            "give seconds in the participants table, column repetition_time",
        )
    series = tables.read_timeseries(path, n_rois)
    motion = global_signal = None
    if confounds:
        motion = tables.read_confounds(confounds, len(series))
        global_signal = tables.read_global_signal(confounds)
    there = ~np.isnan(series[0])
    facts = quality.summary(
        participant,
        "timeseries",
        repetition_time_s,
        len(series),
        [],
        motion,
        sfnr_global=quality.sfnr(series[:, there].mean(axis=1)),
        sfnr_roi_median=np.median(quality.sfnr(series[:, there])),
        roi_coverage=there.astype(float),
    )
    return Result(series, motion, global_signal, facts)


def from_fmriprep(participant, preproc_bold, confounds, regions, settings, repetition_time_s=None, device="cpu"):
    """BOLD already realigned and in MNI152 space, with fMRIPrep's confounds table.

    fMRIPrep writes zeros outside the acquired slab, so places without data count as outside the scan.

    Parameters
    ----------
    participant : str
    preproc_bold, confounds : str or Path
    regions : gcamccl.preprocess.regions.Regions
    settings : dict
        Config section ``preprocess``.
    repetition_time_s : float, optional
        From the participants table.
    device : str
        ``cpu`` or ``cuda``, for sampling.

    Returns
    -------
    Result
    """
    space = bids.entities(preproc_bold).get("space")
    if space and not space.startswith("MNI"):
        raise InputError(
            preproc_bold, f"its name says space-{space}", "give the one in an MNI152 space, or the raw scan as bold"
        )
    scan = scan_io.read_scan(preproc_bold, repetition_time_s)
    if not space:
        scan.warnings.append("the file's name does not say its space; taken as MNI152")
    located = Located(
        scan=scan,
        path=preproc_bold,
        route="fmriprep",
        transforms=np.broadcast_to(np.eye(4), (len(scan.volumes), 4, 4)),
        mean=scan.volumes.mean(axis=0, dtype=np.float32),
        motion=tables.read_confounds(confounds, len(scan.volumes)),
        to_native=lambda points: points,
        has_data=scan.volumes.min(axis=0) < scan.volumes.max(axis=0),  # varies over time, so it is not all zero either
    )
    return extract(participant, located, regions, settings, device)


def from_raw(participant, bold, t1w, regions, settings, scratch, repetition_time_s=None, say=print, device="cpu"):
    """Raw BOLD, with a T1w image or without.

    Parameters
    ----------
    participant : str
    bold : str or Path
    t1w : str, Path or None
        None: the mean BOLD is registered to an EPI-contrast template, with a warning.
    regions : gcamccl.preprocess.regions.Regions
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
    from gcamccl.preprocess import brain, realign, register

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
    mask = brain.checked_mask(mean, scan.affine, bold)
    kind = settings["registration" if anatomy else "registration_without_t1w"]
    if kind == "t1w_syn":
        where = (settings["registration_resolution_mm"], settings["seed"], scratch)
        found = register.register_t1w(mean, mask, scan.affine, *anatomy, *where)
    else:
        if not anatomy:
            scan.warnings.append(f"no T1w: mean BOLD registered to an EPI-contrast MNI152 template ({kind})")
        found = register.register_epi(mean, mask, scan.affine, DEFORMS[kind], settings["seed"], scratch)
    say("registered")
    index = np.argwhere(mask).mean(axis=0)
    located = Located(
        scan=scan,
        path=bold,
        route="raw",
        transforms=transforms,
        mean=mean,
        motion=realign.motion_parameters(transforms, scan.affine[:3, :3] @ index + scan.affine[:3, 3]),
        to_native=lambda points: register.to_native(points, found.files),
        t1w_gain=found.t1w_gain,
    )
    return extract(participant, located, regions, settings, device)
