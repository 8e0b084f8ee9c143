"""The participants table: who is in the study and which files exist for them."""

import os
from pathlib import Path

from jsonschema import Draft202012Validator

from gcamccl import bids
from gcamccl.workflow.artifacts import ROOT, digest
from gcamccl.workflow.config import read_yaml
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

SCHEMA = ROOT / "workflow" / "schemas" / "participants.schema.yaml"
SCAN_FILES = ("bold", "t1w", "preproc_bold", "confounds", "timeseries")
ROUTES = {"bold": "raw", "preproc_bold": "fmriprep", "timeseries": "timeseries"}
SHOWN = 20  # errors or people listed before "and N more"


def route(row):
    """How a person's scans enter: ``raw``, ``fmriprep``, ``timeseries``, or None where there are none.

    Parameters
    ----------
    row : dict
        A row of `read_participants`.
    """
    return next((name for column, name in ROUTES.items() if row.get(column)), None)


def scan_key(row):
    """8 hex digits that stand for what preprocess is given of a person: route, files, repetition time.

    They name the person's folder, so that a correction in the participants table never meets an older result. Files
    below the working directory count by their path in it, so that a project can be moved.

    Parameters
    ----------
    row : dict
        A row of `read_participants`.

    Returns
    -------
    str or None
        None where there is no scan.
    """
    if route(row) is None:
        return None
    files = {column: portable(row[column]) for column in SCAN_FILES if row.get(column)}
    return digest([route(row), row.get("repetition_time"), files])[:8]


def portable(path):
    """`path` relative to the working directory where it lies below it, else absolute; str."""
    here, path = Path.cwd().resolve(), Path(path).resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def require_events(events, where):
    """Stop if somebody whose task is to be regressed out has no events.

    Parameters
    ----------
    events : dict of str to (str or None)
        participant_id -> events table, of everybody with a scan.
    where : str or Path
        The participants table.

    Raises
    ------
    InputError
        Lists who has none.
    """
    without = [name for name, path in events.items() if not path]
    if without:
        more = f" and {len(without) - SHOWN} more" if len(without) > SHOWN else ""
        raise InputError(
            where,
            f"connectivity.task_regressors needs events of everybody with a scan; {len(without)} of {len(events)} "
            f"have none: {', '.join(without[:SHOWN])}{more}",
            "name their tables in the column events, or set task_regressors to none",
        )


def scan_file(row):
    """The file that a person's ROI time series come from; None where there is no scan."""
    return next((row[column] for column in ROUTES if row.get(column)), None)


def scan_inputs(row, simulated=False):
    """Files that preprocess reads of a person.

    Parameters
    ----------
    row : dict
        A row of `read_participants`.
    simulated : bool
        Whether the scans are simulated: then the one sidecar of a scan is still to be made.

    Returns
    -------
    dict
        File by column of the participants table; ``sidecars``: list of the JSON files that describe the scan.
    """
    files = {column: row[column] for column in SCAN_FILES if row.get(column)}
    scan = files.get("bold") or files.get("preproc_bold")
    if scan:
        files["sidecars"] = [str(path) for path in ([bids.sidecar(scan)] if simulated else bids.sidecars(scan))]
    return files


def scan_stem(row):
    """Beginning of the names of a person's preprocess files (`gcamccl.bids.stem`); None where there is no scan."""
    return scan_file(row) and bids.stem(row["participant_id"], scan_file(row))


def scan_folder(row):
    """A person's folder in the preprocess artifact, ``<participant_id>/<scan key>``; None where there is no scan."""
    key = scan_key(row)
    return key and f"{row['participant_id']}/{key}"


def read_participants(path, score="score", check_files=True):
    """Read and check a participants table.

    Parameters
    ----------
    path : str or Path
        TSV with columns of ``workflow/schemas/participants.schema.yaml``; only ``participant_id`` and the score column
        are required. Missing: ``n/a`` or empty.
    score : str
        Name of the score column; it is returned as ``score``.
    check_files : bool
        Whether every file named must exist.

    Returns
    -------
    list of dict
        One a person, keys as in the schema; missing values are None, numbers are float, file names are absolute.

    Raises
    ------
    InputError
        Lists the errors found, each with its line.
    """
    path = Path(path)
    schema = read_yaml(SCHEMA)
    columns, validator = schema["properties"], Draft202012Validator(schema)
    table = read_tsv(path, columns=("participant_id", score), dtype=str)
    unknown = [column for column in table.columns if column not in columns and column != score]
    lines = [f"unknown column {column}; known: {', '.join(columns)}" for column in unknown]
    rows, first, genotyped = [], {}, {}
    for number, values in enumerate(table.to_dict("records"), start=2):
        row = dict.fromkeys(columns)
        for column, value in values.items():
            name = "score" if column == score else column
            if isinstance(value, str) and value.strip() and name in columns:
                row[name] = _number(value.strip()) if "number" in _types(schema, name) else value.strip()
        wrong = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(row)]
        wrong += _across(
            row, path.parent, [c for c in columns if columns[c].get("$ref") == "#/$defs/file"], check_files
        )
        name = row["participant_id"]
        if name is not None and first.setdefault(name, number) != number:
            wrong.append(f"participant_id {name} is already on line {first[name]}")
        sample = row["genotype_id"]
        if sample is not None and genotyped.setdefault(sample, number) != number:
            wrong.append(f"genotype_id {sample} is already on line {genotyped[sample]}")
        lines += [f"line {number}: {text}" for text in wrong]
        rows.append(row)
    if not rows:
        lines.append("no participants")
    if lines:
        shown = lines[:SHOWN] + ([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])
        count = f"{len(lines)} error" + "s" * (len(lines) > 1)
        raise InputError(path, f"{count} in the participants table\n  " + "\n  ".join(shown))
    return rows


def _types(schema, column):
    """Types the schema allows for a column."""
    entry = schema["properties"][column]
    return schema["$defs"][entry["$ref"].rsplit("/", 1)[1]]["type"] if "$ref" in entry else entry.get("type", ())


def _number(text):
    """`text` as a float where it is a finite one, else unchanged: the schema then says what is wrong."""
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < float("inf") else text


def _across(row, folder, files, check_files):
    """Errors that tie several columns together; makes file names absolute in place."""
    wrong = []
    for column in files:
        if row[column] is not None:
            # A file that is a link keeps its name, which holds its BIDS entities (DataLad keeps content elsewhere).
            row[column] = os.path.normpath(folder.resolve() / row[column])
            if check_files and not Path(row[column]).is_file():
                wrong.append(f"{column}: no such file {row[column]}")
    ways = [column for column in ROUTES if row[column]]
    if len(ways) > 1:
        wrong.append(f"{' and '.join(ways)} are both given; keep the one to use")
    if row["t1w"] and not row["bold"]:
        wrong.append("t1w without bold")
    if row["timeseries"] and row["repetition_time"] is None:
        wrong.append("timeseries needs repetition_time")
    if row["preproc_bold"] and not row["confounds"]:
        wrong.append("preproc_bold needs confounds")
    if row["confounds"] and not (row["preproc_bold"] or row["timeseries"]):
        wrong.append("confounds without preproc_bold or timeseries")
    if row["events"] and not ways:
        wrong.append("events without a scan")
    return wrong
