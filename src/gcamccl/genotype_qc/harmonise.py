"""Which SNP of one array is which of another, and on which strand: decided on the tables, before PLINK sees them.

The first array sets names, positions and strand. A SNP of another array is the same if it has the same id, else if it
has the same position. Alleles then tell the strand. What cannot be told is dropped, with its reason. A SNP without an
id (``.``) is known by its position only.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.validate import AUTOSOMES
from gcamccl.workflow.errors import InputError

# An allele is a bit, a set of alleles the sum of its bits; 0: none known.
BITS = {"0": 0, "A": 1, "C": 2, "G": 4, "T": 8}
COMPLEMENT = np.array([sum(8 >> bit for bit in range(4) if mask >> bit & 1) for mask in range(16)])
AMBIGUOUS = (BITS["A"] | BITS["T"], BITS["C"] | BITS["G"])
SIZE = np.array([bin(mask).count("1") for mask in range(16)])
MAX_MOVED = 0.5  # of the SNPs that two arrays share by id; more at other positions: another genome build
MIN_FOR_BUILD_CHECK = 50
NO_ID = "."  # as PLINK and VCF write it
FLIP = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True)
class Harmonised:
    """What `harmonise` decided.

    Attributes
    ----------
    snps : list of DataFrame
        One an array: the SNPs all arrays share, in the order of the first array. Columns row (line of the array's
        ``.bim``, from 0), chrom, id, cm, pos, a1, a2 as they are to be written, and array_id (as on the array).
    table : DataFrame
        id, array, array_id, action (kept, renamed, flipped, renamed+flipped).
    dropped : DataFrame
        id (as on the array; chrom:pos where it has none), array, step, reason.
    usable : list of int
        SNPs of each array that can be used at all.
    """

    snps: list
    table: pd.DataFrame
    dropped: pd.DataFrame
    usable: list


def harmonise(bims, missing, names, keep_ambiguous=False):
    """Reconcile the SNPs of several arrays.

    Parameters
    ----------
    bims : list of DataFrame
        Checked ``.bim`` tables (`validate.read_fileset`), one an array.
    missing : list of float array
        Share of missing calls per SNP of each array: of two probes for one SNP the one with fewer is kept.
    names : list of str
        Names of the arrays, for the tables.
    keep_ambiguous : bool
        Keep A/T and C/G SNPs as they are.

    Returns
    -------
    Harmonised

    Raises
    ------
    InputError
        Two arrays are on different genome builds, or no SNP is common to all.
    """
    dropped = []
    bims = [_named(bim) for bim in bims]
    tables = [
        _usable(bim, share, name, keep_ambiguous, dropped)
        for bim, share, name in zip(bims, missing, names, strict=True)
    ]
    usable = [len(table) for table in tables]
    base = tables[0]
    chosen = [base.index.to_numpy()]
    flips = [np.zeros(len(base), bool)]
    masks = base["mask"].to_numpy().copy()
    for table, name in zip(tables[1:], names[1:], strict=True):
        partner, moved = _partners(base, table, name, names[0])
        flip = np.zeros(len(base), bool)
        found = partner >= 0
        other = np.where(found, table["mask"].to_numpy()[partner], 0)
        turned = COMPLEMENT[other]
        same = _contained(masks, other)
        flip = found & ~same & _contained(masks, turned)
        unlike = found & ~same & ~flip
        _drop(dropped, table["id"].to_numpy()[partner[moved]], name, "position_differs")
        _drop(dropped, table["id"].to_numpy()[partner[unlike]], name, "alleles_irreconcilable")
        keep = found & ~moved & ~unlike
        masks = np.where(keep, masks | np.where(flip, turned, other), masks)
        chosen.append(np.where(keep, table.index.to_numpy()[partner], -1))
        flips.append(flip)
        unmatched = np.ones(len(table), bool)
        unmatched[partner[found]] = False
        _drop(dropped, table["id"].to_numpy()[unmatched], name, f"not_on_{names[0]}")
    # Two arrays with one known allele each may make an ambiguous pair, or three alleles, only together.
    unclear = np.isin(masks, AMBIGUOUS) & (not keep_ambiguous)
    common = np.all([rows >= 0 for rows in chosen], axis=0)
    _drop(dropped, base["id"].to_numpy()[~common], names[0], "not_common_to_all_arrays")
    _drop(dropped, base["id"].to_numpy()[common & unclear], names[0], "strand_ambiguous")
    keep = common & ~unclear
    if not keep.any():
        raise InputError(" + ".join(names), "no SNP is common to all arrays", "check ids, positions and genome builds")
    return _result(bims, names, [rows[keep] for rows in chosen], [f[keep] for f in flips], dropped, usable)


def _drop(dropped, ids, array, reason):
    dropped.extend((name, array, "harmonise", reason) for name in ids)


def _named(bim):
    """Name SNPs without an id by chrom:pos, or chrom:pos:a1:a2 where that is taken; adds array_id and nameless."""
    nameless = bim["id"] == NO_ID
    place = bim["chrom"].astype(str) + ":" + bim["pos"].astype(str)
    name = bim["id"].where(~nameless, place)
    taken = nameless & name.duplicated(keep=False)
    name = name.where(~taken, place + ":" + bim["a1"] + ":" + bim["a2"])
    return bim.assign(array_id=bim["id"], id=name, nameless=nameless)


def _usable(bim, missing, array, keep_ambiguous, dropped):
    """SNPs of one array that can be used at all; index: line of the ``.bim``; column mask: its alleles."""
    table = bim.assign(missing=missing)
    a1, a2 = (table[column].map(BITS) for column in ("a1", "a2"))
    table["mask"] = (a1.fillna(0).astype(int) | a2.fillna(0).astype(int)).to_numpy()
    steps = [
        ("not_autosomal", lambda t: t["chrom"].isin(AUTOSOMES) & (t["pos"] > 0)),
        ("not_a_snp", lambda t: t["a1"].isin(BITS) & t["a2"].isin(BITS)),
        ("no_calls", lambda t: t["mask"] > 0),
        ("duplicate_probe", _best_probe),
    ]
    if not keep_ambiguous:
        steps.append(("strand_ambiguous", lambda t: ~t["mask"].isin(AMBIGUOUS)))
    for reason, test in steps:
        good = test(table)
        _drop(dropped, table["id"][~good], array, reason)
        table = table[good]
    return table


def _best_probe(table):
    """True for the probe with the fewest missing calls among those of one position, or of one id."""
    order = table.sort_values("missing", kind="stable")
    repeated = order.duplicated(["chrom", "pos"])
    repeated |= order[~repeated & ~order["nameless"]].duplicated("id").reindex(order.index, fill_value=False)
    return ~repeated.reindex(table.index)


def _partners(base, table, name, base_name):
    """For each SNP of `base` the row number in `table` of the same SNP, or -1; and where its position differs.

    Raises
    ------
    InputError
        Most SNPs with the same id lie elsewhere.
    """
    by_id = pd.Series(np.arange(len(table)), index=table["id"])[~table["nameless"].to_numpy()]
    partner = by_id.reindex(base["id"]).fillna(-1).astype(int).to_numpy()
    partner[base["nameless"].to_numpy()] = -1  # a made-up name is no evidence
    found = partner >= 0
    places, base_places = _places(table), _places(base)
    moved = found & (places[partner] != base_places)
    if found.sum() >= MIN_FOR_BUILD_CHECK and moved.sum() > MAX_MOVED * found.sum():
        raise InputError(
            name,
            f"{moved.sum()} of the {found.sum()} SNPs it shares with {base_name} by id are at other positions",
            "bring all arrays to the same genome build (GRCh37) first",
        )
    by_place = pd.Series(np.arange(len(table)), index=places)
    other = by_place.reindex(base_places).fillna(-1).astype(int).to_numpy()
    other[np.isin(other, partner[found])] = -1
    partner = np.where(found, partner, other)
    return partner, moved


def _places(table):
    """Chromosome and position as one number."""
    return table["chrom"].astype(np.int64).to_numpy() * 10**10 + table["pos"].to_numpy()


def _contained(one, other):
    """Whether one set of alleles holds the other."""
    both = one | other
    return (both == one) | (both == other)


def _result(bims, names, rows, flips, dropped, usable):
    """Tables of a finished harmonisation; `rows` and `flips` per array, of the common SNPs."""
    ids = _names([bim["id"].to_numpy()[chosen] for bim, chosen in zip(bims, rows, strict=True)])
    first = bims[0].iloc[rows[0]]
    snps, tables = [], []
    for bim, name, chosen, flip in zip(bims, names, rows, flips, strict=True):
        here = bim.iloc[chosen]
        own = here["array_id"].to_numpy()
        table = pd.DataFrame(
            {
                "row": chosen,
                "chrom": first["chrom"].to_numpy(),
                "id": ids,
                "cm": 0,
                "pos": first["pos"].to_numpy(),
                "a1": np.where(flip, here["a1"].str.translate(FLIP), here["a1"]),
                "a2": np.where(flip, here["a2"].str.translate(FLIP), here["a2"]),
                "array_id": own,
            }
        )
        renamed = own != ids
        action = np.select([renamed & flip, renamed, flip], ["renamed+flipped", "renamed", "flipped"], default="kept")
        snps.append(table)
        tables.append(pd.DataFrame({"id": ids, "array": name, "array_id": own, "action": action}))
    dropped = pd.DataFrame(dropped, columns=["id", "array", "step", "reason"])
    return Harmonised(snps, pd.concat(tables, ignore_index=True), dropped, usable)


def _names(candidates):
    """One id a SNP: the first array's, unless only another array has an rsID for it."""
    ids = candidates[0].astype(object).copy()
    for other in candidates[1:]:
        better = [
            not mine.startswith("rs") and theirs.startswith("rs") for mine, theirs in zip(ids, other, strict=True)
        ]
        ids[better] = other[better]
    unique = ~pd.Series(ids).duplicated(keep=False).to_numpy()
    return np.where(unique, ids, candidates[0])
