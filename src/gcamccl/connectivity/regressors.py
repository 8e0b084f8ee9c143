"""The regressors of one person: motion, global signal, censored volumes, task."""

from dataclasses import dataclass

import numpy as np

from gcamccl.connectivity.task import read_events, task_regressors
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
DISPLACEMENT, GLOBAL_SIGNAL = "framewise_displacement", "global_signal"


@dataclass
class Regressors:
    """What is removed from one person's series beside trend and frequencies outside the band.

    Attributes
    ----------
    columns : float64 (n_volumes, n_regressors + n_scrubbed)
    n_regressors : int
        Without the indicators of censored volumes.
    n_scrubbed : int or None
        Censored volumes; None: asked for, but displacement is unknown.
    used : str
        E.g. ``motion24+global_signal``; what was asked for but is unknown follows a colon.
    warnings : list of str
    """

    columns: np.ndarray
    n_regressors: int
    n_scrubbed: int | None
    used: str
    warnings: list


def expand_motion(motion, count):
    """Motion regressors made of the six parameters.

    24: the parameters, their backward differences (0 in the first volume), and the squares of these twelve: the
    expansion of Satterthwaite et al. 2013, fMRIPrep's columns ``derivative1``, ``power2`` and ``derivative1_power2``.

    Parameters
    ----------
    motion : float (n_volumes, 6)
        mm, rad.
    count : int
        0, 6 or 24.

    Returns
    -------
    float64 (n_volumes, count)
    """
    motion = np.asarray(motion, np.float64)
    if count < 24:
        return motion[:, :count]
    both = np.concatenate([motion, np.diff(motion, axis=0, prepend=motion[:1])], axis=1)
    return np.concatenate([both, both**2], axis=1)


def censored(displacement_mm, limit_mm, before, after):
    """Volumes to leave out: those that moved too far, and their neighbours (Power et al. 2012).

    Parameters
    ----------
    displacement_mm : float (n_volumes,)
        Framewise displacement; NaN: unknown (the first volume), not censored by itself.
    limit_mm : float
        Censored where displacement is larger.
    before, after : int
        Neighbours censored too.

    Returns
    -------
    bool (n_volumes,)
    """
    n_volumes = len(displacement_mm)
    result = np.zeros(n_volumes, bool)
    for volume in np.flatnonzero(np.asarray(displacement_mm) > limit_mm):
        result[max(volume - before, 0) : volume + after + 1] = True
    return result


def confound_names(settings):
    """Columns of the confounds table that the settings of ``connectivity`` ask for."""
    return (
        (MOTION_COLUMNS if settings["motion_parameters"] else ())
        + ((GLOBAL_SIGNAL,) if settings["global_signal"] else ())
        + ((DISPLACEMENT,) if settings["scrub_fd_mm"] is not None else ())
    )


def read_confounds(path, n_volumes, names):
    """Columns of a confounds table as `preprocess` leaves it.

    Parameters
    ----------
    path : str or Path
    n_volumes : int
    names : sequence of str

    Returns
    -------
    DataFrame
        float64, n_volumes rows. A column is NaN throughout (unknown) or nowhere, except for the first framewise
        displacement, which never is known.

    Raises
    ------
    InputError
        A column is missing, is text, or has values for some volumes or some motion parameters only; wrong length.
    """
    table = read_tsv(path, columns=names)[list(names)]
    if len(table) != n_volumes:
        raise InputError(path, f"{len(table)} rows, but {n_volumes} volumes")
    for name in names:
        if table[name].dtype == object:
            raise InputError(path, f"column {name} must be numbers")
        known = np.isfinite(table[name].to_numpy(float))
        if name == DISPLACEMENT:
            known[0] = known[1:].any()
        if known.any() and not known.all():
            raise InputError(path, f"line {2 + int((~known).argmax())}: {name} is missing")
    unknown = [name for name in MOTION_COLUMNS if name in names and table[name].isna().all()]
    if unknown and len(unknown) < len(MOTION_COLUMNS):
        raise InputError(path, f"{', '.join(unknown)}: no values, though the other motion parameters have them")
    return table.astype(np.float64)


def regressors(path, n_volumes, repetition_time_s, settings, events=None):
    """Everything that the settings ask for and that is known about one person.

    Parameters
    ----------
    path : str or Path
        Confounds table.
    n_volumes : int
    repetition_time_s : float
    settings : dict
        Config section ``connectivity``.
    events : str or Path, optional
        BIDS events table; needed unless ``task_regressors`` is ``none``.

    Returns
    -------
    Regressors
    """
    table = read_confounds(path, n_volumes, confound_names(settings))
    parts, used, unknown, n_scrubbed = [], [], {}, 0
    if count := settings["motion_parameters"]:
        if table[MOTION_COLUMNS[0]].isna().all():
            unknown["motion"] = f"motion_parameters {count}"
        else:
            parts.append(expand_motion(table[list(MOTION_COLUMNS)].to_numpy(), count))
            used.append(f"motion{count}")
    if settings["global_signal"]:
        if table[GLOBAL_SIGNAL].isna().all():
            unknown["global signal"] = "global_signal"
        else:
            parts.append(table[[GLOBAL_SIGNAL]].to_numpy())
            used.append("global_signal")
    warnings = []
    if settings["task_regressors"] != "none":
        rows, warnings = read_events(events, n_volumes * repetition_time_s)
        parts.append(task_regressors(rows, n_volumes, repetition_time_s, settings["task_regressors"]))
        used.append(f"task_{settings['task_regressors']}")
    n_regressors = sum(part.shape[1] for part in parts)
    if (limit := settings["scrub_fd_mm"]) is not None:
        if table[DISPLACEMENT].isna().all():
            unknown["framewise displacement"], n_scrubbed = f"scrub_fd_mm {limit:g}", None
        else:
            out = censored(table[DISPLACEMENT].to_numpy(), limit, settings["scrub_before"], settings["scrub_after"])
            n_scrubbed = int(out.sum())
            # A regressor that is 1 in one volume fits that volume exactly: least squares on the others alone.
            parts.append(np.eye(n_volumes)[:, out])
    text = "+".join(used) or "none"
    if unknown:
        text += f": {', '.join(unknown)} unknown"
    warnings += [f"{what} unknown: connectivity.{setting} not applied" for what, setting in unknown.items()]
    columns = np.concatenate([np.empty((n_volumes, 0)), *parts], axis=1)
    return Regressors(columns, n_regressors, n_scrubbed, text, warnings)
