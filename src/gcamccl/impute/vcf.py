"""Calls to VCF and back, fast; and fields of anybody's VCF or BCF at chosen positions.

Everything the programs are given is written here under plain names in a folder of its own: people by number, one name
for the chromosome, no spaces in paths.
"""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.plink import ToolError, last_error, run
from gcamccl.workflow.errors import InputError

GZIP = b"\x1f\x8b"
BGZF_EXTRA = b"BC\x02\x00"  # at byte 12 of a block (SAM specification, section 4.1)
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # the same: its last block
HEAD = '##fileformat=VCFv4.2\n##FILTER=<ID=PASS,Description="All filters passed">\n##contig=<ID={chrom}>\n'
GT_LINE = '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
# A call and the tab after it are four bytes, so a SNP's calls are one look-up; the last entry serves -1, missing.
_CALLS = np.frombuffer(b"0/0\t0/1\t1/1\t./.\t", np.uint32)


def header(chrom, n_people, letter):
    """Header of a VCF of one chromosome; people are called `letter` and their number from 0."""
    names = [f"{letter}{number}" for number in range(n_people)]
    return HEAD.format(chrom=chrom) + GT_LINE + "\t".join([*COLUMNS, *names]) + "\n"


def write_calls(path, chrom, positions, ref, alt, copies):
    """Write unphased calls as VCF.

    Parameters
    ----------
    path : str or Path
    chrom : str
    positions : int array (SNPs,)
        Ascending, bp.
    ref, alt : sequence of str
    copies : int8 array (SNPs, people)
        Copies of alt, -1 missing.
    """
    with Path(path).open("wb") as handle:
        handle.write(header(chrom, copies.shape[1], "s").encode())
        for pos, one, two, row in zip(positions, ref, alt, copies, strict=True):
            handle.write(f"{chrom}\t{pos}\t.\t{one}\t{two}\t.\tPASS\t.\tGT\t".encode())
            handle.write(_CALLS[row].tobytes()[:-1] + b"\n")


def read_calls(path, n_people):
    """Read a VCF whose first FORMAT field is GT.

    Parameters
    ----------
    path : str or Path
        Plain or gzipped.
    n_people : int

    Returns
    -------
    sites : DataFrame
        pos (int64), ref, alt.
    copies : int8 array (SNPs, people)
        Copies of alt, -1 missing.
    """
    places, rows = [], []
    with open_vcf(path) as handle:
        for line in handle:
            if line.startswith(b"#"):
                continue
            *fields, calls = line.rstrip(b"\n").split(b"\t", 9)
            places.append((int(fields[1]), fields[3].decode(), fields[4].decode()))
            rows.append(_copies(calls, n_people))
    sites = pd.DataFrame(places, columns=["pos", "ref", "alt"]).astype({"pos": np.int64})
    return sites, np.array(rows, np.int8).reshape(len(rows), n_people)


def _copies(calls, n_people):
    """Copies of alt of one record's calls (bytes); a call may be followed by other fields."""
    if len(calls) != 4 * n_people - 1:
        calls = b"\t".join(call[:3] for call in calls.split(b"\t"))
    letters = np.frombuffer(calls + b"\t", np.uint8).reshape(n_people, 4)
    copies = (letters[:, 0] == ord("1")).astype(np.int8) + (letters[:, 2] == ord("1"))
    copies[(letters[:, 0] == ord(".")) | (letters[:, 2] == ord("."))] = -1
    return copies


def read_dosages(table, n_heads, n_people):
    """Read a table of `bcftools query`: some fields, then a number a person, ``.`` where there is none.

    Returns
    -------
    heads : list of tuple of str
    values : float32 array (lines, people)
        NaN: none.
    """
    heads, rows = [], []
    with Path(table).open("rb") as handle:
        for line in handle:
            *fields, numbers = line.rstrip(b"\n").split(b"\t", n_heads)
            heads.append(tuple(field.decode() for field in fields))
            numbers = re.sub(rb"(?<![^\t])\.(?![^\t])", b"nan", numbers) if b"." in numbers else numbers
            rows.append(np.fromstring(numbers.decode(), np.float32, sep="\t"))
            if len(rows[-1]) != n_people:
                raise InputError(table, f"line {len(rows)}: {len(rows[-1])} numbers for {n_people} people")
    return heads, np.array(rows, np.float32).reshape(len(rows), n_people)


def to_bcf(path):
    """BCF with index beside a VCF of ours, which is what SHAPEIT4 and minimac4 read; returns its path."""
    bcf = Path(path).with_suffix(".bcf")
    run(["bcftools", "view", "--output-type", "b", "--output", bcf, path])
    run(["bcftools", "index", "--force", bcf])
    return bcf


def open_vcf(path):
    """Open a plain or gzipped VCF to read bytes."""
    with Path(path).open("rb") as handle:
        zipped = handle.read(2) == GZIP
    return gzip.open(path, "rb") if zipped else Path(path).open("rb")


def check_whole(path):
    """Raise an InputError if a VCF or BCF is missing, empty or cut off.

    bcftools 1.16 ends with status 0 on a truncated file, so its last block is looked at here.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file")
    with path.open("rb") as handle:
        start = handle.read(16)
        handle.seek(max(0, path.stat().st_size - len(BGZF_END)))
        end = handle.read()
    if not start:
        raise InputError(path, "the file is empty")
    cut = end != BGZF_END if start[:2] == GZIP and start[12:16] == BGZF_EXTRA else False
    if not start.startswith(GZIP):
        cut = not end.endswith(b"\n")
    if cut:
        raise InputError(path, "the file is truncated", "copy or download it again")


def samples(path):
    """Names of the people in a VCF or BCF."""
    return _bcftools(path, ["query", "--list-samples"]).split("\n")[:-1]


def fields(path):
    """Names of the INFO and FORMAT fields that a VCF or BCF declares: two sets of str."""
    text = _bcftools(path, ["view", "--header-only"])
    return tuple(set(re.findall(rf"##{kind}=<ID=([^,>]+)", text)) for kind in ("INFO", "FORMAT"))


def chromosomes(path):
    """Names of the chromosomes that have variants in a VCF or BCF (reads all of it)."""
    return sorted(set(_bcftools(path, ["query", "--format", "%CHROM\n"]).split()))


def names_of(chromosome):
    """What a chromosome may be called in somebody's VCF: ``22``, ``chr22`` and so on."""
    return [f"{prefix}{chromosome}" for prefix in ("", "chr", "CHR", "Chr")]


def at_positions(path, chromosome, positions, columns, out):
    """Write the records of a VCF or BCF at some positions as a table.

    The chromosome may have any of its names (`names_of`) in the file. Where it has an index only those places are read,
    else all of it.

    Parameters
    ----------
    path : str or Path
    chromosome : str
    positions : int array
    columns : str
        What to write of a record, in the language of ``bcftools query --format``.
    out : Path
        The table; its folder also gets the list of positions.

    Raises
    ------
    InputError
        Not a readable VCF.
    """
    targets = Path(out).with_suffix(".positions")
    wanted = np.unique(np.asarray(positions, np.int64))
    wanted = wanted[wanted > 0]
    with targets.open("w", encoding="ascii") as handle:
        for name in names_of(chromosome):
            handle.writelines(f"{name}\t{position}\n" for position in wanted.tolist())
    indexed = any(Path(f"{path}{suffix}").is_file() for suffix in (".csi", ".tbi"))
    which = ["--regions-file", targets, "--regions-overlap", "pos"] if indexed else ["--targets-file", targets]
    _bcftools(path, ["query", "--format", columns, "--output", out, *which])


def _bcftools(path, words):
    """Run bcftools on a file that is not ours; its complaints become an InputError, also where it ends with status 0.

    Returns its output without warnings.
    """
    try:
        text = run(["bcftools", *words, path])
    except ToolError as error:
        raise InputError(path, f"not a readable VCF: {error}") from None
    if "[E::" in text:
        raise InputError(path, f"not a readable VCF: {last_error(text)}")
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("[W::"))
