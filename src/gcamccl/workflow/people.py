"""Programs that work on several people, one after the other, each as a job of its own with its own record."""

import argparse
import json
import sys
from pathlib import Path

from gcamccl.workflow import job
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, sha256, write_json
from gcamccl.workflow.study import SCAN_FILES, read_participants, route, scan_folder, scan_inputs


def one_after_the_other(args, work, beside=lambda settings: ()):
    """Do `work` for each person whose results are not there, then write the list that says that all are.

    What is done stays, whatever happens to the next: a job that was killed goes on with the person it was at. Somebody
    whose files cannot be used is an error at the end, when the others are done.

    Parameters
    ----------
    args : argparse.Namespace
        Of a program with the arguments ``participants``, ``score``, ``people`` and ``list`` beside the common ones.
    work : callable
        Takes the person's `gcamccl.workflow.job.Job`, row of the participants table, route and files by column.
    beside : callable
        Takes the settings; returns files that every job reads and the key already holds.
    """
    with job.errors_as_lines(args.stage):
        rows = _rows(args)
        statuses, used = [], 0.0
        for number, row in enumerate(rows, start=1):
            folder, who = scan_folder(row), f"{row['participant_id']} ({number} of {len(rows)})"
            one = argparse.Namespace(**vars(args) | {"out": args.out / folder})
            if is_current(one.out, args.recipe, [*_flat(scan_inputs(row))], beside):
                print(f"{who}: done before", flush=True)
                continue
            print(who, flush=True)
            try:
                with job.run(one, f"{args.stage} of {row['participant_id']}", used) as run:
                    work(run, row, route(row), {kind: row[kind] for kind in SCAN_FILES if row.get(kind)})
            except SystemExit as error:
                statuses.append(error.code)
            used = job.cpu_seconds()
        if statuses:
            print(f"{len(statuses)} of {len(rows)} people failed; the others are done", flush=True)
            sys.exit(min(statuses))  # 1, an error of the program, is worse than 2, one of the input
        args.list.parent.mkdir(parents=True, exist_ok=True)
        # With what their results are: to Snakemake a list that reads the same is no news to the stages after.
        records = {scan_folder(row): read_json(args.out / scan_folder(row) / "artifact.json") for row in rows}
        write_json(args.list, {"folders": {folder: record["outputs"] for folder, record in records.items()}})


def _rows(args):
    """Rows of the chosen people, in their order."""
    known = {row["participant_id"]: row for row in read_participants(args.participants, args.score, check_files=False)}
    chosen = []
    for name in args.people:
        row = known.get(name.split("/")[0])
        if row is None:
            raise InputError(args.participants, f"nobody is called {name.split('/')[0]}", "see its participant_id")
        if not route(row):
            raise InputError(
                args.participants, f"{row['participant_id']} has no scan", "name its files, or leave it out"
            )
        if "/" in name and scan_folder(row) != name:
            raise InputError(
                args.participants,
                f"the line of {row['participant_id']} changed after the workflow was planned",
                "start snakemake again",
            )
        chosen.append(row)
    return chosen


def is_current(folder, recipe, inputs, beside=lambda settings: ()):
    """Whether a job's results are there, whole, and of these files as they are now.

    Parameters
    ----------
    folder : Path
        The job's.
    recipe : str or None
        As given to the program, JSON; None: without the workflow nothing says that results are right, so never.
    inputs : list of str
        Files that the job would read, all of which are read again.
    beside : callable
        As of `one_after_the_other`.

    Returns
    -------
    bool
    """
    path = Path(folder) / "artifact.json"
    if recipe is None or not path.is_file():
        return False
    try:
        record = read_json(path)
        kept, outputs = record["inputs"], record["outputs"].items()
    except (InputError, KeyError, TypeError):
        return False  # cut off, or edited
    others = {Path(name).name for name in beside(json.loads(recipe)["settings"])}
    known = {(Path(name).name, digest) for name, digest in kept.items() if Path(name).name not in others}
    # By content, not by time: a copy may be older than what it replaces, and clocks differ. One file less counts, too.
    if not all(Path(name).is_file() for name in inputs) or {(Path(n).name, sha256(n)) for n in inputs} != known:
        return False
    return all((path.parent / name).is_file() and sha256(path.parent / name) == digest for name, digest in outputs)


def _flat(files):
    """Names of `scan_inputs`, one by one."""
    for name in files.values():
        yield from name if isinstance(name, list) else [name]
