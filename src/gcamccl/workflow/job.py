"""What every program in ``workflow/scripts`` shares: arguments, key check, provenance, error lines."""

import argparse
import atexit
import contextlib
import fcntl
import gc
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from gcamccl.workflow import artifacts, records, watch
from gcamccl.workflow.config import stage_defaults
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import sha256, write_json

PARTIAL = ".partial-"
SURVIVING = ".checkpoint"
# s; a job whose Snakemake was killed ends at once, or, in preprocess, at the end of a step of the registration.
WAIT_S = 120
LOOK_EVERY_S = 0.5
PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "torch",
    "scikit-learn",
    "nilearn",
    "nibabel",
    "antspyx",
    "gseapy",
    "snakemake",
)


def parser(stage, description, example):
    """Argument parser with the arguments common to all programs of `stage`.

    Parameters
    ----------
    stage : str
        Name in `gcamccl.workflow.stages`.
    description, example : str
        Shown by ``--help``.
    """
    result = argparse.ArgumentParser(
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.set_defaults(stage=stage)
    common = result.add_argument_group("common to all stages")
    common.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder the results are written to")
    common.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="YAML or JSON with settings of this stage; others as in config/config.yaml",
    )
    common.add_argument("--recipe", metavar="JSON", help="given by the workflow: settings and key of this artifact")
    # At its end Python looks several times for cycles among all that was imported, which the system frees anyway: half
    # a second of each job.
    atexit.register(gc.freeze)
    return result


def positive_integer(word):
    """A number from 1, as an argument's ``type``."""
    if not (word.isdecimal() and int(word) > 0):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1")
    return int(word)


class Job:
    """One running program: its settings, its folder, what it read and wrote.

    Attributes
    ----------
    settings : dict
        The stage's config section, every key filled in.
    out : Path
        Folder the results end up in. Until the program ends without error they are in a hidden folder inside it.
    scratch : Path
        Folder for intermediate files, removed at the end.
    facts : dict
        More entries for ``artifact.json``, e.g. ``seed``, ``device``, versions of external programs.
    """

    def __init__(self, args, cpu_before=0.0):
        self.stage, self.out, self.cpu_before = args.stage, Path(args.out), cpu_before
        self.recipe = json.loads(args.recipe) if args.recipe else None
        if self.recipe:
            watch.end_with_snakemake()
            artifacts.check_recipe(self.recipe, self.out)
            self.settings = self.recipe["settings"]
        else:
            self.settings = stage_defaults(self.stage, args.settings)
        self.out.mkdir(parents=True, exist_ok=True)
        self.alone = _alone_in(self.out)
        for left in self.out.glob(f"{PARTIAL}*"):  # of a job that was killed
            shutil.rmtree(left, ignore_errors=True)
        self.staging = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=self.out))
        self.scratch = self.staging / "scratch"
        self.scratch.mkdir()
        self.inputs, self.outputs, self.facts = {}, [], {}
        self.started, self.clock = datetime.now(UTC), time.monotonic()

    def reads(self, *paths):
        """Note input files for the record (a PLINK prefix counts as its three files); returns the first as a Path.

        Raises
        ------
        InputError
            No such file; or one that a stage wrote is no longer what that stage wrote.
        """
        for path in map(Path, paths):
            triple = [path.with_name(path.name + suffix) for suffix in (".bed", ".bim", ".fam")]
            files = triple if not path.exists() and all(f.exists() for f in triple) else [path]
            for file in files:
                if not file.exists():
                    raise InputError(file, "no such file")
                self.inputs[str(file)] = records.digest_of_input(file)
        return Path(paths[0]) if paths else None

    def path(self, name):
        """Path to write the output `name` to; it is moved to its place when the program has succeeded."""
        path = self.staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.outputs.append(Path(name))
        return path

    def prefix(self, name):
        """Prefix for a PLINK fileset ``.bed``, ``.bim``, ``.fam`` that is an output."""
        for suffix in (".bed", ".bim", ".fam"):
            self.path(name + suffix)
        return self.staging / name

    @property
    def checkpoint(self):
        """Folder, made by who writes to it, that outlives a killed job and is there for the next one; a job that
        succeeds removes it. Not declared to Snakemake, which would delete it with the outputs of a failed job."""
        return self.out / SURVIVING

    def finish(self):
        """Write ``artifact.json`` and move all outputs to their places."""
        for name in self.outputs:
            if not (self.staging / name).is_file():
                raise FileNotFoundError(f"{self.stage} did not write its output {name}")
        self.write_record()
        umask = os.umask(0)
        os.umask(umask)
        for name in [*self.outputs, Path("artifact.json")]:
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.staging / name).chmod(0o666 & ~umask)  # some libraries write files that only their owner may read
            (self.staging / name).replace(self.out / name)
        shutil.rmtree(self.checkpoint, ignore_errors=True)

    def say(self, text):
        """One line of progress, with the seconds since the start."""
        print(f"[{time.monotonic() - self.clock:7.1f} s] {text}", flush=True)

    def write_record(self):
        """Write ``artifact.json``: recipe, inputs and outputs with digests, versions, device, time, memory."""
        versions = {"python": platform.python_version()}
        for package in PACKAGES:
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions[package] = metadata.version(package)
        write_json(
            self.staging / "artifact.json",
            {
                "stage": self.stage,
                "key": artifacts.digest(self.recipe) if self.recipe else None,
                "recipe": self.recipe,
                "settings": self.settings,
                "inputs": self.inputs,
                "outputs": {str(name): sha256(self.staging / name) for name in self.outputs},
                "git": git_state(),
                "versions": versions,
                "device": "cpu",
                **self.facts,
                "started": self.started.isoformat(timespec="seconds"),
                "ended": datetime.now(UTC).isoformat(timespec="seconds"),
                "cpu_seconds": round(cpu_seconds() - self.cpu_before, 2),
                "peak_rss_mb": round(max(usage.ru_maxrss for usage in _usage()) / 1024, 1),
            },
        )


def _alone_in(folder):
    """Keep other jobs out of a folder; wait for one that is there, which may be about to end with its Snakemake.

    Snakemake's own locks do not last: one that ends takes those of all others in the project along. The system gives
    this one back however the process ends.

    Returns
    -------
    int
        Descriptor; once it is closed another job may begin.

    Raises
    ------
    InputError
        Another job is still there after `WAIT_S`.
    """
    handle, end, told = os.open(folder, os.O_RDONLY), time.monotonic() + WAIT_S, False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            if time.monotonic() > end:
                os.close(handle)
                todo = "wait until the other snakemake has ended, or end it"
                raise InputError(folder, "another job is at work here", todo) from None
        except OSError:  # a file system that knows no locks, or none of folders
            return handle
        if not told:
            print(f"{folder}: waiting for another job that is at work here", flush=True)
            told = True
        time.sleep(LOOK_EVERY_S)


def _usage():
    """What this process and the programs that it started and that have ended have used."""
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def cpu_seconds():
    """Processor time of this process so far, with the programs that it started."""
    return sum(usage.ru_utime + usage.ru_stime for usage in _usage())


def git_state():
    """Commit of the project's code and whether the working tree differs from it; nulls outside a checkout."""

    def ask(*words):
        done = subprocess.run(["git", "-C", str(artifacts.ROOT), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit = ask("rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(ask("status", "--porcelain")) if commit else None}
    except FileNotFoundError:
        return {"commit": None, "dirty": None}


@contextlib.contextmanager
def errors_as_lines(what):
    """Turn exceptions into what a person, or the workflow's summary, reads, and into an exit status.

    An `InputError` becomes one line ``ERROR: ...`` on stderr and exit status 2; any other exception prints its
    traceback, then one ``ERROR:`` line that says at `what` it happened, and exits with status 1.
    """
    try:
        yield
    except InputError as error:
        print(f"ERROR: {error}", file=sys.stderr, flush=True)
        sys.exit(2)
    except Exception as error:
        traceback.print_exc()
        print(f"ERROR: {what}: {type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr, flush=True)
        sys.exit(1)


@contextlib.contextmanager
def run(args, what=None, cpu_before=0.0):
    """Run a program's body as a job, with `errors_as_lines`.

    Yields a `Job`. Outputs appear in their folder, all together, only when the body has ended without error.

    Parameters
    ----------
    args : argparse.Namespace
        Of `parser`.
    what : str, optional
        What is done, for an unforeseen error; default: the stage's name.
    cpu_before : float
        Processor time (s) that this process had used for other things, which the record leaves out.
    """
    job = None
    with errors_as_lines(what or args.stage):
        try:
            job = Job(args, cpu_before)
            yield job
            job.finish()
        finally:
            if job:
                shutil.rmtree(job.staging, ignore_errors=True)
                os.close(job.alone)


def limit_threads(count):
    """Set the number of threads of every numeric library of this process; call before importing them."""
    for name in (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
    ):
        os.environ[name] = str(count)
