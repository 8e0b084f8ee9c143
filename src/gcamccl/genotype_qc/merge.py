"""Merging harmonised arrays of (mostly) different people with PLINK."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed, strand
from gcamccl.genotype_qc.people_matching import check_twice
from gcamccl.genotype_qc.plink import list_people, plink
from gcamccl.workflow.errors import InputError

MIN_CONCORDANCE = 0.9  # of one person's calls on two arrays; relatives agree far less often, the same person above 0.99

# More SNPs than these that differ between arrays at p < 5e-8, as a share of all and as a number, are worth a warning.
MAX_EFFECT, MIN_EFFECT = 0.001, 5


def extract(prefix, bim, fam, snps, people, codes, out):
    """Write the common SNPs of one array under neutral ids, at their common positions and strand.

    The tables are edited, not the calls: PLINK reads the array's own ``.bed`` with them. Of everything that is left
    out it sees nothing but the calls.

    Parameters
    ----------
    prefix : str or Path
        The array's fileset.
    bim, fam : DataFrame
        Its checked tables.
    snps : DataFrame
        One of `harmonise.Harmonised.snps`.
    people, codes : plink_ids.Codes
        Of the people to keep (not all of them are on this array), and of the common SNPs' ids.
    out : Path
        Prefix of the result. Family id = individual id, no parents (so everybody counts as a founder), no phenotype.
    """
    rows, names = snps["row"].to_numpy(), codes.encode(snps["id"])
    unused = {"chrom": "0", "id": [f"u{row}" for row in range(len(bim))], "cm": 0, "pos": 0, "a1": "A", "a2": "C"}
    edited = pd.DataFrame(unused, index=range(len(bim)), dtype=object)
    edited.iloc[rows] = snps.assign(id=names)[bed.BIM].to_numpy(object)
    bed.write_bim(edited, bed.path(out, ".in.bim"))
    kept = fam["iid"].isin(people.ids).to_numpy()
    ids = np.array([f"u{row}" for row in range(len(fam))], object)
    ids[kept] = people.encode(fam["iid"][kept])
    known_sex = fam["sex"].where(fam["sex"].isin(["1", "2"]), "0")
    bed.write_fam(
        fam.assign(fid=ids, iid=ids, father="0", mother="0", sex=known_sex, phenotype="-9"), bed.path(out, ".in.fam")
    )
    bed.path(out, ".snps").write_text("\n".join(names) + "\n", encoding="utf-8")
    list_people(bed.path(out, ".people"), ids[kept])
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
        the array that has the best call rate; NaN for that array, and where no SNP is called on both), n_compared
        (SNPs), keep (bool). Of arrays that agree the one with the best call rate is kept, of arrays that do not, none;
        an array without a call to compare contradicts nothing.
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
        swap = other_way_round(bims[0], alleles)
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
        agree = all(share >= MIN_CONCORDANCE for share, n in agreement.values() if n)
        for number in rates:
            share, n = agreement[number]
            own = number == best
            rows.append((name, names[number], rates[number], np.nan if own else share, n, own and agree))
    return pd.DataFrame(rows, columns=columns)


def other_way_round(one, other):
    """Where A1 of one table is A2 of the other; alleles may be unknown (0)."""
    first = (one["a1"].to_numpy() == other["a2"].to_numpy()) & (one["a1"] != "0").to_numpy()
    second = (one["a2"].to_numpy() == other["a1"].to_numpy()) & (one["a2"] != "0").to_numpy()
    return first | second


def merge(prefixes, names, people, scratch):
    """Merge filesets with the same SNPs; a person on several arrays is taken from one.

    Parameters
    ----------
    prefixes : list of Path
        Filesets from `extract`, in `scratch`.
    names : list of str
        Names of the arrays.
    people : plink_ids.Codes
    scratch : Path

    Returns
    -------
    prefix : Path
        The merged fileset.
    twice : DataFrame
        From `typed_twice`.
    inputs : dict of str to Path
        Array -> the fileset that was merged; without arrays of which nobody is left.
    """
    scratch = Path(scratch)
    coded = typed_twice(prefixes, names)
    twice = coded.assign(genotype_id=people.decode(coded["genotype_id"]))
    check_twice(twice)
    inputs = {}
    for prefix, name in zip(prefixes, names, strict=True):
        leave = coded["genotype_id"][(coded["array"] == name) & ~coded["keep"].astype(bool)]
        if len(leave):
            if len(leave) == len(bed.read_fam(prefix)):
                continue
            list_people(bed.path(prefix, ".leave"), leave)
            plink("--bfile", prefix, "--remove", bed.path(prefix, ".leave"), "--make-bed", "--out", f"{prefix}.once")
            prefix = Path(f"{prefix}.once")
        inputs[name] = prefix
    if not inputs:
        what = "everybody is on several arrays, with different calls on each"
        raise InputError(" + ".join(names), what, "check which .fam belongs to which .bed")
    merged = scratch / "merged"
    first, *rest = inputs.values()
    if rest:
        # A path in the list ends at its first space, so PLINK runs beside the files.
        (scratch / "merge.list").write_text("".join(f"{prefix.name}\n" for prefix in rest), encoding="utf-8")
        plink(
            "--bfile", first.name, "--merge-list", "merge.list", "--make-bed", "--out", merged.name, folder=scratch
        )  # fmt: skip
    else:
        plink("--bfile", first, "--make-bed", "--out", merged)
    return merged, twice, inputs


def array_effect(table, inputs, merged, say):
    """Whether allele frequencies depend on the array, in what was merged: each array against all others.

    A report, not a filter: an array read differently shows, and so do people of other ancestry on it.

    Parameters
    ----------
    table : DataFrame
        `harmonise.Harmonised.strand`.
    inputs : dict of str to Path
        From `merge`.
    merged : Path
    say : callable

    Returns
    -------
    DataFrame
        `table` with effect_snps (tested: both alleles among the people), effect_p_5e_8 (chi-square test of alleles, 1
        degree of freedom, as ``plink --assoc``, below 5e-8) and effect_lambda (median chi-square by its expected one:
        1 without any difference).
    """
    columns = ["effect_snps", "effect_p_5e_8", "effect_lambda"]
    table = table.assign(**dict.fromkeys(columns, np.nan))
    if len(inputs) < 2:
        return table
    bim = bed.read_bim(merged)
    counts = {}
    for name, prefix in inputs.items():
        own = bed.read_bim(prefix)
        rows = bed.count_calls(prefix, len(own), len(bed.read_fam(prefix)))
        order = pd.Index(own["id"]).get_indexer(bim["id"])
        own, rows = own.iloc[order].reset_index(drop=True), rows[order]
        swap = other_way_round(bim, own)
        copies = 2 * rows[:, 0] + rows[:, 1]
        n = 2 * rows[:, :3].sum(axis=1)
        counts[name] = np.where(swap, n - copies, copies), n
    total = sum(copies for copies, _ in counts.values()), sum(n for _, n in counts.values())
    for name, (copies, n) in counts.items():
        rest = total[0] - copies, total[1] - n
        test = (n > 0) & (rest[1] > 0) & (total[0] > 0) & (total[0] < total[1])
        z = strand.allele_z(copies[test], n[test], rest[0][test], rest[1][test])
        if not len(z):
            continue
        found = int((np.abs(z) > strand.GROSS_Z).sum())
        inflation = float(np.median(z**2) / strand.CHI2_MEDIAN)
        table.loc[table["array"] == name, columns] = [len(z), found, inflation]
        share = found / len(z)
        if share > MAX_EFFECT and found >= MIN_EFFECT:
            say(
                f"WARNING {name}: allele frequencies of {found} of {len(z)} SNPs ({100 * share:.2g} %) differ from the"
                f" other arrays' at p < 5e-8 (lambda {inflation:.2f}): read differently, or people of other ancestry"
            )
    return table
