"""Everybody's connectivity in one stack, and who is left out and why."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.connectivity.exclusion import require_enough_left
from gcamccl.connectivity.person import QC_COLUMNS, person
from gcamccl.workflow.study import require_events

COUNTS = ["n_volumes", "n_scrubbed", "n_regressors", "residual_dof", "missing_rois"]


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
        `gcamccl.connectivity.person.QC_COLUMNS`; everybody.
    excluded : DataFrame
        participant_id, reason, value, limit; one row a reason, so that a person may have several.
    """

    fc: np.ndarray
    people: pd.DataFrame
    quality: pd.DataFrame
    excluded: pd.DataFrame


def group(folders, n_rois, settings, events=None):
    """Connectivity of everybody, and who is left out and why.

    Parameters
    ----------
    folders : dict of str to (Path, dict) or None
        participant_id -> the person's folder of the preprocess stage and the names of the files in it (as from
        `gcamccl.bids.derivatives`); None: no scan, reason ``no_scan``.
    n_rois : int
    settings : dict
        Config section ``connectivity``.
    events : dict of str to str, optional
        participant_id -> BIDS events table; needed of everybody with a scan unless ``task_regressors`` is ``none``.

    Returns
    -------
    Group

    Raises
    ------
    InputError
        More than half of the people with scans would be excluded, or there is none; somebody's events are missing.
    """
    events, places = events or {}, {name: place for name, place in folders.items() if place}
    if settings["task_regressors"] != "none":
        require_events({name: events.get(name) for name in places}, "participants table")
    # Filled in place: a list of matrices stacked at the end would need the memory twice.
    fc = np.empty((len(places), n_rois, n_rois), np.float32)
    kept, rows, excluded = 0, [], []
    for name, place in folders.items():
        if place is None:
            excluded.append((name, "no_scan", None, None))
            rows.append({"participant_id": name, "included": False})
            continue
        matrix, row, reasons = person(*place, n_rois, settings, events.get(name))
        rows.append(dict(row, participant_id=name))
        excluded += [(name, *reason) for reason in reasons]
        if not reasons:
            fc[kept] = matrix
            kept += 1
    quality = pd.DataFrame(rows, columns=list(QC_COLUMNS)).astype(dict.fromkeys(COUNTS, "Int64"))
    excluded = pd.DataFrame(excluded, columns=["participant_id", "reason", "value", "limit"])
    require_enough_left(quality, excluded, settings)
    people = quality.loc[quality["included"].astype(bool), ["participant_id", "n_volumes", "residual_dof"]]
    people = people.astype({"n_volumes": int, "residual_dof": int}).reset_index(drop=True)
    return Group(fc[:kept], people, quality, excluded)


def sidecar(found, settings):
    """Content of ``fc.json``: what the array ``fc.npy`` is.

    Parameters
    ----------
    found : Group
    settings : dict
        Config section ``connectivity``.

    Returns
    -------
    dict
        ``regressors``: how many of the people each set of regressors was removed from.
    """
    included = found.quality[found.quality["included"].astype(bool)]
    return {
        "description": "ROI x ROI correlation of the cleaned series of everybody who is kept",
        "shape": list(found.fc.shape),
        "dtype": str(found.fc.dtype),
        "axes": ["participant_id", "roi", "roi"],
        "kind": settings["kind"],
        "diagonal": 0,
        "missing": "NaN: the ROI of this row or column is missing in this person",
        "band_hz": [settings["low_hz"], settings["high_hz"]],
        "regressors": included["regressors"].value_counts().to_dict(),
        "scrub_fd_mm": settings["scrub_fd_mm"],
        "participant_id": found.people["participant_id"].tolist(),
    }
