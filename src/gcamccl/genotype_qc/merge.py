"""Merging harmonised arrays of (mostly) different people with PLINK."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.people_matching import check_twice
from gcamccl.genotype_qc.plink import plink
from gcamccl.workflow.errors import InputError

MIN_CONCORDANCE = 0.9  # of one person's calls on two arrays; relatives agree far less often, the same person above 0.99


def extract(prefix, bim, fam, snps, people, out):
    """Write the common SNPs of one array under their common names, positions and strand.

    The tables are edited, not the calls: PLINK reads the array's own ``.bed`` with them.

    Parameters
    ----------
    prefix : str or Path
        The array's fileset.
    bim, fam : DataFrame
        Its checked tables.
    snps : DataFrame
        One of `harmonise.Harmonised.snps`.
    people : set of str
        Individual ids to keep.
    out : Path
        Prefix of the result. Family id = individual id, no parents (so everybody counts as a founder), no phenotype.
    """
    edited = bim.copy()
    edited["id"] = [f"unused-{row}" for row in range(len(bim))]
    columns = ["chrom", "id", "cm", "pos", "a1", "a2"]
    edited[columns] = edited[columns].astype(object)
    edited.iloc[snps["row"].to_numpy(), [edited.columns.get_loc(c) for c in columns]] = snps[columns].to_numpy()
    bed.write_bim(edited, bed.path(out, ".in.bim"))
    bed.write_fam(fam.assign(fid=fam["iid"], father="0", mother="0", phenotype="-9"), bed.path(out, ".in.fam"))
    bed.path(out, ".snps").write_text("\n".join(snps["id"]) + "\n", encoding="utf-8")
    kept = fam["iid"][fam["iid"].isin(people)]
    bed.path(out, ".people").write_text("".join(f"{name}\t{name}\n" for name in kept), encoding="utf-8")
    plink(
        "--bed", bed.path(prefix, ".bed"), "--bim", bed.path(out, ".in.bim"), "--fam", bed.path(out, ".in.fam"),
        "--extract", bed.path(out, ".snps"), "--keep", bed.path(out, ".people"), "--make-bed", "--out", out,
    )  # fmt: skip


def typed_twice(prefixes, names):
    """Compare people who are on several arrays.

    Parameters
    ----------
    prefixes : list of Path
        Filesets from `extract`: the same SNPs.
    names : list of str
        Names of the arrays.

    Returns
    -------
    DataFrame
        One row per such person and array: genotype_id, array, call_rate, concordance (share of equal calls, with
        the array that has the best call rate; NaN for that array), n_compared (SNPs), keep (bool). Of arrays that
        agree the one with the best call rate is kept, of arrays that do not, none.
    """
    fams = [bed.read_fam(prefix) for prefix in prefixes]
    where = defaultdict(list)
    for number, fam in enumerate(fams):
        for row, name in enumerate(fam["iid"]):
            where[name].append((number, row))
    where = {name: places for name, places in where.items() if len(places) > 1}
    columns = ["genotype_id", "array", "call_rate", "concordance", "n_compared", "keep"]
    if not where:
        return pd.DataFrame(columns=columns)
    bims = [bed.read_bim(prefix) for prefix in prefixes]
    ids = bims[0]["id"]
    calls = {}
    for number, (prefix, fam, bim) in enumerate(zip(prefixes, fams, bims, strict=True)):
        people = [(name, row) for name, places in where.items() for array, row in places if array == number]
        copies = bed.read_people(prefix, len(bim), len(fam), [row for _, row in people])
        order = pd.Series(np.arange(len(bim)), index=bim["id"]).reindex(ids).to_numpy()
        copies, alleles = copies[order], bim.iloc[order].reset_index(drop=True)
        swap = _other_way_round(bims[0], alleles)
        copies = np.where(swap[:, None] & (copies >= 0), 2 - copies, copies)
        for column, (name, _) in enumerate(people):
            calls[name, number] = copies[:, column]
    rows = []
    for name, places in where.items():
        rates = {number: float((calls[name, number] >= 0).mean()) for number, _ in places}
        best = max(rates, key=lambda number: (rates[number], -number))
        agreement = {}
        for number in rates:
            one, other = calls[name, number], calls[name, best]
            both = (one >= 0) & (other >= 0)
            agreement[number] = (float((one == other)[both].mean()) if both.any() else np.nan, int(both.sum()))
        agree = all(share >= MIN_CONCORDANCE for share, _ in agreement.values())
        for number in rates:
            share, n = agreement[number]
            own = number == best
            rows.append((name, names[number], rates[number], np.nan if own else share, n, own and agree))
    return pd.DataFrame(rows, columns=columns)


def _other_way_round(one, other):
    """Where A1 of one table is A2 of the other; alleles may be unknown (0)."""
    first = (one["a1"].to_numpy() == other["a2"].to_numpy()) & (one["a1"] != "0").to_numpy()
    second = (one["a2"].to_numpy() == other["a1"].to_numpy()) & (one["a2"] != "0").to_numpy()
    return first | second


def merge(prefixes, names, scratch):
    """Merge filesets with the same SNPs; a person on several arrays is taken from one.

    Returns
    -------
    prefix : Path
        The merged fileset.
    twice : DataFrame
        From `typed_twice`.
    """
    scratch = Path(scratch)
    twice = typed_twice(prefixes, names)
    check_twice(twice)
    inputs = []
    for prefix, name in zip(prefixes, names, strict=True):
        leave = twice["genotype_id"][(twice["array"] == name) & ~twice["keep"].astype(bool)]
        if len(leave):
            if len(leave) == len(bed.read_fam(prefix)):
                continue
            bed.path(prefix, ".leave").write_text("".join(f"{i}\t{i}\n" for i in leave), encoding="utf-8")
            plink("--bfile", prefix, "--remove", bed.path(prefix, ".leave"), "--make-bed", "--out", f"{prefix}.once")
            prefix = Path(f"{prefix}.once")
        inputs.append(prefix)
    if not inputs:
        what = "everybody is on several arrays, with different calls on each"
        raise InputError(" + ".join(names), what, "check which .fam belongs to which .bed")
    merged = scratch / "merged"
    if len(inputs) == 1:
        plink("--bfile", inputs[0], "--make-bed", "--out", merged)
    else:
        (scratch / "merge.list").write_text("".join(f"{prefix}\n" for prefix in inputs[1:]), encoding="utf-8")
        plink("--bfile", inputs[0], "--merge-list", scratch / "merge.list", "--make-bed", "--out", merged)
    return merged, twice
