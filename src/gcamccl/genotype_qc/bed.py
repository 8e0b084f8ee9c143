"""PLINK 1 binary filesets as tables and arrays.

Genotypes are int8 arrays of shape (SNPs, people) that count copies of **A1**, the first allele column of the
``.bim``; -1: call missing. That is what ``plink2 --export A`` counts for the same allele (a test holds it to that).
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

MAGIC = bytes([0x6C, 0x1B])
SNP_MAJOR = 1
MISSING = -1
BIM = ["chrom", "id", "cm", "pos", "a1", "a2"]
FAM = ["fid", "iid", "father", "mother", "sex", "phenotype"]

# Two bits a call, lowest bits first: 00 two A1, 01 missing, 10 one A1, 11 no A1 (PLINK 1 .bed specification).
_COPIES = np.array([2, MISSING, 1, 0], np.int8)
_DECODE = _COPIES[(np.arange(256)[:, None] >> np.array([0, 2, 4, 6])) & 3]
# Calls of a byte in three fields of 21 bits (two A1, one A1, none): sums of up to two million people do not overflow.
_FIELD = 21
_CALLS_IN_BYTE = sum(
    (copies == _DECODE).sum(axis=1).astype(np.int64) << _FIELD * n for n, copies in enumerate((2, 1, 0))
)
_CODES = np.array([3, 2, 0, 1], np.uint8)  # of 0, 1, 2 copies and -1


def path(prefix, suffix):
    """``prefix`` + ``suffix`` (prefixes may contain dots)."""
    return Path(f"{prefix}{suffix}")


def bytes_per_snp(n_people):
    """Bytes of one SNP's record: four people share a byte."""
    return (n_people + 3) // 4


def read_bim(prefix):
    """Read a ``.bim``: DataFrame with `BIM` columns; chrom, id and alleles are text, pos int64 (bp).

    Quotes mean nothing in a ``.bim`` or ``.fam``.
    """
    table = _read(path(prefix, ".bim"), BIM)
    return table.astype({"pos": np.int64, "cm": float})


def read_fam(prefix):
    """Read a ``.fam``: DataFrame with `FAM` columns, all text."""
    return _read(path(prefix, ".fam"), FAM)


def _read(file, columns):
    if file.stat().st_size == 0:
        return pd.DataFrame({column: pd.Series(dtype=str) for column in columns})
    return pd.read_csv(
        file, sep=r"\s+", header=None, names=columns, dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE,
        encoding="utf-8",
    )  # fmt: skip


def write_bim(table, file):
    """Write a DataFrame with `BIM` columns."""
    table[BIM].to_csv(file, sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE)


def write_fam(table, file):
    """Write a DataFrame with `FAM` columns."""
    table[FAM].to_csv(file, sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE)


def read_bed(prefix, n_people, rows):
    """Read calls of some SNPs.

    Parameters
    ----------
    prefix : str or Path
    n_people : int
        Lines of the ``.fam``.
    rows : array_like of int
        Which SNPs, as row numbers of the ``.bim``.

    Returns
    -------
    int8 array (len(rows), n_people)
        Copies of A1, -1 missing.
    """
    rows = np.asarray(rows, np.int64)
    if not len(rows):
        return np.zeros((0, n_people), np.int8)
    width = bytes_per_snp(n_people)
    packed = np.memmap(path(prefix, ".bed"), np.uint8, "r", offset=3)
    packed = packed[: len(packed) // width * width].reshape(-1, width)
    return _DECODE[packed[rows]].reshape(len(rows), -1)[:, :n_people]


def read_people(prefix, n_snps, n_people, people, snps_at_once=20_000):
    """Calls of some people at all SNPs, int8 (n_snps, len(people)), a block of SNPs at a time."""
    result = np.empty((n_snps, len(people)), np.int8)
    for first in range(0, n_snps, snps_at_once):
        rows = np.arange(first, min(first + snps_at_once, n_snps))
        result[rows] = read_bed(prefix, n_people, rows)[:, people]
    return result


def count_calls(prefix, n_snps, n_people, snps_at_once=20_000):
    """Count the calls of each SNP on the packed bytes, without unpacking them.

    Returns
    -------
    int64 array (n_snps, 4)
        People with two copies of A1, with one, with none, and without a call.
    """
    result = np.zeros((n_snps, 4), np.int64)
    if not n_snps:
        return result
    width = bytes_per_snp(n_people)
    packed = np.memmap(path(prefix, ".bed"), np.uint8, "r", offset=3, shape=(n_snps, width))
    spare = 4 * width - n_people  # unused slots of the last byte; as zero bits they read as two A1
    for first in range(0, n_snps, snps_at_once):
        block = np.array(packed[first : first + snps_at_once])
        block[:, -1] &= (1 << 2 * (4 - spare)) - 1  # some programs leave other bits there
        sums = _CALLS_IN_BYTE[block].sum(axis=1)
        for column in range(3):
            result[first : first + snps_at_once, column] = sums >> _FIELD * column & ((1 << _FIELD) - 1)
    result[:, 0] -= spare
    result[:, 3] = n_people - result[:, :3].sum(axis=1)
    return result


def pack(calls):
    """Copies of A1, -1 missing, int8 (SNPs, people), as the records of a ``.bed``, uint8 (SNPs, bytes)."""
    calls = np.asarray(calls, np.int8)
    n_snps, n_people = calls.shape
    codes = np.zeros((n_snps, bytes_per_snp(n_people) * 4), np.uint8)
    codes[:, :n_people] = _CODES[calls]
    quads = codes.reshape(n_snps, bytes_per_snp(n_people), 4)
    return (quads[..., 0] | quads[..., 1] << 2 | quads[..., 2] << 4 | quads[..., 3] << 6).astype(np.uint8)


def write_bed(calls, file):
    """Write an int8 array (SNPs, people), copies of A1 and -1 for missing, as a SNP-major ``.bed``."""
    with Path(file).open("wb") as handle:
        handle.write(MAGIC + bytes([SNP_MAJOR]))
        handle.write(pack(calls).tobytes())


def write_fileset(prefix, calls, bim, fam):
    """Write ``prefix``.bed, .bim and .fam; with no SNP, a .bed of its three magic bytes and an empty .bim."""
    write_bed(calls, path(prefix, ".bed"))
    write_bim(bim, path(prefix, ".bim"))
    write_fam(fam, path(prefix, ".fam"))
