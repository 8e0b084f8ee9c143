"""A job ends with the Snakemake that started it, also where that was killed and could not end its jobs."""

import os
import signal
import threading
from pathlib import Path

import psutil

EVERY_S = 1.0


def end_with_snakemake():
    """Send this process SIGTERM, and end the programs it has started, once the Snakemake above it is gone.

    Otherwise a job that is left behind would work in the folder in which the next Snakemake starts the same job again.
    Does nothing where no Snakemake is above: a program that is run by hand may outlive its terminal.
    """
    above = next(filter(_is_snakemake, psutil.Process().parents()), None)
    if above is not None:
        threading.Thread(target=_watch, args=(above,), daemon=True).start()


def _is_snakemake(process):
    """Whether a process was started as ``snakemake``, ``python -m snakemake`` or, by Snakemake itself, by its file."""
    try:
        words = [Path(word) for word in process.cmdline()[:3]]
    except psutil.Error:
        return False
    return any(word.name == "snakemake" or word.parts[-2:] == ("snakemake", "__main__.py") for word in words)


def _watch(above):
    """Wait for the end of `above`."""
    tick = threading.Event()
    while above.is_running():  # psutil compares start times: the number may have gone to another process
        tick.wait(EVERY_S)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os.kill(os.getpid(), signal.SIGTERM)
