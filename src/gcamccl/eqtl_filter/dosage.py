"""The imputed filesets: their SNPs and people, the loci's own fileset, its dosages, and expected copies."""

import glob
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.validate import read_fileset
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

IMPUTED = "give the filesets of the impute stage"


@dataclass(frozen=True)
class Filled:
    """Calls of the loci that were filled in.

    Attributes
    ----------
    person, locus : int64 array (calls,)
        Row of the people, number of the locus.
    expected : float32 array (calls,)
        Expected copies of A1, 0 to 2.
    """

    person: np.ndarray
    locus: np.ndarray
    expected: np.ndarray


def read_snps(prefixes):
    """SNPs of all chromosomes in genome order, and the people they share.

    Parameters
    ----------
    prefixes : list of str or Path

    Returns
    -------
    snps : DataFrame
        snp_id, chrom (text), pos, a1, a2, cm, n_imputed and imputed_from (from ``PREFIX.snps.tsv``, if there is one),
        file (number of the prefix), row (line of its ``.bim``).
    fam : DataFrame
        `bed.FAM` columns.

    Raises
    ------
    InputError
        No SNP anywhere, a SNP in two filesets, or other people in one of them.
    """
    tables, first = [], None
    for number, prefix in enumerate(prefixes):
        bim, fam = read_fileset(prefix, allow_empty=True)
        first = fam if first is None else first
        if list(fam["iid"]) != list(first["iid"]):
            raise InputError(bed.path(prefix, ".fam"), f"its people are not those of {prefixes[0]}", "impute together")
        table = bim.rename(columns={"id": "snp_id"}).assign(file=number, row=np.arange(len(bim)))
        tables.append(table.join(_imputed(prefix, bim)))
    snps = pd.concat(tables, ignore_index=True)
    if not len(snps):
        raise InputError(" ".join(map(str, prefixes)), "no SNPs in any fileset")
    twice = snps[snps["snp_id"].duplicated()]
    if len(twice):
        raise InputError(
            bed.path(prefixes[twice["file"].iloc[0]], ".bim"), f"SNP {twice['snp_id'].iloc[0]} appears twice"
        )
    order = np.lexsort((snps["pos"], snps["chrom"].astype(int)))
    return snps.iloc[order].reset_index(drop=True), first


def _imputed(prefix, bim):
    """n_imputed and imputed_from of each SNP; missing where nobody wrote it down."""
    path = bed.path(prefix, ".snps.tsv")
    result = pd.DataFrame({"n_imputed": pd.array([pd.NA] * len(bim), "Int64"), "imputed_from": None}, index=bim.index)
    if path.exists() and len(bim):
        table = read_tsv(path, columns=("snp_id", "n_imputed", "source"), dtype={"snp_id": str}).set_index("snp_id")
        if table.index.has_duplicates:
            raise InputError(path, f"SNP {table.index[table.index.duplicated()][0]} is on two lines")
        table = table.reindex(bim["id"])
        result["n_imputed"] = table["n_imputed"].astype("Int64").array
        result["imputed_from"] = table["source"].where(table["n_imputed"] > 0, None).to_numpy(object)
    return result


def write_loci(prefixes, loci, fam, prefix):
    """Write the loci as one PLINK fileset, A1 and A2 as they are, in the order of `loci`.

    Parameters
    ----------
    prefixes : list of str or Path
        Imputed filesets.
    loci : DataFrame
        From `read_snps`.
    fam : DataFrame
    prefix : str or Path
        Gets ``.bed``, ``.bim`` and ``.fam``.

    Raises
    ------
    InputError
        A call is missing: the filesets are not imputed.
    """
    calls = np.empty((len(loci), len(fam)), np.int8)
    for number in np.unique(loci["file"]):
        here = np.flatnonzero(loci["file"] == number)
        calls[here] = bed.read_bed(prefixes[number], len(fam), loci["row"].to_numpy()[here])
    missing = (calls == bed.MISSING).any(axis=1)
    if missing.any():
        locus = loci.iloc[int(np.argmax(missing))]
        raise InputError(bed.path(prefixes[locus["file"]], ".bed"), f"SNP {locus['snp_id']} has missing calls", IMPUTED)
    bed.write_fileset(prefix, calls, loci.rename(columns={"snp_id": "id"}), fam)


def read_dosage(prefix):
    """Dosage matrix of a fileset, read with pandas-plink.

    The counted allele is A1, the first allele of the ``.bim`` (pandas-plink calls it a0, and by default counts the
    other); ``plink2 --export A`` counts the same.

    Returns
    -------
    float32 array (people, SNPs)
        NaN: call missing.
    """
    from pandas_plink import read_plink1_bin

    bim, fam = bed.read_bim(prefix), bed.read_fam(prefix)
    with tempfile.TemporaryDirectory() as folder:
        # It takes a quote in an id for the start of a quoted field, so ids are numbers here.
        plain = Path(folder) / "plain"
        bed.write_bim(bim.assign(id=range(len(bim))), bed.path(plain, ".bim"))
        bed.write_fam(fam.assign(fid=range(len(fam)), iid=range(len(fam))), bed.path(plain, ".fam"))
        # It takes shell patterns, and uses a pandas keyword that is going away.
        files = [bed.path(prefix, ".bed"), bed.path(plain, ".bim"), bed.path(plain, ".fam")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            calls = read_plink1_bin(*(glob.escape(str(file)) for file in files), verbose=False, ref="a0")
        return calls.compute().to_numpy().astype(np.float32, copy=False)


def read_filled(prefixes, snps, loci, n_people, required):
    """Calls of the loci that imputation has filled in, from each ``PREFIX.dosage.npz`` of the impute stage.

    Its arrays: row int32 (line of the ``.bim``), person int32 (line of the ``.fam``), dosage float32 (expected copies
    of A1, 0 to 2); one entry a call filled in.

    Parameters
    ----------
    prefixes : list of str or Path
    snps, loci : DataFrame
        From `read_snps`: all SNPs, and those wanted.
    n_people : int
    required : bool
        Whether a missing file is an error.

    Returns
    -------
    Filled or None
        None where a file is missing.

    Raises
    ------
    InputError
        A file is missing though required, damaged, or does not belong to its fileset.
    """
    people, columns, values = [], [], []
    for number, prefix in enumerate(prefixes):
        own = snps[snps["file"] == number]
        if not len(own):
            continue
        path = bed.path(prefix, ".dosage.npz")
        if not path.exists():
            if not required:
                return None
            raise InputError(
                path,
                "no such file, and eqtl_filter.filled_calls is expected",
                "impute with a method that gives expected dosages, or set filled_calls: hard",
            )
        row, person, dosage = _read_npz(path)
        _check_filled(path, row, person, dosage, own, n_people)
        locus_of = np.full(len(own), -1)
        here = np.flatnonzero(loci["file"] == number)
        locus_of[loci["row"].to_numpy()[here]] = here
        kept = locus_of[row] >= 0
        people.append(person[kept])
        columns.append(locus_of[row[kept]])
        values.append(dosage[kept])
    return Filled(*(np.concatenate(parts or [np.zeros(0, int)]) for parts in (people, columns, values)))


def _read_npz(path):
    """row, person, dosage of a file of expected copies."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            row, person, dosage = (arrays[name] for name in ("row", "person", "dosage"))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(path, f"not the arrays row, person, dosage: {error}", IMPUTED) from None
    return row.astype(np.int64), person.astype(np.int64), dosage.astype(np.float32)


def _check_filled(path, row, person, dosage, own, n_people):
    """Raise an InputError unless the entries can be of this fileset."""
    if not row.shape == person.shape == dosage.shape == (len(row),):
        raise InputError(
            path, f"row, person and dosage have {row.shape}, {person.shape}, {dosage.shape} values", IMPUTED
        )
    inside = (row >= 0) & (row < len(own)) & (person >= 0) & (person < n_people)
    if not inside.all():
        raise InputError(path, f"a call lies outside the {len(own)} SNPs and {n_people} people of the fileset", IMPUTED)
    if not ((dosage >= 0) & (dosage <= 2)).all():  # False for NaN as well
        raise InputError(path, "a dosage is not within 0 to 2", IMPUTED)
    if len(np.unique(row * n_people + person)) < len(row):
        raise InputError(path, "a call is in it twice", IMPUTED)
    own = own.sort_values("row").reset_index(drop=True)
    counts = np.bincount(row, minlength=len(own))
    if own["n_imputed"].notna().all():
        known = own["n_imputed"].to_numpy(np.int64)
        if (counts != known).any():
            line = int(np.argmax(counts != known))
            what = f"{counts[line]} calls of SNP {own['snp_id'][line]}, but {known[line]} were filled in"
            raise InputError(path, what, IMPUTED)
