"""Whose genotypes are whose: ids of the participants table and of the filesets, compared both ways."""

import re

import pandas as pd

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

SHOWN = 10  # ids in a message
MATCHING = ["participant_id", "genotype_id", "array", "status", "suggestion"]
FOUND, NO_GENOTYPES, NO_ID, STRANGER = "found", "no_genotypes", "no_genotype_id", "not_a_participant"
MIN_TWICE = 5  # people on the same two arrays, for a judgement on a .fam
MAX_DISAGREE = 0.5  # share of them whose calls disagree; more: the lines of a .fam are not its people


def read_wanted(path):
    """Genotype ids of a participants table.

    Parameters
    ----------
    path : str or Path
        TSV with column ``genotype_id`` and, for messages, ``participant_id``.

    Returns
    -------
    dict of str to str
        Genotype id -> participant id; people without genotypes (``n/a``) are left out. White space around ids is
        taken off, as the rest of the workflow does.
    """
    table = read_participant_ids(path)
    wanted = {}
    for number, (name, genotype) in enumerate(table.itertuples(index=False), start=2):
        if genotype is None:
            continue
        if genotype in wanted:
            raise InputError(path, f"line {number}: genotype_id {genotype} is already that of {wanted[genotype]}")
        wanted[genotype] = name
    if not wanted:
        raise InputError(path, "nobody has a genotype_id")
    return wanted


def read_participant_ids(path):
    """DataFrame participant_id, genotype_id (None: no genotypes) of a participants table, in its order."""
    table = read_tsv(path, columns=("genotype_id",), dtype=str)
    names = table["participant_id"] if "participant_id" in table else table["genotype_id"]
    genotype = [value.strip() or None if isinstance(value, str) else None for value in table["genotype_id"]]
    names = [value.strip() if isinstance(value, str) else "n/a" for value in names]
    return pd.DataFrame({"participant_id": names, "genotype_id": pd.Series(genotype, dtype=object)}).replace(
        {float("nan"): None}
    )


def match(path, fams, names, minimum, say=print):
    """Compare a participants table with the people of all filesets, both ways.

    Parameters
    ----------
    path : str or Path
        The participants table.
    fams : list of DataFrame
        Columns fid and iid, one an array.
    names : list of str
        Names of the arrays.
    minimum : float
        Smallest share of the participants with a genotype_id who must be in some fileset.
    say : callable

    Returns
    -------
    DataFrame
        Columns `MATCHING`: every participant in the order of the table, then everybody else. `array`: names joined by
        commas, None where there is none. `suggestion`: an id on the other side that differs in its spelling only.

    Raises
    ------
    InputError
        Fewer match than `minimum` asks for; shows ids of both sides and which change of spelling would match more.
    """
    wanted = read_wanted(path)
    on = {}
    for fam, name in zip(fams, names, strict=True):
        for person in fam["iid"]:
            on.setdefault(person, []).append(name)
    absent = [name for name in wanted if name not in on]
    strangers = [name for name in on if name not in wanted]
    hint, suggestions = spelling(absent, pd.concat(fams, ignore_index=True), set(strangers))
    found = len(wanted) - len(absent)
    if found < minimum * len(wanted) or not found:
        raise InputError(
            path,
            f"the genotype_id of {len(absent)} of {len(wanted)} participants is in no fileset"
            f" ({_shown([f'{wanted[name]}: {name}' for name in absent])});"
            f" people there who are no participants: {_shown(strangers) or 'none'}",
            f"{hint or 'correct genotype_id'}; write n/a for people without genotypes, or lower"
            f" genotype_qc.min_participants_found ({minimum:g})",
        )
    say(f"{found} of {len(wanted)} participants with a genotype_id are in a fileset")
    if absent:
        say(f"WARNING: {len(absent)} are in none: {_shown([f'{wanted[name]}: {name}' for name in absent])}")
    if strangers:
        say(f"{len(strangers)} people of the filesets are no participants: {_shown(strangers)}")
    if hint:
        say(f"WARNING: {hint}")
    rows = []
    for name, genotype in read_participant_ids(path).itertuples(index=False):
        status = NO_ID if genotype is None else FOUND if genotype in on else NO_GENOTYPES
        arrays = ",".join(on.get(genotype, [])) or None
        rows.append((name, genotype, arrays, status, suggestions.get(genotype)))
    rows += [(None, name, ",".join(on[name]), STRANGER, None) for name in strangers]
    return pd.DataFrame(rows, columns=MATCHING)


def _shown(items):
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _plain_number(name):
    return re.sub(r"\.0+$", "", name)


# What turns the id of one side into that of the other: (words, key of a genotype_id, key of (fid, iid)).
SPELLINGS = (
    ("in upper or lower case only", str.casefold, lambda fid, iid: iid.casefold()),
    ("by leading zeros", lambda name: re.sub(r"^0+", "", name), lambda fid, iid: re.sub(r"^0+", "", iid)),
    ("by a sub- prefix", lambda name: name.removeprefix("sub-"), lambda fid, iid: iid.removeprefix("sub-")),
    ("by a trailing .0, as spreadsheets write numbers", _plain_number, lambda fid, iid: _plain_number(iid)),
    (
        "by white space, dots, hyphens or underscores",
        lambda name: re.sub(r"[\s._-]", "", name),
        lambda fid, iid: re.sub(r"[\s._-]", "", iid),
    ),
    ("in that genotype_id is the family id, not the individual id", str, lambda fid, iid: fid),
    ("in that genotype_id joins family and individual id (FID_IID)", str, lambda fid, iid: f"{fid}_{iid}"),
    ("in that the fileset's id is doubled (ID_ID)", lambda name: f"{name}_{name}", lambda fid, iid: iid),
    (
        "in that the fileset's id joins family and individual id (FID_IID)",
        str,
        lambda fid, iid: iid.partition("_")[2] or iid,
    ),
)


def spelling(absent, fam, strangers):
    """Which change of spelling would match genotype ids that are in no fileset.

    Parameters
    ----------
    absent : list of str
    fam : DataFrame
        fid and iid of everybody on any array.
    strangers : set of str
        Individual ids that belong to no participant.

    Returns
    -------
    hint : str or None
    suggestions : dict of str to str
        Absent id -> individual id that it would match; never one that two ids would match.
    """
    people = fam[fam["iid"].isin(strangers)].drop_duplicates("iid")
    hints, suggestions = [], {}
    for words, key, other_key in SPELLINGS:
        there, here = {}, {}
        for fid, iid in zip(people["fid"], people["iid"], strict=True):
            there.setdefault(other_key(fid, iid), []).append(iid)
        for name in absent:
            here.setdefault(key(name), []).append(name)
        matched = {
            names[0]: there[shape][0]
            for shape, names in here.items()
            if shape and len(names) == 1 and len(there.get(shape, [])) == 1
        }
        new = {name: iid for name, iid in matched.items() if name not in suggestions}
        if new:
            name, iid = next(iter(new.items()))
            hints.append(f"{len(new)} of them differ {words}: genotype_id {name}, in the fileset {iid}")
            suggestions |= new
    return "; ".join(hints) or None, suggestions


def check_twice(twice):
    """Stop if most of the people on two arrays have different calls there: a .fam that is not its array's.

    Parameters
    ----------
    twice : DataFrame
        From `merge.typed_twice`: genotype_id, array, keep.

    Raises
    ------
    InputError
        Of the arrays of at least `MIN_TWICE` people, more than `MAX_DISAGREE` disagree.
    """
    kept = twice.assign(keep=twice["keep"].astype(bool)).groupby("genotype_id").agg(
        arrays=("array", lambda values: " and ".join(sorted(set(values)))), kept=("keep", "any")
    )  # fmt: skip
    for arrays, group in kept.groupby("arrays"):
        wrong = int((~group["kept"]).sum())
        if len(group) >= MIN_TWICE and wrong > MAX_DISAGREE * len(group):
            raise InputError(
                arrays,
                f"{wrong} of {len(group)} people who are on both have different calls there, such as"
                f" {group.index[~group['kept']][0]}",
                "the .fam of one of them is not that of its .bed: of another array, or its lines are shifted",
            )
