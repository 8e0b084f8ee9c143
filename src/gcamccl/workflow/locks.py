"""Locks of a Snakemake that was killed: it cannot take them back, so the next one does."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, write_json
from gcamccl.workflow.watch import namespace, started

LOCKS, OWNERS = "locks", "gcamccl/running"  # below Snakemake's own folder
LOCAL, SLURM = "local", "slurm"
# What Snakemake calls the jobs of one of its runs on SLURM: a UUID.
RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CANCEL_S = 60
# Options of a Snakemake that does no jobs: it neither locks nor takes over. Short ones may stand together, behind such
# as take no value: -np and -nj4 are dry runs, -call is all cores.
LOOKS_ONLY = re.compile(
    r"-[Fafhkptv]*[nSDl]\w*|--(dry-?run|unlock|lint|report|(detailed-)?summary|list.*|l[tcipu]|dag|d3dag|.*graph.*"
    r"|cleanup.*|cm|archive|containerize)"
)


def only_looks(words):
    """Whether a Snakemake with these arguments does no jobs."""
    return any(map(LOOKS_ONLY.fullmatch, words))


def take_over(folder):
    """Clear away what killed Snakemakes have left, and note that this process works in the folder.

    Parameters
    ----------
    folder : Path
        Snakemake's own, ``.snakemake``.

    Returns
    -------
    note : Path
        To be removed at this process's end.
    done : list of str
        Sentences for whoever started this process.
    """
    owners = Path(folder) / OWNERS
    owners.mkdir(parents=True, exist_ok=True)
    # One at a time: a lock that is made while another one looks for stale ones would be taken for one of them.
    with (owners.parent / "lock").open("a") as file:
        with contextlib.suppress(OSError):  # a file system that knows no locks
            fcntl.flock(file, fcntl.LOCK_EX)
        done = release_stale(folder)
        return register(folder), done


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
    known = {"host": host, "pid": os.getpid(), "user": os.getuid(), "where": where}
    write_json(note, known | {"namespace": namespace(), "started": started(os.getpid())})
    return note


def release_stale(folder):
    """Remove Snakemake's locks if every process that is noted for them ran on this machine and is gone.

    Jobs that a dead one has left in SLURM's queue are cancelled first, as it would have done, also where its lock has
    gone otherwise: they would work in the folders in which the next one starts the same jobs. Whoever runs on another
    machine is taken for alive as long as there are locks: from here nobody can know.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of str
        What was done, and what could not be, in sentences; empty: there was nothing to do.
    """
    locks, notes = list((Path(folder) / LOCKS).glob("*.lock")), _notes(folder)
    dead = [note for note in notes if not _alive(note, bool(locks))]
    if not dead or len(dead) < len(notes):
        return []
    # Of a machine where it may yet live only the note goes.
    owners = [owner for owner in map(_read, dead) if owner.get("host") == socket.gethostname()]
    places = {owner.get("where", LOCAL) for owner in owners} - {LOCAL}
    cancelled = _cancel(Path(folder).resolve().parent) if SLURM in places else []
    if cancelled is None or (locks and places - {SLURM}):
        return [
            f"The last run here was killed, and whether its jobs still run ({', '.join(sorted(places))}) cannot be"
            " found out from here: end them, then snakemake --unlock"
        ]
    _remove([*locks, *dead])
    done = ["The last run here was killed: its lock is released."] if locks else []
    return done + ([f"Its jobs are cancelled: {' '.join(cancelled)}"] if cancelled else [])


def running(folder):
    """Notes of the Snakemakes of this project that may be at work in the folder whose ``.snakemake`` this is."""
    locked = any((Path(folder) / LOCKS).glob("*.lock"))
    return [note for note in _notes(folder) if _alive(note, locked)]


def _notes(folder):
    """Without those that are being written."""
    return [note for note in (Path(folder) / OWNERS).glob("*.json") if not note.name.startswith(".")]


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
    if owner.get("namespace", namespace()) != namespace():
        return locked  # in a container: numbers mean other processes there
    try:
        return started(owner["pid"]) == owner["started"]
    except OSError:
        return locked


def _cancel(folder):
    """Cancel one's own jobs in SLURM's queue that Snakemake has started in `folder`; their ids, None: it fails, or
    there is no SLURM in this shell."""
    if not shutil.which("squeue"):
        return None
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
