"""Other names for people in the page, its tables and figures, kept in a key file that stays with the lab."""

import os
import random
import re
from pathlib import Path

import pandas as pd

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

# What a column holds ids of; people's two ids get one name, where the participants table has joined them.
PEOPLE = ("participant_id", "genotype_id", "genotype_id_1", "genotype_id_2")
FAMILIES = ("family_id", "family_1", "family_2")
TEXTS = ("text",)  # sentences that earlier stages have written, with ids in them
COLUMNS = ("id", "pseudonym")


def pseudonymise(results, path):
    """Replace ids in everything collected; the key file is read, and extended by whoever is not in it yet.

    Parameters
    ----------
    results : gcamccl.report.collect.Results
        Changed in place.
    path : Path
        TSV with the columns `COLUMNS`; made, for its owner alone to read, if it is not there. Numbers are given out at
        random, so that they tell nothing of the order of ids.

    Raises
    ------
    InputError
        A key file with an id or a pseudonym on two lines.
    """
    path = Path(path)
    known = _read(path)
    frames = [*results.tables.values(), results.predictions]
    pairs = [
        frame[["participant_id", "genotype_id"]] for frame in frames if {"participant_id", "genotype_id"} <= {*frame}
    ]
    same = {row.genotype_id: row.participant_id for pair in pairs for row in pair.dropna().itertuples()}
    people = _ids(frames, PEOPLE)
    _give(known, sorted({same.get(name, name) for name in people}), "P")
    known |= {name: known[same[name]] for name in people if name in same and name not in known}
    _give(known, sorted(_ids(frames, FAMILIES)), "F")
    _write(path, known)
    for frame in frames:
        for column in {*PEOPLE, *FAMILIES} & {*frame}:
            frame[column] = frame[column].map(known, na_action="ignore")
    replace = _in_sentences({name: text for name, text in known.items() if name in people})
    for frame in frames:
        for column in {*TEXTS} & {*frame}:
            frame[column] = frame[column].map(replace, na_action="ignore")
    results.pseudonymous = True


def in_their_order(table):
    """A table of people in the order of their pseudonyms, which tells nothing of that of their ids."""
    columns = [column for column in (*PEOPLE, *FAMILIES) if column in table]
    return table.sort_values(columns, kind="stable", ignore_index=True) if columns else table


def _in_sentences(known):
    """Function that replaces people's ids in a sentence. Sentences list ids after a colon: ids that are numbers are
    replaced there alone, elsewhere they are counts."""

    def pattern(names):
        words = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        return re.compile(rf"(?<![\w.-])({words})(?![\w-]|\.\d)") if names else None

    numbers = {name for name in known if name.isdecimal()}
    everywhere, listed = pattern(known.keys() - numbers), pattern(known.keys())

    def replace(text):
        start, colon, end = text.rpartition(":")
        start = everywhere.sub(lambda found: known[found[0]], start) if everywhere else start
        return start + colon + (listed.sub(lambda found: known[found[0]], end) if listed else end)

    return replace


def _ids(frames, columns):
    """All ids in these columns of the tables."""
    return {name for frame in frames for column in {*columns} & {*frame} for name in frame[column].dropna()}


def _give(known, names, letter):
    """Give each of `names` that has none a number of its own, in random order."""
    new = [name for name in names if name not in known]
    taken = [int(text[1:]) for text in known.values() if text[:1] == letter and text[1:].isdecimal()]
    first = max(taken, default=0) + 1
    numbers = list(range(first, first + len(new)))
    random.SystemRandom().shuffle(numbers)
    known |= {name: f"{letter}{number:04d}" for name, number in zip(new, numbers, strict=True)}


def _read(path):
    if not path.exists():
        return {}
    table = read_tsv(path, columns=COLUMNS, dtype=str)
    twice = table["id"][table["id"].duplicated()]
    if len(twice) or table.isna().any(axis=None):
        raise InputError(
            path, f"{twice.iloc[0]} is on two lines" if len(twice) else "an empty field", "mend the key file"
        )
    return dict(zip(table["id"], table["pseudonym"], strict=True))


def _write(path, known):
    """Write the key file, readable for its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = os.umask(0o077)
    try:
        write_tsv(path, pd.DataFrame(sorted(known.items()), columns=list(COLUMNS)))
    finally:
        os.umask(before)
