"""Are a run's artifacts what their jobs wrote? Every file is read again and compared with its record.

A job's folder without a record is only seen where a whole stage has none: which jobs there should be, the run does not
say.
"""

from dataclasses import dataclass
from pathlib import Path

from gcamccl.workflow import artifacts, runs
from gcamccl.workflow.files import sha256

MISSING, CHANGED, NO_RECORD, OTHER_KEY = "missing", "changed", "no record", "made for another key"


@dataclass(frozen=True)
class Fault:
    """A file that is not what its record says.

    Attributes
    ----------
    path : Path
    what : str
        `MISSING`, `CHANGED`, `NO_RECORD` (a stage without any ``artifact.json``) or `OTHER_KEY`.
    """

    path: Path
    what: str


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
        No such run, or a record that is not JSON.
    """
    n_files = n_bytes = 0
    faults = []
    for stage, key in runs.read(results, name)["keys"].items():
        folder = Path(results) / stage / key
        found = runs.records(results, stage, key)
        if not found:
            faults.append(Fault(folder, NO_RECORD))
        before = n_files
        for place, record in found.items():
            recipe = record.get("recipe")
            if recipe is not None and artifacts.digest(recipe) != key:
                faults.append(Fault(folder / place / "artifact.json", OTHER_KEY))
            for output, digest in record["outputs"].items():
                path = folder / place / output
                n_files += 1
                if not path.is_file():
                    faults.append(Fault(path, MISSING))
                    continue
                n_bytes += path.stat().st_size
                if sha256(path) != digest:
                    faults.append(Fault(path, CHANGED))
        say(f"{stage:<14}{key}  {n_files - before} files")
    return n_files, n_bytes, faults
