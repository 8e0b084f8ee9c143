"""BIDS file names: entities, sidecars by inheritance, names of what `preprocess` leaves (BIDS derivatives)."""

import re
from functools import lru_cache
from pathlib import Path

# Entities of a scan that its derivatives keep, in the order BIDS gives them.
KEPT = ("ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
NOT_ALPHANUMERIC = re.compile(r"[^A-Za-z0-9]+")
DESCRIPTION = "dataset_description.json"  # marks the root of a dataset, raw or derived


def _parts(path):
    """The parts of a file name that underscores set apart, without its extensions."""
    return Path(path).name.split(".", 1)[0].split("_")


def entities(path):
    """Key-value pairs in a BIDS file name, e.g. ``{"sub": "01", "task": "nback"}``; other parts are left out."""
    parts = _parts(path)
    return {key: value for key, separator, value in (part.partition("-") for part in parts) if separator and value}


def suffix(path):
    """Last part of a BIDS file name, e.g. ``bold``."""
    return _parts(path)[-1]


def is_bids(path):
    """Whether a file name is entities and then one suffix, as BIDS wants it."""
    parts = _parts(path)
    return len(entities(path)) == len(parts) - 1 and "-" not in parts[-1]


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
        "normalised": f"{stem}_space-MNI152NLin2009aSym_res-2_desc-smooth_bold.nii.gz",
    }


def sidecar(path):
    """The JSON sidecar beside a file."""
    path = Path(path)
    return path.with_name(re.sub(r"(\.nii(\.gz)?|\.tsv)$", "", path.name) + ".json")


def dataset(path):
    """Root of the dataset a file is in: the nearest folder above it with a description; None outside of a dataset."""
    return next((folder for folder in Path(path).absolute().parents if (folder / DESCRIPTION).is_file()), None)


def inherited(path, suffix, extension, root=None):
    """Files that apply to a scan by the inheritance principle of BIDS.

    Parameters
    ----------
    path : str or Path
        The scan; it need not exist.
    suffix, extension : str
        Of the files looked for, e.g. ``events`` and ``.tsv``.
    root : Path, optional
        Folder to look up to; default: the root of the scan's dataset. Without either, the scan's own folder only.

    Returns
    -------
    list of Path
        Those whose entities are a subset of the scan's, nearest folder first and in it the most entities first. Empty
        where the scan's name is not a BIDS name: any other file might seem to apply to it.
    """
    path = Path(path).absolute()
    own = entities(path)
    if not is_bids(path) or "sub" not in own:
        return []
    root = Path(root).absolute() if root else dataset(path) or path.parent
    found = []
    for folder in (folder for folder in path.parents if folder.is_relative_to(root)):
        here = [
            file
            for file in _ending(folder, suffix + extension, folder.stat().st_mtime_ns if folder.is_dir() else None)
            if _parts(file)[-1] == suffix and is_bids(file) and entities(file).items() <= own.items() and file.is_file()
        ]
        found += sorted(here, key=lambda file: (-len(entities(file)), file.name))
    return found


@lru_cache(maxsize=64)
def _ending(folder, ending, changed):
    """Files of a folder with this ending; listed again once the folder has `changed`, its time of modification.

    Everybody's scans may lie in one folder: listing it for each person would take the square of their number.
    """
    return tuple(folder.glob(f"*{ending}"))


def sidecars(path):
    """JSON files that describe a scan and exist, the most specific first.

    That of the same name beside it, whatever the scan is called, then those it inherits (`inherited`).
    """
    beside = sidecar(Path(path).absolute())
    others = inherited(path, suffix(path), ".json")
    return [beside] * beside.is_file() + [file for file in others if file != beside]
