"""Running PLINK and other command-line programs, with their own error line when they fail."""

import contextlib
import itertools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil

from gcamccl.workflow.errors import InputError

# Debian's name of PLINK 1.9; bioconda calls it plink.
PLINK = next((name for name in ("plink1.9", "plink") if shutil.which(name)), "plink1.9")
PLINK2 = "plink2"
# A program that has hung must not hold the job for ever: Beagle waits for a thread of its own that died, for example.
POLL_S = 10
BUSY = 0.01  # of one processor; a Java program that waits uses less
STALLED_S = 600
FEW_PEOPLE = 50  # below it PLINK 2 refuses to estimate allele frequencies and linkage disequilibrium


class ToolError(RuntimeError):
    """An external program failed; the message holds the command and the program's own last error line."""


def run(command, log=None, env=None, folder=None, limit_s=None):
    """Run an external program.

    One that uses no processor time for `STALLED_S`, nor waits for a disk, is ended.

    Parameters
    ----------
    command : list of str
    log : Path, optional
        File the program's stdout and stderr go to.
    env : dict, optional
        The whole environment of the program.
    folder : Path, optional
        Folder the program runs in.
    limit_s : float, optional
        Longest time it may take; it is ended then.

    Returns
    -------
    str
        Its output, stdout and stderr together.

    Raises
    ------
    InputError
        The program is not installed.
    ToolError
        It ended with another status than 0, hung, or took too long.
    """
    command = [str(word) for word in command]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    try:
        process = subprocess.Popen(command, **pipes, env=env, cwd=folder)
    except FileNotFoundError:
        raise InputError(command[0], "this program is not installed", "README.md says how to install it") from None
    try:
        output, ended = _wait(process, limit_s)
    except BaseException:
        _end(process)
        raise
    if log:
        Path(log).write_text(output, encoding="utf-8")
    if ended or process.returncode:
        why = ended or f"ended with status {process.returncode}"
        raise ToolError(f"{' '.join(command[:8])} {why}: {last_error(output)}")
    return output


def _wait(process, limit_s):
    """Output of a program, and why it was ended before its time (None: it was not)."""
    idle, waited, before = 0, 0, 0.0
    while True:
        left = POLL_S if limit_s is None else max(0.0, min(POLL_S, limit_s - waited))
        try:
            return process.communicate(timeout=left)[0], None
        except subprocess.TimeoutExpired:
            waited += left
            used, reading = _activity(process.pid)
            idle = 0 if reading or abs(used - before) > BUSY * left else idle + left
            before = used
        if limit_s is not None and waited >= limit_s:
            why = f"was ended after {waited / 60:.0f} minutes, the job's time limit (resources: runtime)"
        elif idle >= STALLED_S:
            why = f"hangs, without processor time for {idle / 60:.0f} minutes, and was ended"
        else:
            continue
        return _end(process), why


def _activity(pid):
    """Processor time in seconds that a process and those it started have used, and whether one waits for a disk."""
    used, reading = 0.0, False
    try:
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return used, reading
    for one in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            used += times.user + times.system + times.children_user + times.children_system
            reading |= one.status() == psutil.STATUS_DISK_SLEEP
    return used, reading


def _end(process):
    """End a program and those it started; returns what it has said."""
    children = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    process.kill()  # first, or a shell would report its killed child as the last thing that was said
    for one in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    try:
        return process.communicate(timeout=POLL_S)[0]
    except subprocess.TimeoutExpired:  # a program of its own that it has let go still holds the pipe
        return ""


def lines(command):
    """Lines of an external program's stdout, as they come; a caller that stops early ends the program.

    Raises
    ------
    InputError, ToolError
        As `run`.
    """
    command = [str(word) for word in command]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, errors="replace")
        except FileNotFoundError:
            raise InputError(command[0], "this program is not installed", "README.md says how to install it") from None
        try:
            for line in process.stdout:
                yield line.rstrip("\n")
            status = process.wait()
        finally:
            process.stdout.close()
            process.terminate()
            process.wait()
        if status:
            errors.seek(0)
            raise ToolError(f"{' '.join(command[:8])} ended with status {status}: {last_error(errors.read())}")


def last_error(text):
    """The last line of a program's output that speaks of an error, with its continuation; else its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for number in range(len(lines) - 1, -1, -1):
        if re.search(r"error|exception|\[E::", lines[number], re.IGNORECASE):
            # PLINK 2 breaks its lines at 80 characters, long paths onto lines of their own.
            said = itertools.takewhile(lambda line: not line.startswith("End time"), lines[number : number + 4])
            return " ".join(said)
    return lines[-1] if lines else "no output"


def plink(*arguments, memory_mb=1000, folder=None):
    """Run PLINK 1.9 with one thread.

    ``--allow-no-sex``: only autosomes are kept, for which sex plays no part.
    """
    return run([PLINK, "--allow-no-sex", "--threads", "1", "--memory", memory_mb, *arguments], folder=folder)


def plink2(*arguments, memory_mb=1000):
    """Run PLINK 2 with one thread.

    ``--bad-freqs`` and ``--bad-ld``: PLINK 2 stops with fewer than `FEW_PEOPLE` people; here who asks says beside the
    result that it is rough, or leaves it out.
    """
    options = ["--threads", "1", "--memory", memory_mb, "--bad-freqs", "--bad-ld"]
    return run([PLINK2, *options, *arguments])


def list_people(path, names):
    """Write a list of people for ``--keep`` or ``--remove`` (family id = individual id); returns its path."""
    Path(path).write_text("".join(f"{name}\t{name}\n" for name in names), encoding="utf-8")
    return path


def version(program, *arguments):
    """First line of what a program says about its version."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return next(iter((done.stdout or done.stderr).splitlines()), None)
