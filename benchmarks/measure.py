"""CPU seconds, wall-clock seconds and peak memory of a program and everything it starts."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Cost:
    """What a program took: CPU s, wall-clock s, and the largest sum (MB) of its and its children's resident memory."""

    cpu_s: float
    wall_s: float
    peak_mb: float
    output: str


def run(command, **environment):
    """Run a program with the project on Python's path and measure it.

    Its memory is looked at twenty times a second, children included; pages that processes share count in each.

    Parameters
    ----------
    command : sequence
        Program and arguments.
    **environment : str
        More variables of its environment.

    Returns
    -------
    Cost
        With its standard output.
    """
    import psutil

    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **environment}
    before, started, peak = os.times(), time.perf_counter(), 0
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=environment)
    watched = psutil.Process(process.pid)
    while True:  # until its output has been read to the end, which may be after it was seen to have ended
        peak = max(peak, _resident(watched))
        try:
            output, _ = process.communicate(timeout=LOOK_EVERY_S)
            break
        except subprocess.TimeoutExpired:
            continue
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(cpu, time.perf_counter() - started, peak / 2**20, output)


def _resident(process):
    import psutil

    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass
    return total
