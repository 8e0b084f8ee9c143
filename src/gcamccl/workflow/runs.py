"""Names for runs: links from ``results/runs/<name>`` to the artifacts of one run."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from gcamccl.workflow import records
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, write_json


def link(results, name, keys):
    """Make ``<results>/runs/<name>/<stage>`` point to the artifacts `keys` and ``<results>/latest`` to the run.

    Parameters
    ----------
    results : Path
    name : str
    keys : dict of str to str
        Stage -> artifact key.
    """
    results = Path(results)
    run = results / "runs" / name
    run.mkdir(parents=True, exist_ok=True)
    for old in run.iterdir():
        if old.is_symlink() and old.name not in keys:
            old.unlink()
    for stage, key in keys.items():
        _point(run / stage, Path("..", "..", stage, key))
    _point(results / "latest", Path("runs", name))
    _note(run, keys, complete=True)


def begin(results, name, keys):
    """Note a run that starts, so that `unreferenced` leaves its artifacts alone before it is complete."""
    run = Path(results) / "runs" / name
    run.mkdir(parents=True, exist_ok=True)
    _note(run, keys, complete=False)


def _note(run, keys, complete):
    """Write ``run.json`` unless it says the same already."""
    path = run / "run.json"
    old = read_json(path) if path.exists() else {}
    if old.get("keys") == keys and old.get("complete") == complete:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(path, {"name": run.name, "complete": complete, "keys": keys, "linked": now})


def is_complete(results, keys):
    """Whether the report of a run is there and no artifact of the run is newer than it."""
    report = Path(results) / "report" / keys["report"] / "artifact.json"
    if not report.exists():
        return False
    folders = [Path(results) / stage / key for stage, key in keys.items() if stage != "report"]
    made = report.stat().st_mtime
    return all(path.stat().st_mtime <= made for folder in folders for path in folder.rglob("artifact.json"))


def _point(path, target):
    """Make `path` a link to `target`, at once: there is no moment without it."""
    if path.is_symlink() and path.readlink() == target:
        return
    new = path.with_name(f".{path.name}-{os.getpid()}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(path)


def read(results, name):
    """``run.json`` of a run.

    Raises
    ------
    InputError
        No such run; the known ones are named.
    """
    path = Path(results) / "runs" / name / "run.json"
    if not path.exists():
        names = ", ".join(known(results)) or "none"
        raise InputError(Path(results) / "runs", f"no run {name}", f"known: {names}")
    return read_json(path)


def known(results):
    """Names of all runs, sorted."""
    return sorted(path.parent.name for path in (Path(results) / "runs").glob("*/run.json"))


def differences(results, first, second):
    """What differs between two runs.

    Returns
    -------
    list of tuple of str
        ``(stage, what, in the first, in the second)``: settings by name, inputs and outputs by file.
    """
    one, two = read(results, first)["keys"], read(results, second)["keys"]
    rows = []
    for stage in [*one, *(s for s in two if s not in one)]:
        if one.get(stage) == two.get(stage):
            continue
        if stage not in one or stage not in two:
            rows.append(
                (
                    stage,
                    "stage",
                    "present" if stage in one else "absent",
                    "present" if stage in two else "absent",
                )
            )
            continue
        a, b = records.all_of(results, stage, one[stage]), records.all_of(results, stage, two[stage])
        if a and b:
            left, right = next(iter(a.values())), next(iter(b.values()))
            rows += _compare(stage, "setting ", left["settings"], right["settings"])
            if left["recipe"] and right["recipe"] and left["recipe"]["code"] != right["recipe"]["code"]:
                rows.append((stage, "code", left["recipe"]["code"], right["recipe"]["code"]))
        rows += _compare(stage, "input ", _files(a, "inputs"), _files(b, "inputs"))
        rows += _compare(stage, "result ", _files(a, "outputs"), _files(b, "outputs"))
    return rows


def _files(found, kind):
    """Digest of every input or output of an artifact; inputs made by a stage are named without their key."""
    result = {}
    for folder, record in found.items():
        for name, digest in record[kind].items():
            if kind == "inputs":
                made = records.place(name)  # <stage>/<key>/<file>: not the key, which differs whenever anything does
                name = f"{made[0]}/{made[2]}" if made else "/".join(Path(name).parts[-2:])
            else:
                name = str(Path(folder) / name)
            result[name] = digest[:12]
    return result


def _compare(stage, prefix, left, right):
    """Rows for the entries that differ between two dicts."""
    rows = []
    for name in [*left, *(n for n in right if n not in left)]:
        a, b = left.get(name), right.get(name)
        if a != b:
            texts = ["absent" if v is None else v if isinstance(v, str) else json.dumps(v) for v in (a, b)]
            rows.append((stage, prefix + name, *texts))
    return rows


def unreferenced(results):
    """Artifact folders that no run refers to, with their sizes in bytes.

    A run that was started again with other settings refers to both: to what it is about to make, and, until it is
    complete, to what its links still show.
    """
    results = Path(results)
    used = {(stage, key) for name in known(results) for stage, key in read(results, name)["keys"].items()}
    links = [path for path in results.glob("runs/*/*") if path.is_symlink()]
    used |= {target.parts[-2:] for target in (link.readlink() for link in links)}
    found = []
    for folder in sorted(results.glob("*/*")):
        place = (folder.parent.name, folder.name)
        if folder.is_symlink() or not folder.is_dir() or not records.is_artifact(*place) or place in used:
            continue
        found.append((folder, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and not f.is_symlink())))
    return found


def remove(folders):
    """Delete artifact folders."""
    for folder in folders:
        shutil.rmtree(folder)


MAIN_RESULTS = (
    ("report", "report.html"),
    ("compare", "table3.tsv"),
    ("threshold", "edges.tsv"),
    ("threshold", "snps.tsv"),
    ("enrichment", "high/enrichment.tsv"),
    ("enrichment", "low/enrichment.tsv"),
    ("connectivity", "excluded.tsv"),
    ("genotype_qc", "attrition.tsv"),
)


def where_to_look(results, name):
    """Text that names the report and the main tables of a run."""
    folder = Path(results) / "runs" / name
    found = [folder / stage / file for stage, file in MAIN_RESULTS if (folder / stage / file).exists()]
    state = "is complete" if read(results, name)["complete"] else "is not complete; so far"
    return "\n".join([f"\nRun {name} {state}:", *(f"  {path}" for path in found)])


def failures(results, keys, since):
    """Text that names each failed job of this run: its error line, or that it ended without one, and its log.

    Parameters
    ----------
    results : Path
    keys : dict of str to str
        Stage -> artifact key.
    since : float
        Logs last written before this time (seconds since the epoch) belong to earlier runs.
    """
    rows = []
    for stage, key in keys.items():
        for path in sorted((Path(results) / stage / key).rglob("*log.txt")):
            if path.stat().st_mtime < since:
                continue
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            said = _error_lines(lines)
            if not said and not _has_ended(path, since):
                last = next((line.strip() for line in reversed(lines) if line.strip()), "(nothing)")
                said = [f"ended in the middle: by a signal, for memory or a time limit. Last line of its log: {last}"]
            if said:
                rows.append("\n".join([*("  " + line for line in said), f"    log: {path}"]))
    if not rows:
        return "\nThe run stopped before any job reported an error; see Snakemake's message above."
    return f"\n{len(rows)} job{'s' * (len(rows) > 1)} failed:\n" + "\n".join(rows)


def _has_ended(log, since):
    """Whether what a job writes last is there: a bucket's list, or a record."""
    name = "artifact.json" if log.name == "log.txt" else log.name.replace("_log.txt", ".json")
    made = log.with_name(name)
    return made.exists() and made.stat().st_mtime >= since


def _error_lines(lines):
    """A log's errors, each with the indented lines after it: a job of several people may have one for each."""
    found, within = [], False
    for line in lines:
        within = line.startswith("ERROR: ") or (within and line.startswith("  "))
        found += [line] if within else []
    return found
