"""What ``study.genotypes`` and ``study.known_positions`` name on disk: found, or one clear error, before anything runs.

An entry is a PLINK 1 fileset (.bed, .bim, .fam), a PLINK 2 fileset (.pgen, .pvar or .pvar.zst, .psam), named by its
prefix or any of its files, or a VCF or BCF file. ``{chrom}`` in it stands for each of ``study.chromosomes``.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from gcamccl.workflow.errors import InputError

PLINK1 = (".bed", ".bim", ".fam")
PLINK2 = (".pgen", ".pvar", ".psam")
PVAR_ZST = ".pvar.zst"
VCF = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")
SUFFIXES = (*PLINK1, *PLINK2, PVAR_ZST, *VCF)
CHROM = "{chrom}"
SHOWN = 5  # missing files listed before "and N more"


@dataclass(frozen=True)
class Source:
    """One array's files.

    Attributes
    ----------
    entry : str
        As in the configuration.
    name : str
        The array's name in tables and messages.
    kind : str
        ``plink1``, ``plink2`` or ``vcf``.
    parts : tuple of tuple of Path
        The files; a part a chromosome where the entry holds ``{chrom}``. Of a PLINK fileset in the order of `PLINK1`
        or `PLINK2`.
    chromosomes : tuple
        The chromosome of each part, None where it holds them all.
    """

    entry: str
    name: str
    kind: str
    parts: tuple
    chromosomes: tuple

    @property
    def files(self):
        """All files, in order."""
        return [file for part in self.parts for file in part]


def find(entries, chromosomes=()):
    """The sources that entries of ``study.genotypes`` name.

    Parameters
    ----------
    entries : list of str or Path
    chromosomes : sequence of int
        What ``{chrom}`` stands for.

    Returns
    -------
    list of Source
        Names are unique.

    Raises
    ------
    InputError
        A file is missing, is a folder, or an entry fits filesets of two formats.
    """
    entries = [str(entry) for entry in entries]
    repeated = next((entry for entry in entries if entries.count(entry) > 1), None)
    if repeated:
        raise InputError("study.genotypes", f"{repeated} is named twice", "name each array once")
    found = [_find(entry, chromosomes) for entry in entries]
    short = [short_name(source.entry, source.kind) for source in found]
    names = short if len(set(short)) == len(short) else entries
    result = [Source(s.entry, name, s.kind, s.parts, s.chromosomes) for s, name in zip(found, names, strict=True)]
    seen = {}
    for source in result:
        for file in source.files:
            if seen.setdefault(file.resolve(), source.entry) != source.entry:
                raise InputError("study.genotypes", f"{seen[file.resolve()]} and {source.entry} are the same files")
    return result


def short_name(entry, kind):
    """An array's short name: the last part of its path without suffix and ``{chrom}``."""
    path = Path(_prefix(str(entry)) if kind != "vcf" else _without(str(entry), VCF))
    return re.sub(r"[._-]?(chr|chrom)?[._-]?\{chrom\}", "", path.name) or path.parent.name or path.name


def _find(entry, chromosomes):
    """A Source for one entry, its name still that of the entry."""
    if CHROM not in entry:
        kind, files = _part(entry)
        return Source(entry, entry, kind, (files,), (None,))
    if not chromosomes:
        raise InputError(entry, "{chrom} stands for nothing: no chromosomes are chosen", "set study.chromosomes")
    parts, missing = [], []
    for chrom in chromosomes:
        try:
            parts.append(_part(entry.replace(CHROM, str(chrom))))
        except InputError as error:
            missing.append(error)
    if missing:
        more = f", and the same for {len(missing) - SHOWN} more chromosomes" if len(missing) > SHOWN else ""
        what = "; ".join(f"{error.where}: {error.what}" for error in missing[:SHOWN])
        raise InputError(entry, f"{what}{more}", "give a file for each of study.chromosomes")
    kinds = {kind for kind, _ in parts}
    if len(kinds) > 1:
        raise InputError(entry, f"its chromosomes are of different formats ({', '.join(sorted(kinds))})", "give one")
    return Source(entry, entry, kinds.pop(), tuple(files for _, files in parts), tuple(chromosomes))


def _part(entry):
    """Format and files of one entry without ``{chrom}``."""
    if entry.lower().endswith(VCF) and (_is_file(entry) or not _exists(entry, PLINK1 + PLINK2)):
        return "vcf", (_file(entry),)
    prefix = _prefix(entry)
    kinds = {"plink1": PLINK1, "plink2": PLINK2}
    if prefix != entry:  # the suffix was given: it decides
        kind = "plink1" if entry.endswith(PLINK1) else "plink2"
    else:
        there = [kind for kind, suffixes in kinds.items() if _exists(entry, suffixes[:1])]
        if len(there) > 1:
            raise InputError(
                entry, f"there are {entry}.bed and {entry}.pgen", "add the suffix of the one to use, .bed or .pgen"
            )
        kind = there[0] if there else _nothing(entry)
    if kind == "plink1":
        return kind, tuple(_file(prefix + suffix) for suffix in PLINK1)
    pvar = ".pvar" if _is_file(prefix + ".pvar") else PVAR_ZST if _is_file(prefix + PVAR_ZST) else ".pvar"
    return kind, tuple(_file(prefix + suffix) for suffix in (".pgen", pvar, ".psam"))


def _nothing(entry):
    """The format of a prefix without .bed and .pgen: raises, or names the format whose other files there are."""
    for kind, suffixes in (("plink1", PLINK1), ("plink2", PLINK2)):
        if _exists(entry, suffixes):
            return kind  # one of its files is there: the error names the one that is missing
    if Path(entry).is_dir():
        raise InputError(entry, "this is a folder", "name the fileset or file inside it")
    vcf = next((entry + suffix for suffix in VCF if _is_file(entry + suffix)), None)
    if vcf:
        raise InputError(entry, "no such PLINK fileset", f"name the VCF in full: {vcf}")
    raise InputError(
        entry,
        f"no such genotypes: neither {entry}.bed nor {entry}.pgen exists",
        "give the prefix of a PLINK fileset (.bed/.bim/.fam or .pgen/.pvar/.psam), or a .vcf, .vcf.gz or .bcf file",
    )


def _exists(prefix, suffixes):
    return any(_is_file(prefix + suffix) for suffix in suffixes)


def _is_file(path):
    """Whether there is such a file; False as well where a folder above may not be looked into."""
    try:
        return Path(path).is_file()
    except OSError:
        return False


def _file(path):
    """`path` as a Path; an InputError says why it is no file."""
    path = Path(path)
    if _is_file(path):
        return path
    if path.is_dir():
        raise InputError(path, "this is a folder, not a file")
    if path.is_symlink():
        raise InputError(path, "this link points nowhere", "fetch the file it stands for (DataLad: datalad get)")
    if _is_file(f"{path}.gz"):
        raise InputError(path, f"no such file, but there is {path.name}.gz", f"unpack it: gunzip -k {path.name}.gz")
    if path.suffix in PLINK1:
        raise InputError(path, "no such file", "a PLINK fileset is PREFIX.bed, PREFIX.bim and PREFIX.fam")
    if path.suffix in PLINK2:
        raise InputError(path, "no such file", "a PLINK 2 fileset is PREFIX.pgen, PREFIX.pvar[.zst] and PREFIX.psam")
    raise InputError(path, "no such file")


def _prefix(entry):
    """`entry` without the suffix of a PLINK file."""
    return _without(entry, (*PLINK1, *PLINK2, PVAR_ZST))


def _without(text, suffixes):
    ending = max((suffix for suffix in suffixes if text.lower().endswith(suffix)), key=len, default="")
    return text[: len(text) - len(ending)]


def per_chromosome(pattern, chromosomes):
    """The files that a name with ``{chrom}`` (or without) stands for; each must exist.

    Parameters
    ----------
    pattern : str or Path or None
    chromosomes : sequence of int

    Returns
    -------
    list of Path
        Empty for None.
    """
    if not pattern:
        return []
    names = [str(pattern).replace(CHROM, str(chrom)) for chrom in chromosomes] if CHROM in str(pattern) else [pattern]
    return [_file(name) for name in names]
