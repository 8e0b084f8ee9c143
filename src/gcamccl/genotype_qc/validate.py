"""Checks of PLINK 1 filesets before anything is done with them: each finding is one clear line."""

import re
from collections import Counter

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.validate_bed import check_bed
from gcamccl.workflow.errors import InputError

AUTOSOMES = tuple(str(number) for number in range(1, 23))
# PLINK's numbers for the rest: X, Y, pseudo-autosomal, mitochondrial; 0: unplaced.
CHROMOSOME_NAMES = {"X": "23", "Y": "24", "XY": "25", "PAR1": "25", "PAR2": "25", "MT": "26", "M": "26", "UN": "0"}
CHROMOSOMES = {*AUTOSOMES, "0", "23", "24", "25", "26"}
# Contigs beside the chromosomes as UCSC, GenBank and Ensembl name them, chr taken off: 6_APD_HAP1, UN_GL000220,
# 1_KI270706V1_RANDOM, GL000191.1, NT_113891, HSCHR6_MHC_APD, HLA-A*01:01.
CONTIG = re.compile(r"(UN|\d+|[XY])_\w+|(GL|KI|NT_|NW_|HS|HLA|JH|GJ).+|EBV|NC_007605|HS37D5")
NUMBERED_ALLELES = {"1": "A", "2": "C", "3": "G", "4": "T"}
NO_ID = "."  # as PLINK and VCF write it
MAX_ID = 16_000  # characters of an id: PLINK refuses longer ones
MAX_POSITION = 2**31 - 2  # PLINK's largest
# Control characters, and white space that is none to PLINK: no-break space, line separators, byte order marks inside.
INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]"
)
SYMBOLIC = re.compile(r"<[^<>]*>|\*")  # alleles of a VCF that are no bases
MANY_NULS = 100  # in the first 1000 bytes: UTF-16 without a mark, or no text; fewer: a stray one
GZIP = b"\x1f\x8b"  # first two bytes (RFC 1952)
HEADER = {"CHR", "CHROM", "#CHROM", "SNP", "RSID", "FID", "#FID", "IID", "#IID"}


def read_fileset(prefix, allow_empty=False, say=None):
    """Check a PLINK fileset and read its tables.

    Chromosome names lose ``chr`` and become PLINK's numbers, contigs beside the chromosomes 0 (unplaced); alleles
    become upper case letters, 1234 becomes ACGT (where 3 or 4 occurs: 1 and 2 alone are numbers of alleles, not of
    bases). A byte order mark and carriage returns are ignored.

    Parameters
    ----------
    prefix : str or Path
    allow_empty : bool
        Accept a fileset without SNPs: an empty ``.bim``, and a ``.bed`` of its three magic bytes.
    say : callable, optional
        Called with lines about what is odd but no error: duplicates, order, coding.

    Returns
    -------
    bim : DataFrame
        Columns of `bed.BIM`, rows in file order; chrom text.
    fam : DataFrame
        Columns of `bed.FAM`.

    Raises
    ------
    InputError
        A file is missing, damaged, not SNP-major, does not fit the other two, or codes alleles in a way that cannot
        be merged; names the file, the line where there is one, and what to do.
    """
    for suffix in (".bed", ".bim", ".fam"):
        file = bed.path(prefix, suffix)
        if not file.exists():
            raise InputError(file, "no such file", "a PLINK fileset is PREFIX.bed, PREFIX.bim and PREFIX.fam")
        if file.is_dir():
            raise InputError(file, "this is a folder, not a file")
        if file.stat().st_size == 0 and not (allow_empty and suffix == ".bim"):
            raise InputError(file, "the file is empty")
    bim, fam = check_bim(prefix, say), check_fam(prefix)
    check_bed(prefix, bim, fam, say)
    return bim, fam


def chromosome_names(names):
    """Chromosome names as PLINK's numbers, text: 1 to 22, 23 to 26, 0; a name that is none of these in upper case.

    Parameters
    ----------
    names : Series of str
        With or without ``chr``, in any case, with or without leading zeros.
    """
    plain = names.str.upper().str.removeprefix("CHR")
    plain = plain.str.replace(r"^0+(?=\d)", "", regex=True)
    return plain.replace(CHROMOSOME_NAMES)


def _table(file, columns):
    """Read a whitespace-separated table whose lines all have the same number of fields."""
    lines = _text(file).rstrip().split("\n")
    rows = [line.split() for line in lines]
    if lines == [""]:
        rows = []
    width = len(columns)
    for number, fields in enumerate(rows, start=1):
        if len(fields) != width:
            if not fields:
                raise InputError(file, f"line {number} is blank", "remove it")
            raise InputError(file, f"line {number} has {len(fields)} fields, not {width} ({' '.join(columns)})")
    if rows and HEADER & {field.upper() for field in rows[0][:2]}:
        raise InputError(
            file, f"line 1 is a header ({' '.join(rows[0])}); a {file.suffix} has none", "remove the first line"
        )
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _text(file):
    """Text of a ``.bim`` or ``.fam``, without a byte order mark."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(file, f"cannot be read: {error.strerror}") from None
    if data[:2] == GZIP:
        raise InputError(file, "this file is gzip-compressed", f"unpack it: zcat {file.name} > NEW{file.suffix}")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:1000].count(b"\0") > MANY_NULS:
        raise InputError(file, "not plain text (UTF-16, or not a table at all)", "save it as UTF-8 text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(file, f"line {line} is not UTF-8 text", "save it as UTF-8 text") from None
    strange = INVISIBLE.search(text)
    if strange:
        line = text.count("\n", 0, strange.start()) + 1
        what = f"line {line} holds an invisible character (U+{ord(strange[0]):04X})"
        raise InputError(file, what, "remove it, in the participants table as well")
    return text


def check_bim(prefix, say=None):
    """Read and check a ``.bim``; see `read_fileset`."""
    file = bed.path(prefix, ".bim")
    table = _table(file, bed.BIM)
    position = pd.to_numeric(table["pos"], errors="coerce")
    wrong = position.isna() | (position % 1 != 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(file, f"line {row + 1}: position {table['pos'][row]!r} is not a whole number")
    if (position.abs() > MAX_POSITION).any():
        row = int(np.flatnonzero(position.abs() > MAX_POSITION)[0])
        raise InputError(
            file, f"line {row + 1}: position {table['pos'][row]} is on no chromosome",
            "correct it, or write 0 for a position that is not known",
        )  # fmt: skip
    _check_length(file, table["id"], "an SNP id")
    table["pos"] = position.astype(np.int64)
    table["cm"] = pd.to_numeric(table["cm"], errors="coerce").fillna(0.0)
    table["chrom"] = chromosome_names(table["chrom"])
    contigs = table["chrom"].str.fullmatch(CONTIG)
    table.loc[contigs, "chrom"] = "0"
    unknown = ~table["chrom"].isin(CHROMOSOMES)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(
            file,
            f"line {row + 1}: unknown chromosome {table['chrom'][row]!r}",
            "use 1-22, X, Y, XY, MT, with or without chr",
        )
    lower = int((table["a1"].str.islower() | table["a2"].str.islower()).sum())
    for column in ("a1", "a2"):
        table[column] = table[column].str.upper()
    numbered = _check_alleles(file, table)
    if say:
        _describe(file, table, {"on contigs beside the chromosomes": int(contigs.sum())}, lower, numbered, say)
    return table


def _check_alleles(file, table):
    """Check allele codes and write bases for numbers, in place; returns whether there were numbers."""
    used = {*table["a1"], *table["a2"]}
    numbers = used & {*NUMBERED_ALLELES}
    if numbers and numbers <= {"1", "2"} and not used & {*"ACGT"}:
        row = int(np.flatnonzero(table["a1"].isin(numbers) | table["a2"].isin(numbers))[0])
        raise InputError(
            file,
            f"line {row + 1}: alleles {table['a1'][row]} {table['a2'][row]}; 1/2 coding (plink --recode12) does not say"
            " which base is which",
            "give the fileset from before the recoding, or name the bases by the array's manifest"
            " (plink1.9 --update-alleles)",
        )
    numbered = bool(numbers) and used <= {*NUMBERED_ALLELES, "0"}
    if numbered:
        for column in ("a1", "a2"):
            table[column] = table[column].replace(NUMBERED_ALLELES)
    strange = {a for a in used if not set(a) <= set("ACGTNDI0-.1234") and not SYMBOLIC.fullmatch(a)}
    if strange:
        row = int(np.flatnonzero(table["a1"].isin(strange) | table["a2"].isin(strange))[0])
        raise InputError(
            file,
            f"line {row + 1}: alleles {table['a1'][row]} {table['a2'][row]} are not A, C, G, T",
            "translate A/B coding to letters with the array's manifest (plink1.9 --update-alleles)",
        )
    return numbered


def _check_length(file, ids, what):
    """Ids no longer than PLINK's limit."""
    long = ids.str.len() > MAX_ID
    if long.any():
        row = int(np.flatnonzero(long)[0])
        raise InputError(
            file, f"line {row + 1}: {what} of {len(ids[row])} characters, such as {ids[row][:20]}...",
            f"PLINK takes {MAX_ID} at most; shorten it",
        )  # fmt: skip


def why_no_id(name):
    """Why something cannot be an individual or family id in a PLINK fileset, such as this stage's own; None: it can."""
    if name.startswith("#"):
        return "PLINK skips lines that start with #, and everybody after one would get another person's calls"
    if len(name) > MAX_ID:
        return f"PLINK takes {MAX_ID} characters at most"
    if INVISIBLE.search(name):
        return "it holds an invisible character"
    return {
        "0": "0 is PLINK's word for no id",
        "n/a": "n/a is the participants table's word for no genotypes",
    }.get(name)


def _check_people(file, table):
    """Individual ids that can be used; the family ids of a ``.fam`` only must not start a comment."""
    for row, (fid, iid) in enumerate(zip(table["fid"], table["iid"], strict=True)):
        why = why_no_id(iid) or (why_no_id(fid) if fid.startswith("#") else None)
        if why:
            what = f"line {row + 1}: {fid[:20]} {iid[:20]} cannot be ids: {why}"
            raise InputError(file, what, "rename the person here and in the participants table")


def _describe(file, table, counts, lower, numbered, say):
    """Say what is odd about a ``.bim`` but mended, or resolved when arrays are harmonised."""
    named, placed = table["id"][table["id"] != NO_ID], table[table["pos"] > 0]
    counts = {
        "whose id is on several lines": int(named.duplicated(keep=False).sum()),
        "whose position is on several lines": int(placed.duplicated(["chrom", "pos"], keep=False).sum()),
        "without an id": len(table) - len(named),
        **counts,
        "insertions or deletions": int((table[["a1", "a2"]].isin(["I", "D"])).any(axis=1).sum()),
        "with one allele named twice": int(((table["a1"] == table["a2"]) & (table["a1"] != "0")).sum()),
        "with lower-case alleles, read as upper case": lower,
    }
    found = [f"{count} SNPs {what}" for what, count in counts.items() if count]
    if numbered:
        found.append("alleles 1234, read as ACGT")
    places = table["chrom"].astype(int).to_numpy() * 10**10 + table["pos"].to_numpy()
    if (np.diff(places) < 0).any():
        found.append("not in order of position")
    if found:
        say(f"{file.name}: {', '.join(found)}")


def check_fam(prefix):
    """Read and check a ``.fam``; see `read_fileset`."""
    file = bed.path(prefix, ".fam")
    table = _table(file, bed.FAM)
    _check_people(file, table)
    twice = [name for name, count in Counter(table["iid"]).items() if count > 1]
    if twice:
        lines = (np.flatnonzero(table["iid"] == twice[0]) + 1).tolist()
        joined = not (table["fid"] + "_" + table["iid"]).duplicated().any()
        raise InputError(
            file,
            f"individual id {twice[0]} is on lines {', '.join(map(str, lines))}"
            + (f", and {len(twice) - 1} more ids repeat" if len(twice) > 1 else ""),
            "give every person of an array an id of their own"
            + (", such as family and individual id joined (plink1.9 --update-ids)" if joined else ""),
        )
    return table
