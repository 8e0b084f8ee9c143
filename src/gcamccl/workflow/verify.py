"""Are a run's artifacts what their jobs wrote? Every file is read again and compared with its record.

Which jobs a stage should have, the stages after it know: every file of an artifact that a job read must be there, with
a record, and still be what that job read.
"""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from gcamccl.workflow import artifacts, locks, records, runs
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import sha256
from gcamccl.workflow.stages import BY_NAME

MISSING, CHANGED, NO_RECORD, OTHER_KEY = "missing", "changed", "no record", "made for another key"
BROKEN = "a record that cannot be read"
OTHER = "made again with another result than what was made of it"


@dataclass(frozen=True)
class Fault:
    """A file that is not what a record says.

    Attributes
    ----------
    path : Path
    what : str
        `MISSING`, `CHANGED`, `NO_RECORD` (of a whole stage, or of a job that a later one read from), `BROKEN`,
        `OTHER_KEY` or `OTHER`.
    stage : str
    job : Path
        Folder of the job that wrote it.
    """

    path: Path
    what: str
    stage: str
    job: Path


def verify(results, name, say=lambda text: None):
    """Read every output of a run's artifacts again.

    Parameters
    ----------
    results : Path
    name : str
        Of the run.
    say : callable
        Takes a line of progress, one a stage.

    Returns
    -------
    n_files, n_bytes : int
        Looked at.
    faults : list of Fault

    Raises
    ------
    InputError
        No such run.
    """
    results, keys = Path(results), runs.read(results, name)["keys"]
    n_files = n_bytes = 0
    faults, known, read = [], {}, {}
    for stage, key in keys.items():
        folder = results / stage / key
        broken = []
        found = records.all_of(results, stage, key, broken)
        faults += [Fault(path, BROKEN, stage, path.parent) for path in broken]
        if not found and not broken:
            faults.append(Fault(folder, NO_RECORD, stage, folder))
        before = n_files
        for job, record in ((folder / place, record) for place, record in found.items()):
            recipe = record.get("recipe")
            if recipe is not None and artifacts.digest(recipe) != key:
                faults.append(Fault(job / records.RECORD, OTHER_KEY, stage, job))
            for output, digest in record["outputs"].items():
                path = job / output
                known[path] = digest
                n_files += 1
                if not path.is_file():
                    faults.append(Fault(path, MISSING, stage, job))
                    continue
                n_bytes += path.stat().st_size
                if sha256(path) != digest:
                    faults.append(Fault(path, CHANGED, stage, job))
            read |= dict.fromkeys(record["inputs"].items(), stage)
        say(f"{stage:<14}{key}  {n_files - before} files")
    return n_files, n_bytes, faults + _unlike(results, keys, known, read)


def _unlike(results, keys, known, read):
    """Faults of files that later jobs read: not there, or not what they were then."""
    faults = {}
    for file, digest in read:
        made = records.place(file)
        if made is None or keys.get(made[0]) != made[1] or made[2].endswith(records.RECORD):
            continue  # records hold times: theirs are no results
        stage, key, below = made
        path = results / stage / key / below
        if path not in known:
            faults[path] = Fault(path, NO_RECORD, stage, path.parent)
        elif known[path] != digest:
            faults[path] = Fault(path, OTHER, stage, path.parent)
    return list(faults.values())


def repair(results, name, faults):
    """Remove the jobs' files that are not right, and all that was made of them, so that Snakemake makes them again.

    Whatever was made of a faulty artifact goes, of other runs and of earlier settings too, since Snakemake looks no
    further back than to the last files that are there; of the artifact itself only the jobs at fault.

    Parameters
    ----------
    results : Path
    name : str
        Of the run.
    faults : list of Fault
        As from `verify`.

    Returns
    -------
    list of Path
        Folders removed, or cleared of a job's files.

    Raises
    ------
    InputError
        Snakemake is at work beside it.
    """
    results = Path(results)
    if notes := locks.running(results.parent / ".snakemake"):
        raise InputError(results, "Snakemake is at work here", f"wait for its end; if it is not, remove {notes[0]}")
    keys = runs.read(results, name)["keys"]
    after = _made_of(results, {(fault.stage, keys[fault.stage]) for fault in faults})
    for other in runs.known(results):
        own = runs.read(results, other)["keys"]
        # Before the files: from here on these runs are not complete, whatever happens.
        if other == name or {*own.items()} & after:
            runs.begin(results, other, own)
    removed = [results / stage / key for stage, key in after]
    for stage in {fault.stage for fault in faults if (fault.stage, keys[fault.stage]) not in after}:
        removed += _clear(results / stage / keys[stage], [f for f in faults if f.stage == stage and f.what != OTHER])
    for stage, key in after:
        shutil.rmtree(results / stage / key, ignore_errors=True)
    return sorted(set(removed))


def _clear(artifact, faults):
    """Remove the files of the jobs at fault, and of the artifact's jobs that have read them; returns their folders.

    A job's files go together, and the lists that say that jobs of several people are done.
    """
    found = records.all_of(artifact.parents[1], artifact.parent.name, artifact.name, broken=[])
    jobs = {artifact / place: record for place, record in found.items()}
    cleared, todo = set(), {fault.job for fault in faults}
    # What a job wrote whose record is lost only its folder says.
    files = {fault.job if fault.what == BROKEN else fault.path for fault in faults}
    while todo:
        cleared |= todo
        files |= {job / name for job in todo for name in (*jobs.get(job, {}).get("outputs", ()), records.RECORD)}
        gone = {path.relative_to(artifact).as_posix() for path in files}
        read = {job: {(records.place(name) or ("", "", ""))[1:] for name in jobs[job]["inputs"]} for job in jobs}
        todo = {job for job in jobs if any((artifact.name, name) in read[job] for name in gone)} - cleared
    lists = (artifact / "jobs").glob("*.json") if faults else ()
    there = [job for job in cleared if job.exists()]
    for path in (*files, *lists):
        if path.is_dir():
            shutil.rmtree(path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
    return there


def _made_of(results, faulty):
    """Artifacts, as (stage, key), that were made of any of `faulty`, at first hand or further on, by their recipes."""
    upstream = {}
    for folder in results.glob("*/*"):
        if folder.parent.name in BY_NAME and not folder.is_symlink():
            found = records.all_of(results, folder.parent.name, folder.name, broken=[]).values()
            recipe = next((record["recipe"] for record in found if record.get("recipe")), None)
            upstream[folder.parent.name, folder.name] = {*recipe["upstream"].items()} if recipe else set()
    found = set()
    while more := {one for one, above in upstream.items() if above & (faulty | found)} - found:
        found |= more
    return found
