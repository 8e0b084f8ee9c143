"""A job ends with the Snakemake that started it, also where that was killed and could not end its jobs."""

import os
import signal
import threading
from pathlib import Path

import psutil

EVERY_S = 1.0
VARIABLE = "GCAMCCL_SNAKEMAKE"  # of the environment: the process that starts the jobs, and when that started


def announce():
    """Let the jobs that this process will start know it: call it in Snakemake."""
    os.environ[VARIABLE] = f"{os.getpid()} {started(os.getpid())}"


def end_with_snakemake():
    """Send this process SIGTERM, and end the programs it has started, once the Snakemake that started it is gone.

    Otherwise a job that is left behind would work in the folder in which the next Snakemake starts the same job again.
    Does nothing where no Snakemake has announced itself: a program that is run by hand may outlive its terminal.
    """
    if VARIABLE in os.environ:
        pid, mark = os.environ[VARIABLE].split(" ", 1)
        threading.Thread(target=_watch, args=(int(pid), mark), daemon=True).start()


def _watch(pid, mark):
    """Wait for the end of a process. It may be gone before the job could look, so parents would not tell."""
    tick = threading.Event()
    while started(pid) == mark:
        tick.wait(EVERY_S)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os.kill(os.getpid(), signal.SIGTERM)


def started(pid):
    """What tells a process from an earlier one of the same number; None: there is none.

    Not the time of day at which it started: that moves when the clock is set.
    """
    boot = Path("/proc/sys/kernel/random/boot_id")
    try:
        if boot.exists():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ended = fields[0] in ("Z", "X")  # and nobody has asked how
            # Field 22 of proc(5), counted from the name's end.
            return None if ended else f"{boot.read_text().strip()} {fields[19]}"
        return str(psutil.Process(pid).create_time())
    except (OSError, psutil.NoSuchProcess):
        return None
