"""Scans of a person in a BIDS dataset and in fMRIPrep's output, by file names; more than one is never chosen from."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from gcamccl import bids
from gcamccl.workflow.errors import InputError

BOLD = re.compile(r"_bold\.nii(\.gz)?$")
T1W = re.compile(r"_T1w\.nii(\.gz)?$")
# fMRIPrep's BOLD in MNI152 space: as it is named now, and before version 1.2.
PREPROC_BOLD = (
    re.compile(r"_space-MNI152[A-Za-z0-9]*(_[a-z]+-[A-Za-z0-9]+)*_desc-preproc_bold\.nii(\.gz)?$"),
    re.compile(r"_bold_space-MNI152[A-Za-z0-9]*_preproc\.nii(\.gz)?$"),
)
# fMRIPrep's confounds: since version 20.2, since 1.2, before.
CONFOUNDS = re.compile(r"(_desc-confounds_timeseries|_desc-confounds_regressors|_bold_confounds)\.tsv$")
DERIVED = ("space", "cohort", "res", "den", "desc")  # entities that only fMRIPrep's files have
INDICES = ("run", "echo", "flip", "inv", "split", "chunk")  # entities that are numbers: 1 is 01
ABSENT = "n/a"  # as an entity's value: the name does not have it
SHORT = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "resolution": "res",
    "density": "den",
    "description": "desc",
}
OPTIONS = {"task": "--task", "ses": "--session", "run": "--run", "space": "--space"}
SHOWN = 3  # file names listed where none is the one


@dataclass
class Found:
    """What there is of one person.

    Attributes
    ----------
    files : dict of str to Path
        By column of the participants table; empty: no scan.
    notes : list of str
        What a reader should know: why there is no scan, no T1w, no fMRIPrep output.
    """

    files: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def choice(text):
    """``KEY=VALUE`` as (short name of the entity, value), e.g. ``session=ses-1`` as ``("ses", "1")``."""
    key, separator, value = text.partition("=")
    key = SHORT.get(key.strip().lower(), key.strip().lower())
    value = value.strip().removeprefix(f"{key}-")
    if not (separator and key.isalpha() and (value == ABSENT or value.isalnum())):
        raise ValueError(f"{text!r} is not KEY=VALUE, such as acq=highres, or acq={ABSENT} for names without it")
    return key, value


def _same(key, found, wanted):
    """Whether an entity of a file name, or None, is the one asked for."""
    if wanted == ABSENT:
        return found is None
    if key in INDICES and found is not None and found.isdigit() and wanted.isdigit():
        return int(found) == int(wanted)
    return found == wanted


def matching(paths, wanted):
    """Those of `paths` whose names have the entities `wanted`, a dict."""
    return [path for path in paths if all(_same(key, bids.entities(path).get(key), wanted[key]) for key in wanted)]


def files(root, participant, kind):
    """A person's files in the folders `kind` (``func``, ``anat``) of all sessions, by name."""
    person = Path(root) / participant
    folders = [person / kind, *sorted(person.glob(f"ses-*/{kind}"))]
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return [path for path in found if path.name.startswith(f"{participant}_")]


def only(paths, what, option):
    """The one of `paths`; an InputError that says how they differ if there are several.

    Parameters
    ----------
    paths : list of Path
        At least one.
    what : str
        What they are, in the plural.
    option : callable
        Takes the name of an entity; returns the option that chooses by it.
    """
    if len(paths) == 1:
        if not paths[0].is_file():
            raise InputError(paths[0], "a link to a file that is not here", "fetch it (datalad get, git annex get)")
        return paths[0]
    values = {}
    for path in paths:
        for key in bids.entities(path):
            values.setdefault(key, set())
    for key, found in values.items():
        found.update(bids.entities(path).get(key, ABSENT) for path in paths)
    differing = {key: sorted(found) for key, found in values.items() if len(found) > 1}
    if not differing:
        names = ", ".join(path.name for path in paths)
        raise InputError(paths[0].parent, f"{names}: {what} with the same entities", "leave one of them there")
    text = "; ".join(f"{key}: {', '.join(found)}" for key, found in differing.items())
    options = ", ".join(option(key) for key in differing)
    raise InputError(paths[0].parent, f"{len(paths)} {what} ({text})", f"choose with {options}")


def scan_option(key):
    """The option that chooses a BOLD scan by an entity."""
    return f"{OPTIONS[key]} VALUE" if key in OPTIONS else f"--entity {key}=VALUE"


def t1w_option(key):
    """The option that chooses a T1w scan by an entity."""
    return f"--t1w {key}=VALUE"


def _none(what, paths, wanted):
    """Why none of `paths` is chosen."""
    if not paths:
        return f"no {what}"
    asked = " ".join(f"{key}={value}" for key, value in wanted.items())
    names = ", ".join(path.name for path in paths[:SHOWN]) + (", ..." if len(paths) > SHOWN else "")
    return f"no {what} with {asked} among {names}"


def _without(wanted, keys):
    return {key: value for key, value in wanted.items() if key not in keys}


def raw(root, participant, wanted, wanted_t1w):
    """A person's raw scans.

    Parameters
    ----------
    root : Path
        The BIDS dataset.
    participant : str
        With ``sub-``.
    wanted, wanted_t1w : dict
        Entities that the name of the BOLD and of the T1w scan must have (`choice`).

    Returns
    -------
    Found
        ``bold``, and ``t1w`` and ``events`` where there are any.

    Raises
    ------
    InputError
        Several scans fit, or the one that fits is not here.
    """
    result = Found()
    if not (root / participant).is_dir():
        result.notes.append(f"no folder {root / participant}")
        return result
    wanted = _without(wanted, DERIVED)
    bolds = [
        path
        for path in files(root, participant, "func")
        if BOLD.search(path.name) and not {"space", "desc"} & set(bids.entities(path))
    ]
    chosen = matching(bolds, wanted)
    if not chosen:
        result.notes.append(_none("BOLD scan", bolds, wanted))
        return result
    result.files["bold"] = bold = only(chosen, "BOLD scans", scan_option)
    t1ws = [path for path in files(root, participant, "anat") if T1W.search(path.name)]
    chosen = matching(t1ws, wanted_t1w)
    session = bids.entities(bold).get("ses")
    chosen = [path for path in chosen if bids.entities(path).get("ses") == session] or chosen
    if chosen:
        result.files["t1w"] = t1w = only(chosen, "T1w scans", t1w_option)
        if bids.entities(t1w).get("ses") != session:
            result.notes.append(f"its T1w is of another session, {t1w.name}")
    else:
        why = _none("T1w scan", t1ws, wanted_t1w)
        result.notes.append(f"{why}: its BOLD is registered straight to a template, less accurate")
    events = events_of(root, bold)
    if events:
        result.files["events"] = events
    return result


def events_of(root, path):
    """Events table of a run, beside its BOLD scan in the BIDS dataset or higher up; None where there is none.

    Parameters
    ----------
    root : Path
        The BIDS dataset.
    path : Path
        The raw BOLD scan, or what fMRIPrep made of it.
    """
    raw_entities = _without(bids.entities(path), DERIVED)
    name = "_".join(f"{key}-{value}" for key, value in raw_entities.items())
    session = [f"ses-{raw_entities['ses']}"] if "ses" in raw_entities else []
    scan = root.joinpath(f"sub-{raw_entities['sub']}", *session, "func", f"{name}_bold.nii.gz")
    found = bids.inherited(scan, "events", ".tsv", root)
    level = [
        file
        for file in found
        if file.parent == found[0].parent and len(bids.entities(file)) == len(bids.entities(found[0]))
    ]
    if len(level) > 1:
        names = " and ".join(file.name for file in level)
        raise InputError(level[0].parent, f"{names} both apply to {scan.name}", "leave one of them there")
    return found[0] if found else None


def fmriprep(root, participant, wanted, raw_root=None):
    """A person's scan as fMRIPrep left it in MNI152 space.

    Parameters
    ----------
    root : Path
        Folder of fMRIPrep's output.
    participant : str
        With ``sub-``.
    wanted : dict
        Entities that the name must have.
    raw_root : Path, optional
        The BIDS dataset, for the events.

    Returns
    -------
    Found
        ``preproc_bold`` and ``confounds``, ``events`` where there are any.

    Raises
    ------
    InputError
        Several scans or confounds tables fit, or the one that fits is not here.
    """
    result = Found()
    if not (root / participant).is_dir():
        result.notes.append(f"no folder {root / participant}")
        return result
    there = files(root, participant, "func")
    bolds = [path for path in there if any(pattern.search(path.name) for pattern in PREPROC_BOLD)]
    chosen = matching(bolds, wanted)
    if not chosen:
        result.notes.append(_none("fMRIPrep BOLD in MNI152 space", bolds, wanted))
        return result
    bold = only(chosen, "BOLD scans of fMRIPrep", scan_option)
    run = _run(bold)
    confounds = [path for path in there if CONFOUNDS.search(path.name) and _run(path) == run]
    if not confounds:
        result.notes.append(f"no confounds table of fMRIPrep for {bold.name}")
        return result
    if len(confounds) > 1:
        names = " and ".join(path.name for path in confounds)
        raise InputError(
            bold.parent, f"{names} are both confounds of {bold.name}", "leave the one of its version there"
        )
    result.files = {"preproc_bold": bold, "confounds": only(confounds, "confounds tables", scan_option)}
    events = raw_root and events_of(raw_root, bold)
    if events:
        result.files["events"] = events
    return result


def _run(path):
    """Entities that a scan of fMRIPrep shares with its confounds table; all echoes of a run have one table."""
    return _without(bids.entities(path), (*DERIVED, "echo"))
