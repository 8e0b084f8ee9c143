"""Records of jobs, ``artifact.json``: what a job wrote, and whether its files still are what it says."""

import re
from pathlib import Path

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, sha256
from gcamccl.workflow.stages import BY_NAME

KEY = re.compile("[0-9a-f]{12}")  # of an artifact
RECORD = "artifact.json"


def place(path):
    """Where a file lies among the artifacts.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    tuple of (str, str, str), or None
        Stage, key and the path below; None: in no artifact.
    """
    parts = Path(path).parts
    at = [number for number, part in enumerate(parts) if is_artifact(parts[number - 1], part)]
    return (parts[at[-1] - 1], parts[at[-1]], "/".join(parts[at[-1] + 1 :])) if at else None


def record_of(path):
    """Record of the job that wrote a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    folder : Path
        The record's.
    digest : str
        SHA-256 that the file should have.
    Both None: no job did, or its record is not there.
    """
    path = Path(path)
    if place(path) is None:
        return None, None
    for folder in path.parents:
        record = folder / RECORD
        digest = outputs(record).get(path.relative_to(folder).as_posix())
        if digest:
            return folder, digest
        if is_artifact(folder.parent.name, folder.name):
            break
    return None, None


def is_artifact(stage, key):
    """Whether a folder of this name below that one is an artifact."""
    return stage in BY_NAME and bool(KEY.fullmatch(key))


def digest_of_input(path):
    """SHA-256 of a file that a job is about to read.

    Raises
    ------
    InputError
        A job wrote it, and it has changed since.
    """
    digest = sha256(path)
    folder, expected = record_of(path)
    if folder is not None and digest != expected:
        raise InputError(
            path,
            f"is not what its job wrote: the SHA-256 in {folder / RECORD} is another",
            "gcamccl verify RUN --repair removes it with all that was made of it; then start snakemake again",
        )
    return digest


def outputs(path):
    """Digest of each file that a record names; nothing where there is none, or it cannot be read."""
    try:
        return read_json(path)["outputs"]
    except (InputError, KeyError, TypeError):
        return {}


def all_of(results, stage, key, broken=None):
    """All records of one artifact, by their folder relative to it.

    Parameters
    ----------
    results : Path
    stage, key : str
    broken : list, optional
        Paths of those that cannot be read are added to it; without it they are an error.

    Raises
    ------
    InputError
        One that is not JSON.
    """
    folder, found = Path(results) / stage / key, {}
    for path in sorted(folder.rglob(RECORD)):
        try:
            found[str(path.parent.relative_to(folder))] = read_json(path)
        except InputError:
            if broken is None:
                raise
            broken.append(path)
    return found
