"""The list of public files, ``resources/downloads.yaml``."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.config import read_yaml
from gcamccl.workflow.errors import InputError

MANIFEST = ROOT / "resources" / "downloads.yaml"
SET_KEYS = {"what", "default", "version", "terms", "cite", "files"}
FILE_KEYS = {"file", "urls", "size_mb", "checksum", "unpack", "check", "study"}
NONE_PUBLISHED = "none published"


@dataclass(frozen=True)
class Unpack:
    """What is taken out of an archive.

    Attributes
    ----------
    members : str
        Shell pattern for the members' names without their folders.
    to : str
        Folder for them, or with `rename` the one file's name; relative to the resources folder.
    count : int
        How many there must be.
    rename : bool
    """

    members: str
    to: str
    count: int
    rename: bool = False


@dataclass(frozen=True)
class Resource:
    """One file to fetch.

    Attributes
    ----------
    group : str
        Its set.
    file : str
        Where it goes, relative to the resources folder.
    urls : tuple of str
        Places that have it, tried in this order.
    size_mb : float or None
        MB (1e6 bytes) as its provider or somebody who fetched it says; None where nobody does.
    md5 : str or None
        Published MD5.
    index : str or None
        Published list of MD5s that has the file.
    check : dict
        For `gcamccl.resources.content.check`.
    unpack : Unpack or None
        Of an archive; `check` is then for its members.
    chrom : int or None
    """

    group: str
    file: str
    urls: tuple[str, ...]
    size_mb: float | None
    md5: str | None
    index: str | None
    check: dict
    unpack: Unpack | None = None
    chrom: int | None = None


def read_manifest(path=MANIFEST):
    """Sets of files by name, as in the YAML file; its form is checked.

    Returns
    -------
    dict of str to dict

    Raises
    ------
    InputError
        Names the set and what is wrong.
    """
    sets = read_yaml(path)
    for name, group in sets.items():
        wrong = _faults(group)
        if wrong:
            raise InputError(path, f"{name}: {wrong}")
    return sets


def _faults(group):
    """What is wrong with a set's entry, or None."""
    if not isinstance(group, dict) or set(group) != SET_KEYS:
        return f"expected the keys {', '.join(sorted(SET_KEYS))}"
    for entry in group["files"]:
        if not isinstance(entry, dict) or not {"file", "urls", "checksum", "check"} <= set(entry) <= FILE_KEYS:
            return f"expected in each of files the keys {', '.join(sorted(FILE_KEYS))}"
        places = [entry["file"], *([entry["unpack"]["to"]] if "unpack" in entry else [])]
        for place in places:
            if PurePosixPath(place).is_absolute() or ".." in PurePosixPath(place).parts:
                return f"{place} leaves the folder"
        if not all(re.match(r"https?://", url) for url in entry["urls"]):
            return f"{entry['file']}: not an http(s) address"
    return None


def choose(sets, names=()):
    """Names of the sets to fetch: `names`, or the default ones.

    Raises
    ------
    InputError
        A name is not that of a set.
    """
    unknown = [name for name in names if name not in sets]
    if unknown:
        raise InputError("resources", f"no set {', '.join(unknown)}", f"known: {', '.join(sets)}")
    return list(dict.fromkeys(names)) or [name for name, group in sets.items() if group["default"]]


def resources(sets, names, chromosomes):
    """Files of some sets; one with ``{chrom}`` in its name once a chromosome.

    Parameters
    ----------
    sets : dict
        From `read_manifest`.
    names : list of str
    chromosomes : list of int

    Returns
    -------
    list of Resource
    """
    result = []
    for name in names:
        for entry in sets[name]["files"]:
            each = chromosomes if "{chrom}" in entry["file"] else [None]
            result += [_resource(name, entry, chrom) for chrom in each]
    return result


def _resource(group, entry, chrom):
    def fill(text):
        return text if chrom is None else text.replace("{chrom}", str(chrom))

    checksum = entry["checksum"] if isinstance(entry["checksum"], dict) else {}
    md5, size = checksum.get("md5"), entry.get("size_mb")
    return Resource(
        group=group,
        file=fill(entry["file"]),
        urls=tuple(fill(url) for url in entry["urls"]),
        size_mb=size.get(chrom) if isinstance(size, dict) else size,
        md5=md5.get(chrom) if isinstance(md5, dict) else md5,
        index=checksum.get("index"),
        check=dict(entry["check"]),
        unpack=Unpack(**entry["unpack"]) if "unpack" in entry else None,
        chrom=chrom,
    )


def study_lines(sets, names, folder):
    """The ``study`` section that uses the files of some sets, as YAML text.

    Of several sets for the same setting the first counts; the others are comments.
    """
    values, others, gene_sets = {}, [], []
    for name in names:
        for entry in sets[name]["files"]:
            for key, place in entry.get("study", {}).items():
                path = f"{folder}/{place}"
                if key == "gene_sets":
                    gene_sets.append(path)
                elif key in values:
                    others.append(f"  # or {key}: {path}")
                else:
                    values[key] = path
    lines = [f"  {key}: {_quoted(path)}" for key, path in values.items()]
    if gene_sets:
        lines += ["  gene_sets:", *(f"    - {_quoted(path)}" for path in gene_sets)]
    return "\n".join(["study:", *lines, *others])


def _quoted(path):
    """`path` as a YAML scalar, in quotes where it needs them."""
    plain = re.fullmatch(r"[\w./][\w./{}-]*", path)
    return path if plain else '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
