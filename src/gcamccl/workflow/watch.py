"""A job ends with the Snakemake that started it, also where that was killed and could not end its jobs."""

import json
import os
import signal
import threading
from functools import cache
from pathlib import Path

import psutil

EVERY_S = 1.0
VARIABLE = "GCAMCCL_SNAKEMAKE"  # of the environment: JSON, the process that starts the jobs
ENDING = threading.Event()  # set by who has been asked to end and is about to: asked again, it would not end well


def announce():
    """Let the jobs that this process will start know it: call it in Snakemake."""
    os.environ[VARIABLE] = json.dumps([namespace(), os.getpid(), started(os.getpid())])


@cache
def end_with_snakemake():
    """Send this process SIGTERM, and end the programs it has started, once the Snakemake that started it is gone.

    Otherwise a job that is left behind would work in the folder in which the next Snakemake starts the same job again.
    Does nothing where no Snakemake has announced itself: a program that is run by hand may outlive its terminal. Nor in
    a container whose process numbers are its own.
    """
    where, pid, mark = json.loads(os.environ.get(VARIABLE, "[null, null, null]"))
    if where == namespace():
        threading.Thread(target=_watch, args=(pid, mark), daemon=True).start()


def _watch(pid, mark):
    """Wait for the end of a process. It may be gone before the job could look, so parents would not tell."""
    while _lives(pid, mark) and not ENDING.wait(EVERY_S):
        continue
    if ENDING.is_set():
        return
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os.kill(os.getpid(), signal.SIGTERM)


def _lives(pid, mark):
    try:
        return started(pid) == mark
    except OSError:  # such as too many open files
        return True


def namespace():
    """Name of that within which process numbers hold: the machine's or a container's."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def started(pid):
    """What tells a process from an earlier one of the same number; None: there is none.

    Not the time of day at which it started: that moves when the clock is set.

    Raises
    ------
    OSError
        The system does not tell.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        if boot.exists():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ended = fields[0] in ("Z", "X")  # and nobody has asked how
            # Field 22 of proc(5), counted from the name's end.
            return None if ended else f"{boot.read_text().strip()} {fields[19]}"
        return str(psutil.Process(pid).create_time())
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None
