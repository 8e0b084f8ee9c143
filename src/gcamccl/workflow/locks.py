"""Locks of a Snakemake that was killed: it cannot take them back, so the next one does."""

import os
import socket
from pathlib import Path

import psutil

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, write_json

LOCKS, OWNERS = "locks", "gcamccl/running"  # below Snakemake's own folder


def register(folder):
    """Note that this process works in the folder; returns the note, to be removed at its end.

    Parameters
    ----------
    folder : Path
        Snakemake's own, ``.snakemake``.
    """
    host = socket.gethostname()
    note = Path(folder) / OWNERS / f"{host}-{os.getpid()}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, {"host": host, "pid": os.getpid(), "started": psutil.Process().create_time()})
    return note


def release_stale(folder):
    """Remove Snakemake's locks if every process that is noted for them ran on this machine and is gone.

    Whoever runs on another machine is taken for alive: from here nobody can know.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
        Whether there were such locks.
    """
    locks, notes = list((Path(folder) / LOCKS).glob("*.lock")), list((Path(folder) / OWNERS).glob("*.json"))
    dead = [note for note in notes if not _alive(note)]
    stale = bool(locks and dead and len(dead) == len(notes))
    for path in [*dead, *(locks if stale else [])]:
        path.unlink(missing_ok=True)
    return stale


def running(folder):
    """Whether a Snakemake of this project may be at work in the folder whose ``.snakemake`` this is."""
    return any(_alive(note) for note in (Path(folder) / OWNERS).glob("*.json"))


def _alive(note):
    """Whether the process of a note may still run: its number may have gone to another one since."""
    try:
        owner = read_json(note)
    except InputError:  # gone meanwhile, or cut off by a full disk: nobody's
        return False
    if owner["host"] != socket.gethostname():
        return True
    try:
        return abs(psutil.Process(owner["pid"]).create_time() - owner["started"]) < 1
    except psutil.NoSuchProcess:
        return False
