"""Checks of PLINK filesets before anything is done with them: each finding is one clear line."""

from collections import Counter

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

AUTOSOMES = tuple(str(number) for number in range(1, 23))
# PLINK's numbers for the rest: X, Y, pseudo-autosomal, mitochondrial; 0: unplaced.
CHROMOSOME_NAMES = {"X": "23", "Y": "24", "XY": "25", "PAR1": "25", "PAR2": "25", "MT": "26", "M": "26", "UN": "0"}
CHROMOSOMES = {*AUTOSOMES, "0", "23", "24", "25", "26"}
NUMBERED_ALLELES = {"1": "A", "2": "C", "3": "G", "4": "T"}
SNPS_PER_CHECK = 20_000  # records read at a time
MIN_FOR_GHOSTS = 200  # SNPs at which nobody real carries two copies of A1 throughout
REPACK = "write it again with: plink1.9 --bfile PREFIX --make-bed --out NEW"


def read_fileset(prefix, allow_empty=False):
    """Check a PLINK fileset and read its tables.

    Chromosome names lose ``chr`` and become PLINK's numbers; alleles become upper case letters, 1234 becomes ACGT
    (where 3 or 4 occurs: 1 and 2 alone are numbers of alleles, not of bases).

    Parameters
    ----------
    prefix : str or Path
    allow_empty : bool
        Accept a fileset without SNPs: an empty ``.bim``, and a ``.bed`` of its three magic bytes.

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
        if file.stat().st_size == 0 and not (allow_empty and suffix == ".bim"):
            raise InputError(file, "the file is empty")
    bim, fam = check_bim(prefix), check_fam(prefix)
    check_bed(prefix, len(bim), len(fam))
    return bim, fam


def _table(file, columns):
    """Read a whitespace-separated table whose lines all have the same number of fields."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = []
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if len(fields) != len(columns):
            raise InputError(file, f"line {number} has {len(fields)} fields, not {len(columns)} ({' '.join(columns)})")
        rows.append(fields)
    return pd.DataFrame(rows, columns=columns, dtype=object)


def check_bim(prefix):
    """Read and check a ``.bim``; see `read_fileset`."""
    file = bed.path(prefix, ".bim")
    table = _table(file, bed.BIM)
    position = pd.to_numeric(table["pos"], errors="coerce")
    wrong = position.isna() | (position % 1 != 0)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(file, f"line {row + 1}: position {table['pos'][row]!r} is not a whole number")
    table["pos"] = position.astype(np.int64)
    table["cm"] = pd.to_numeric(table["cm"], errors="coerce").fillna(0.0)
    names = table["chrom"].str.upper().str.removeprefix("CHR")
    table["chrom"] = names.replace(CHROMOSOME_NAMES)
    unknown = ~table["chrom"].isin(CHROMOSOMES)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(
            file, f"line {row + 1}: unknown chromosome {names[row]!r}", "use 1-22, X, Y, XY, MT, with or without chr"
        )
    for column in ("a1", "a2"):
        table[column] = table[column].str.upper()
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
    if used <= {*NUMBERED_ALLELES, "0"}:
        for column in ("a1", "a2"):
            table[column] = table[column].replace(NUMBERED_ALLELES)
    strange = {allele for allele in used if not set(allele) <= set("ACGTNDI0-.<>*1234")}
    if strange:
        row = int(np.flatnonzero(table["a1"].isin(strange) | table["a2"].isin(strange))[0])
        raise InputError(
            file,
            f"line {row + 1}: alleles {table['a1'][row]} {table['a2'][row]} are not A, C, G, T",
            "translate A/B coding to letters with the array's manifest (plink1.9 --update-alleles)",
        )
    return table


def check_fam(prefix):
    """Read and check a ``.fam``; see `read_fileset`."""
    file = bed.path(prefix, ".fam")
    table = _table(file, bed.FAM)
    twice = [name for name, count in Counter(table["iid"]).items() if count > 1]
    if twice:
        lines = (np.flatnonzero(table["iid"] == twice[0]) + 1).tolist()
        raise InputError(
            file,
            f"individual id {twice[0]} is on lines {', '.join(map(str, lines))}"
            + (f", and {len(twice) - 1} more ids repeat" if len(twice) > 1 else ""),
            "give every person of an array an id of their own",
        )
    return table


def check_bed(prefix, n_snps, n_people):
    """Check a ``.bed`` against the numbers of SNPs and people of its ``.bim`` and ``.fam``.

    Four people share a byte, so a ``.fam`` a few lines off may leave the size as it is. Two things tell: the unused
    bits of each record's last byte are zero, and nobody carries two copies of A1 at every SNP.
    """
    file = bed.path(prefix, ".bed")
    size = file.stat().st_size
    with file.open("rb") as handle:
        head = handle.read(3)
    if head[:2] != bed.MAGIC:
        raise InputError(
            file,
            f"not a PLINK 1 .bed: it starts with bytes {head[:2].hex(' ')}, not {bed.MAGIC.hex(' ')}",
            "give the file that PLINK wrote",
        )
    if head[2:] != bytes([bed.SNP_MAJOR]):
        raise InputError(file, "the .bed is not SNP-major (third byte is not 01)", REPACK)
    width = bed.bytes_per_snp(n_people)
    expected = 3 + n_snps * width
    if size != expected:
        what = "truncated" if size < expected else "too long"
        raise InputError(
            file,
            f"{what}: {size} bytes, but {n_snps} SNPs in the .bim and {n_people} people in the .fam need {expected}"
            + _other_explanation(size, n_snps, width),
            "the three files must come from the same write; copy them again",
        )
    if not n_snps:
        return
    packed = np.memmap(file, np.uint8, "r", offset=3, shape=(n_snps, width))
    spare = 4 * width - n_people
    ghosts = np.ones(4 - spare, bool)  # people of the last byte, so far with two copies of A1 everywhere
    for first in range(0, n_snps, SNPS_PER_CHECK):
        last = np.asarray(packed[first : first + SNPS_PER_CHECK, -1])
        if spare and (last >> (8 - 2 * spare)).any():
            row = first + int(np.flatnonzero(last >> (8 - 2 * spare))[0])
            raise InputError(
                file,
                f"SNP {row + 1} holds more calls than the .fam has people ({n_people})",
                f"the .fam has lost lines, or the .bed was written by another program; compare them, or {REPACK}",
            )
        ghosts &= ~np.array([((last >> (2 * slot)) & 3).any() for slot in range(4 - spare)])
    if n_snps >= MIN_FOR_GHOSTS and ghosts[-1]:
        number = int(np.argmin(ghosts[::-1])) if not ghosts.all() else len(ghosts)
        raise InputError(
            bed.path(prefix, ".fam"),
            f"the last {number} of {n_people} lines have no calls of their own in the .bed (two A1 at every SNP)",
            "the .fam has more lines than the .bed has people; use the .fam that was written with it",
        )


def _other_explanation(size, n_snps, width):
    """What number of people or SNPs would fit the size of a ``.bed``, as a hint."""
    body = size - 3
    if body > 0 and n_snps and body % n_snps == 0:
        people = body // n_snps * 4
        return f" (the size fits {people - 3} to {people} people)"
    if body > 0 and body % width == 0:
        return f" (the size fits {body // width} SNPs)"
    return ""


def read_wanted(path):
    """Genotype ids of a participants table.

    Parameters
    ----------
    path : str or Path
        TSV with column ``genotype_id`` and, for messages, ``participant_id``.

    Returns
    -------
    dict of str to str
        Genotype id -> participant id; people without genotypes (``n/a``) are left out.
    """
    table = read_tsv(path, columns=("genotype_id",), dtype=str)
    names = table["participant_id"] if "participant_id" in table else table["genotype_id"]
    wanted = {}
    for number, (name, genotype) in enumerate(zip(names, table["genotype_id"], strict=True), start=2):
        if not isinstance(genotype, str):
            continue
        if genotype in wanted:
            raise InputError(path, f"line {number}: genotype_id {genotype} is already that of {wanted[genotype]}")
        wanted[genotype] = name
    if not wanted:
        raise InputError(path, "nobody has a genotype_id")
    return wanted


def check_wanted(wanted, fams, path):
    """Raise an InputError if a participant's genotype id is in no fileset.

    Parameters
    ----------
    wanted : dict of str to str
        From `read_wanted`.
    fams : list of DataFrame
    path : str or Path
        The participants table, for the message.
    """
    known = {name for fam in fams for name in fam["iid"]}
    absent = [genotype for genotype in wanted if genotype not in known]
    if absent:
        shown = ", ".join(f"{wanted[name]} (genotype_id {name})" for name in absent[:10])
        more = f" and {len(absent) - 10} more" if len(absent) > 10 else ""
        raise InputError(
            path,
            f"the genotype_id of {len(absent)} of {len(wanted)} participants is in no fileset: {shown}{more}",
            "correct genotype_id, or write n/a for people without genotypes",
        )
