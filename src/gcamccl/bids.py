"""BIDS file names: entities, sidecars by inheritance, names of what `preprocess` leaves (BIDS derivatives)."""

import re
from pathlib import Path

# Entities of a scan that its derivatives keep, in the order BIDS gives them.
KEPT = ("ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")


def entities(path):
    """Key-value pairs in a BIDS file name, e.g. ``{"sub": "01", "task": "nback"}``; other parts are left out."""
    parts = Path(path).name.split(".", 1)[0].split("_")
    return {key: value for key, separator, value in (part.partition("-") for part in parts) if separator and value}


def label(text):
    """`text` as a BIDS label: letters and digits only."""
    return NOT_ALPHANUMERIC.sub("", str(text))


def stem(participant, path):
    """Beginning of the names of a person's derivatives.

    Parameters
    ----------
    participant : str
        ``participant_id``, with or without ``sub-``.
    path : str or Path
        The scan or ROI table they are made from; its session, task, run and the like are kept.

    Returns
    -------
    str
        E.g. ``sub-01_ses-2_task-nback_run-1``.
    """
    found = entities(path)
    words = [f"{key}-{label(found[key])}" for key in KEPT if label(found.get(key, ""))]
    return "_".join([f"sub-{label(participant.removeprefix('sub-'))}", *words])


def atlas_label(atlas):
    """Value of the entity ``seg`` for the setting ``preprocess.atlas``: its name, or its file's up to the first dot."""
    return label(Path(atlas).name.split(".", 1)[0]) or "atlas"


def derivatives(stem, atlas):
    """Names of what `preprocess` leaves of one person.

    Parameters
    ----------
    stem : str
        As from `stem`.
    atlas : str
        Setting ``preprocess.atlas``.

    Returns
    -------
    dict of str to str
        ``timeseries``, ``confounds``, ``quality``, ``page``, ``normalised``; tables have a ``.json`` beside them.
    """
    return {
        "timeseries": f"{stem}_seg-{atlas_label(atlas)}_stat-mean_timeseries.tsv",
        "confounds": f"{stem}_desc-confounds_timeseries.tsv",
        "quality": f"{stem}_qc.json",
        "page": f"{stem}_qc.png",
        "normalised": f"{stem}_space-MNI152NLin2009aSym_res-2_desc-preproc_bold.nii.gz",
    }


def sidecar(path):
    """The JSON sidecar beside a file."""
    path = Path(path)
    return path.with_name(re.sub(r"(\.nii(\.gz)?|\.tsv)$", "", path.name) + ".json")
