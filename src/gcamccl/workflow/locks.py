"""Locks of a Snakemake that was killed: it cannot take them back, so the next one does."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, write_json
from gcamccl.workflow.watch import started

LOCKS, OWNERS = "locks", "gcamccl/running"  # below Snakemake's own folder
LOCAL = "local"
# What Snakemake calls the jobs of one of its runs on SLURM: a UUID.
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CANCEL_S = 60
# Options of a Snakemake that does no jobs: it neither locks nor takes over. Short ones may stand together, behind such
# as take no value: -np is a dry run, -call is all cores.
LOOKS_ONLY = re.compile(
    r"-[Fafhkptv]*[nSDl][a-zA-Z]*"
    r"|--(dry-?run|unlock|lint|report|(detailed-)?summary|list.*|lt|.*dag|.*graph.*|cleanup.*|cm|archive|containerize)"
)


def only_looks(words):
    """Whether a Snakemake with these arguments does no jobs."""
    return any(map(LOOKS_ONLY.fullmatch, words))


def register(folder, where=LOCAL):
    """Note that this process works in the folder; returns the note, to be removed at its end.

    Parameters
    ----------
    folder : Path
        Snakemake's own, ``.snakemake``.
    where : str
        Name of the executor: where its jobs run.
    """
    host = socket.gethostname()
    note = Path(folder) / OWNERS / f"{host}-{os.getpid()}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    mark = started(os.getpid())
    write_json(note, {"host": host, "pid": os.getpid(), "user": os.getuid(), "started": mark, "where": where})
    return note


def release_stale(folder):
    """Remove Snakemake's locks if every process that is noted for them ran on this machine and is gone.

    Jobs that a dead one has left in SLURM's queue are cancelled first, as it would have done: they would work in the
    folders in which the next one starts the same jobs. Whoever runs on another machine is taken for alive as long as
    there are locks: from here nobody can know.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str, or None
        Job ids that were cancelled; None: there were no such locks.
    """
    locks, notes = list((Path(folder) / LOCKS).glob("*.lock")), list((Path(folder) / OWNERS).glob("*.json"))
    dead = [note for note in notes if not _alive(note, bool(locks))]
    if not (locks and dead and len(dead) == len(notes)):
        if not locks:
            _remove(dead)
        return None
    remote = [note for note in dead if _read(note).get("where", LOCAL) != LOCAL]
    cancelled = _cancel(Path(folder).resolve().parent) if remote else []
    if cancelled is None:
        return None  # SLURM does not answer, or they do not end: the lock stays
    _remove([*locks, *dead])
    return cancelled


def running(folder):
    """Notes of the Snakemakes of this project that may be at work in the folder whose ``.snakemake`` this is."""
    locked = any((Path(folder) / LOCKS).glob("*.lock"))
    return [note for note in (Path(folder) / OWNERS).glob("*.json") if _alive(note, locked)]


def _remove(paths):
    for path in paths:
        path.unlink(missing_ok=True)


def _read(note):
    """A note; empty where it is gone meanwhile, or was cut off by a full disk."""
    try:
        return read_json(note)
    except InputError:
        return {}


def _alive(note, locked):
    """Whether the process of a note may still run: its number may have gone to another one since."""
    owner = _read(note)
    if not {"host", "pid", "user", "started"} <= {*owner}:
        return False
    if owner["host"] != socket.gethostname():
        return locked
    if owner["user"] != os.getuid():
        return locked  # processes of others may be hidden
    return started(owner["pid"]) == owner["started"]


def _cancel(folder):
    """Cancel one's own jobs in SLURM's queue that Snakemake has started in `folder`; their ids, None: it fails."""
    if not shutil.which("squeue"):
        return []
    words = ["squeue", "--noheader", "--user", str(os.getuid()), "--format", "%i|%j|%Z"]
    found, end = [], time.monotonic() + CANCEL_S
    while time.monotonic() < end:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            return None
        rows = [line.strip().split("|", 2) for line in done.stdout.splitlines()]
        mine = [row[0] for row in rows if len(row) == 3 and RUN_ID.fullmatch(row[1]) and Path(row[2]) == folder]
        if not mine:
            return found
        if not found:
            found = mine
            subprocess.run(["scancel", *mine], capture_output=True, check=False)
        time.sleep(1)
    return None
