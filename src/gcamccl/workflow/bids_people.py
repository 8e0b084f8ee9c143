"""People and their values in the tables of a BIDS dataset: ``participants.tsv`` and phenotype tables."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from jsonschema import Draft202012Validator

from gcamccl.workflow.bids_scans import ABSENT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

TAKEN = ("age", "sex", "site", "family_id")  # taken where BIDS' participants.tsv has them under these names
SEX = {"m": "M", "male": "M", "f": "F", "female": "F"}
PARTICIPANT = re.compile(r"^sub-[A-Za-z0-9]+$")
SHOWN = 10  # people named before "and N more"


@dataclass(frozen=True)
class Table:
    """A table with one row a person.

    Attributes
    ----------
    path : Path
    columns : list of str
    rows : dict of str to (int, dict)
        By ``participant_id`` with ``sub-``: line in the file and values as text; missing ones are left out.
    """

    path: Path
    columns: list
    rows: dict


def names(people):
    """A list of people for a message."""
    people = list(people)
    return ", ".join(people[:SHOWN]) + (f" and {len(people) - SHOWN} more" if len(people) > SHOWN else "")


def read_table(path, session=None):
    """Read a table of people.

    Parameters
    ----------
    path : str or Path
        TSV with a column ``participant_id``.
    session : str, optional
        Where the table has a column ``session_id``, rows of this session only.

    Raises
    ------
    InputError
        A ``participant_id`` is missing, is no BIDS label, or is there twice.
    """
    path = Path(path)
    table = read_tsv(path, columns=("participant_id",), dtype=str)
    rows = {}
    for line, cells in enumerate(table.to_dict("records"), start=2):
        values = {key: value.strip() for key, value in cells.items() if isinstance(value, str) and value.strip()}
        if session and values.get("session_id", session).removeprefix("ses-") != session:
            continue
        given = values.get("participant_id", "")
        participant = f"sub-{given.removeprefix('sub-')}"
        if not PARTICIPANT.match(participant):
            raise InputError(
                path, f"line {line}: participant_id {given!r} is not sub- with letters and digits", "correct it"
            )
        if participant in rows:
            todo = "give --session" if "session_id" in table.columns else "leave one line"
            raise InputError(path, f"line {line}: {participant} is already on line {rows[participant][0]}", todo)
        rows[participant] = line, values
    return Table(path, list(map(str, table.columns)), rows)


def find(tables, column, option):
    """The first of `tables` that has `column`; an InputError naming the columns there are if none has."""
    for table in tables:
        if column in table.columns:
            return table
    if not tables:
        raise InputError(option, f"no table with a column {column}", "give --phenotype FILE.tsv")
    found = "; ".join(f"{table.path.name} has {', '.join(table.columns)}" for table in tables)
    raise InputError(tables[0].path, f"no column {column} for {option}", f"{found}")


def sources(participants, phenotypes, asked):
    """Where each column of the project's table comes from.

    Parameters
    ----------
    participants : Table or None
        BIDS' ``participants.tsv``.
    phenotypes : list of Table
        Asked for by the user, so they come before it where a column was asked for by name.
    asked : dict of str to (str, str)
        By column of the project's table: the column asked for (``n/a``: none) and the option it was asked with.

    Returns
    -------
    dict of str to (Table, str)
        By column of the project's table: table and its column.
    """
    result = {}
    for column in TAKEN:
        if participants and column in participants.columns and column not in asked:
            result[column] = participants, column
    tables = [*phenotypes, *([participants] if participants else [])]
    for column, (name, option) in asked.items():
        if name != ABSENT:
            result[column] = find(tables, name, option), name
    return result


def values(participant, where, schema, odd):
    """A person's values, each checked against the schema of the project's table.

    Parameters
    ----------
    participant : str
    where : dict
        As from `sources`.
    schema : dict
        ``workflow/schemas/participants.schema.yaml``.
    odd : Counter
        Counts sexes and ages that are left out because they cannot be read: by (column, value).

    Returns
    -------
    dict of str to str

    Raises
    ------
    InputError
        A value the schema does not allow, with its file and line.
    """
    result = {}
    for column, (table, name) in where.items():
        line, cells = table.rows.get(participant, (None, {}))
        text = cells.get(name)
        if text is None:
            continue
        value = SEX.get(text.lower()) if column == "sex" else text
        if column in ("age", "score"):
            value = _number(text)
        if value is None and column != "score":
            odd[column, text] += 1
            continue
        part = {"$defs": schema["$defs"], **schema["properties"][column]}
        error = next(Draft202012Validator(part).iter_errors(text if value is None else value), None)
        if error:
            raise InputError(table.path, f"line {line}: {name}: {error.message}", "correct it, n/a where it is missing")
        result[column] = str(text if column != "sex" else value)
    return result


def _number(text):
    """`text` as a finite float, else None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def odd_lines(odd: Counter):
    """A line for each column with values that were left out."""
    for column in dict.fromkeys(column for column, _ in odd):
        found = [f"{value!r} ({count})" for (name, value), count in odd.items() if name == column]
        expected = "M, F, male or female" if column == "sex" else "a number"
        yield f"{column} is not {expected}, taken as n/a: {names(found)}"
