"""``gcamccl study``: the participants table of a study from a BIDS dataset, fMRIPrep's output, or both."""

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from gcamccl import bids
from gcamccl.workflow import bids_people, bids_scans
from gcamccl.workflow.bids_people import names
from gcamccl.workflow.config import read_yaml
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import atomic
from gcamccl.workflow.study import SCHEMA, read_participants, route

FILES = ("bold", "t1w", "preproc_bold", "confounds", "events")
# What people must have in common, since it decides what is measured and where: by entity, in words.
COMMON = {"task": "tasks", "space": "spaces"}


@dataclass(frozen=True)
class Request:
    """What the user asked for.

    Attributes
    ----------
    out : Path
    bids, fmriprep : Path or None
        Folders; at least one of them.
    wanted, wanted_t1w : dict
        Entities that names of BOLD and T1w scans must have.
    phenotypes : tuple of Path
        Tables of people beside BIDS' ``participants.tsv``.
    asked : dict of str to (str, str)
        As for `gcamccl.workflow.bids_people.sources`.
    force : bool
        Whether an existing table is replaced.
    """

    out: Path
    bids: Path | None = None
    fmriprep: Path | None = None
    wanted: dict = field(default_factory=dict)
    wanted_t1w: dict = field(default_factory=dict)
    phenotypes: tuple = ()
    asked: dict = field(default_factory=dict)
    force: bool = False


def write(request):
    """Write the participants table.

    Parameters
    ----------
    request : Request

    Returns
    -------
    list of str
        Lines that say what is in it, who has no scan and why, and what to do next.

    Raises
    ------
    InputError
        Nothing is written then.
    """
    roots = _check(request)
    tables, participants_tsv = _tables(request, roots)
    people = _people(roots, participants_tsv)
    found = {person: _scans(request, roots, person) for person in people}
    _compare(request, roots, found)
    where = bids_people.sources(participants_tsv, tables, request.asked)
    schema, odd = read_yaml(SCHEMA), Counter()
    folder = request.out.absolute().parent.resolve()
    rows = []
    for person in people:
        row = {"participant_id": person, **bids_people.values(person, where, schema, odd)}
        row |= {column: _place(path, folder) for column, path in found[person].files.items()}
        rows.append(row)
    score = _score_name(request, schema)
    _save(request.out, rows, score, schema)
    lines = _summary(request, rows, found)
    lines += _about_tables(people, tables, where) + list(bids_people.odd_lines(odd))
    return lines + _next(request, score)


def _check(request):
    """The folders to look in, by route; errors in what was asked for that need no look at people."""
    if request.bids is None and request.fmriprep is None:
        raise InputError("gcamccl study", "neither --bids nor --fmriprep is given", "give at least one of them")
    if request.fmriprep is None and (unused := set(request.wanted) & set(bids_scans.DERIVED)):
        raise InputError(
            "gcamccl study",
            f"{', '.join(sorted(unused))} is of fMRIPrep's files only",
            "give --fmriprep, or leave it out",
        )
    roots = {}
    for name, root in (("raw", request.bids), ("fmriprep", request.fmriprep)):
        if root is None:
            continue
        if not root.is_dir():
            raise InputError(root, "no such folder")
        if not any(path.is_dir() for path in root.glob("sub-*")):
            inner = next((path.parent for path in sorted(root.glob("*/sub-*")) if path.is_dir()), None)
            raise InputError(
                root, "no folder sub-* in it", f"perhaps {inner} is meant" if inner else "check the folder"
            )
        roots[name] = root.resolve()
    if request.out.is_dir():
        raise InputError(request.out, "is a folder", "give the name of the table")
    if request.out.exists() and not request.force:
        raise InputError(request.out, "exists already", "give another --out, or --force to replace it")
    sources = [*request.phenotypes, *(root / "participants.tsv" for root in roots.values())]
    if request.out.resolve() in [source.resolve() for source in sources]:
        raise InputError(request.out, "is a table of the data set", "give another --out")
    return roots


def _tables(request, roots):
    """Phenotype tables, and the dataset's own table or None."""
    session = request.wanted.get("ses")
    session = None if session == bids_scans.ABSENT else session
    tables = [bids_people.read_table(path, session) for path in request.phenotypes]
    own = [root / "participants.tsv" for root in roots.values()]
    own = next((path for path in own if path.is_file()), None)
    return tables, own and bids_people.read_table(own)


def _people(roots, participants_tsv):
    """Everybody in the dataset's table, in its order, then everybody else who has a folder."""
    people = dict.fromkeys(participants_tsv.rows if participants_tsv else ())
    for root in roots.values():
        for path in sorted(root.glob("sub-*")):
            if path.is_dir():
                if not bids_people.PARTICIPANT.match(path.name):
                    raise InputError(path, "is not sub- with letters and digits", "rename the folder and its files")
                people[path.name] = None
    return list(people)


def _scans(request, roots, person):
    """fMRIPrep's output of a person where there is one, else raw scans."""
    notes = []
    if "fmriprep" in roots:
        result = bids_scans.fmriprep(roots["fmriprep"], person, request.wanted, roots.get("raw"))
        if result.files:
            return result
        notes = [f"not from fMRIPrep ({note})" if "raw" in roots else note for note in result.notes]
    if "raw" in roots:
        result = bids_scans.raw(roots["raw"], person, request.wanted, request.wanted_t1w)
        result.notes = notes + result.notes
        return result
    return bids_scans.Found(notes=notes)


def _scan(found):
    """The BOLD scan chosen of a person, or None."""
    return found.files.get("preproc_bold") or found.files.get("bold")


def _chosen(found, key):
    """People by the value of an entity in the name of their scan."""
    people = defaultdict(list)
    for person, one in found.items():
        if _scan(one):
            people[bids.entities(_scan(one)).get(key, bids_scans.ABSENT)].append(person)
    return people


def _compare(request, roots, found):
    """Refuse a table without any scan, and one that mixes what people must have in common."""
    root = roots.get("raw", roots.get("fmriprep"))
    if not any(one.files for one in found.values()):
        person = next((person for person in found if (root / person).is_dir()), next(iter(found)))
        raise InputError(root, f"nobody has a scan that fits; e.g. {person}: {'; '.join(found[person].notes)}")
    for key, words in COMMON.items():
        part = {person: one for person, one in found.items() if key != "space" or "preproc_bold" in one.files}
        people = _chosen(part, key)
        if len(people) > 1:
            text = "; ".join(f"{value}: {names(some)}" for value, some in sorted(people.items()))
            raise InputError(root, f"scans of different {words} ({text})", f"choose with {bids_scans.scan_option(key)}")


def _place(path, folder):
    """How the table names a file: relative to the table's folder if it is below that or its neighbour, else absolute.

    So the table can be moved together with the data.
    """
    around = folder.parent if folder.parent != Path(folder.anchor) else folder
    return os.path.relpath(path, folder) if path.is_relative_to(around) else str(path)


def _score_name(request, schema):
    """Column the score gets: its own name, unless that means something else in the table."""
    name = request.asked.get("score", (bids_scans.ABSENT, ""))[0]
    return "score" if name == bids_scans.ABSENT or name in schema["properties"] else name


def _save(out, rows, score, schema):
    """Write the table; what the pipeline would refuse is refused here."""
    used = [column for column in schema["properties"] if any(column in row for row in rows)]
    columns = list(dict.fromkeys(["participant_id", *used[1:], "score"]))
    head = [score if column == "score" else column for column in columns]
    lines = [head, *([row.get(column, "n/a") for column in columns] for row in rows)]
    try:
        with atomic(out) as temporary:
            temporary.write_text("".join("\t".join(line) + "\n" for line in lines), encoding="utf-8")
            try:
                read_participants(temporary, score)
            except InputError as error:
                raise InputError(out, error.what, error.todo) from None
    except OSError as error:
        raise InputError(out, f"cannot be written ({error.strerror})", "give another --out") from None


def _counts(people):
    """E.g. ``1 (30 people), 2 (3 people)``."""
    return ", ".join(f"{value} ({len(some)})" for value, some in sorted(people.items()))


def _summary(request, rows, found):
    """People, routes, what was chosen, who lacks what."""
    people = {name: [row["participant_id"] for row in rows if route(row) == name] for name in ("fmriprep", "raw", None)}
    lines = [f"{request.out}: {len(rows)} people"]
    lines += [f"  {name or 'no scan'}: {len(some)}" for name, some in people.items() if some]
    keys = dict.fromkeys(key for one in found.values() if _scan(one) for key in bids.entities(_scan(one)))
    lines += [f"{key}: {_counts(_chosen(found, key))}" for key in keys if key not in ("sub", "desc")]
    events = sum("events" in one.files for one in found.values())
    lines.append(f"events tables: {events}")
    if people["fmriprep"] and people["raw"]:
        lines.append("NOTE: two routes in one study; their scans are not made ready in the same way")
    if request.bids and not (request.bids / bids.DESCRIPTION).is_file():
        lines.append(
            f"NOTE: {request.bids} has no {bids.DESCRIPTION}, so JSON files above a scan's folder are not read"
        )
    told = sorted(((person, one) for person, one in found.items() if one.notes), key=lambda pair: not pair[1].files)
    return lines + [f"  {person}: {route(one.files) or 'no scan'}: {'; '.join(one.notes)}" for person, one in told]


def _about_tables(people, tables, where):
    """Where values come from, how many people have one, and people of phenotype tables who are not in the study."""
    lines = []
    for column, (table, name) in where.items():
        count = sum(name in table.rows.get(person, (None, {}))[1] for person in people)
        lines.append(f"{column}: column {name} of {table.path}, {count} of {len(people)} people have one")
    for table in tables:
        others = [person for person in table.rows if person not in set(people)]
        if others:
            lines.append(f"{table.path}: {len(others)} people are not in the data set: {names(others)}")
    return lines


def _next(request, score):
    """What to do with the table."""
    lines = ["Next: name the table in your settings file (docs/user_guide.md) and look at the plan with snakemake -n"]
    lines += ["  study:", f"    participants: {request.out}", f"    score: {score}"]
    if "score" not in request.asked:
        lines.append("  No --score was given: fill in the column score first.")
    if "genotype_id" not in request.asked:
        lines.append(
            "  No --genotype-id was given: add a column genotype_id with the ids (IID) in the PLINK files, or, for"
        )
        lines.append("  a study without genotypes, set train.views: [connectivity] and leave study.genotypes empty.")
    return lines
