"""Relatives by their genotypes (KING-robust), beside those declared."""

from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.plink import plink2

# Lower limits of the kinship coefficient (Manichaikul et al. 2010, table 1: powers of 2 halfway between degrees).
DUPLICATE, FIRST, SECOND, THIRD = 0.354, 0.177, 0.0884, 0.0442
# Opposite homozygotes of parent and child are genotyping errors only. Full siblings have them at a quarter of an
# unrelated pair's rate: at the array's common SNPs 0.01 to 0.02 of all; errors of 0.1 % a call give below 0.001.
PARENT_CHILD_MAX_IBS0 = 0.005
RELATIONS = ("duplicate or monozygotic twin", "parent and child", "full siblings", "second degree", "third degree")
# Kinship of unrelated people scatters with an SD of about 0.9 / sqrt(independent SNPs)
# (docs/decisions: simulated unrelated pairs, 500 to 20,000 SNPs).
KINSHIP_NOISE = 0.9
NOISE_SDS = 4.0  # a degree is judged only if its limit is this many SDs above 0: 3 in 100,000 pairs by chance
# Somebody "related" to so many is no patriarch but a mixed sample, whose extra heterozygotes resemble everybody's.
MANY_SHARE, MANY = 0.05, 10
COLUMNS = [
    *("genotype_id_1", "genotype_id_2", "kinship", "ibs0", "n_snps", "relation"),
    *("family_1", "family_2", "declared", "flag"),
]


def lowest_kinship(n_independent):
    """The lowest limit of `THIRD`, `SECOND`, `FIRST`, `DUPLICATE` that so many independent SNPs can tell; or None."""
    noise = NOISE_SDS * KINSHIP_NOISE / np.sqrt(max(n_independent, 1))
    return next((limit for limit in (THIRD, SECOND, FIRST, DUPLICATE) if limit >= noise), None)


def relation(kinship, ibs0):
    """Names of the relation for arrays of kinship and IBS0; ``unrelated`` below the third degree."""
    kinship, ibs0 = np.asarray(kinship, float), np.asarray(ibs0, float)
    first = np.where(ibs0 < PARENT_CHILD_MAX_IBS0, RELATIONS[1], RELATIONS[2])
    return np.select(
        [kinship > DUPLICATE, kinship > FIRST, kinship > SECOND, kinship > THIRD],
        [RELATIONS[0], first, RELATIONS[3], RELATIONS[4]],
        "unrelated",
    )


def kinship_pairs(prefix, filters, scratch, lowest=THIRD, pairs=None):
    """Kinship by PLINK 2 ``--make-king-table`` (KING-robust, Manichaikul et al. 2010).

    Parameters
    ----------
    prefix : str or Path
    filters : list of str
        PLINK options that choose the SNPs.
    scratch : Path
        Prefix of intermediate files.
    lowest : float
        Pairs with a lower kinship are left out.
    pairs : list of (str, str), optional
        Only these pairs, whatever their kinship.

    Returns
    -------
    DataFrame
        genotype_id_1, genotype_id_2, kinship, ibs0 (share of SNPs with opposite homozygotes), n_snps.
    """
    if pairs is None:
        which = ["--king-table-filter", lowest]
    else:
        subset = Path(f"{scratch}.pairs")
        lines = [f"{a}\t{a}\t{b}\t{b}\n" for a, b in pairs]
        subset.write_text("#FID1\tIID1\tFID2\tIID2\n" + "".join(lines), encoding="utf-8")
        which = ["--king-table-subset", subset]
    plink2("--bfile", prefix, *filters, "--make-king-table", "cols=id,nsnp,ibs0,kinship", *which, "--out", scratch)
    found = pd.read_csv(f"{scratch}.kin0", sep="\t", dtype={"#IID1": str, "IID2": str})
    found = found.rename(
        columns={
            "#IID1": "genotype_id_1",
            "IID2": "genotype_id_2",
            "KINSHIP": "kinship",
            "IBS0": "ibs0",
            "NSNP": "n_snps",
        }
    )
    return found.loc[found["n_snps"] > 0, COLUMNS[:5]].reset_index(drop=True)  # else PLINK's kinship means nothing


def relatives(prefix, filters, n_independent, family, scratch):
    """Everybody's relatives, and the declared ones who are none.

    Parameters
    ----------
    prefix : str or Path
        Merged fileset.
    filters : list of str
        PLINK options that choose the SNPs.
    n_independent : int
        How many of them are independent of each other.
    family : Series
        Indexed by genotype_id: declared family, missing where none.
    scratch : Path

    Returns
    -------
    table : DataFrame
        Columns `COLUMNS`, by falling kinship: pairs of the third degree or closer (or the closest degree that so many
        SNPs can tell), and all declared pairs. Of people in `many`, only pairs of the second degree or closer. flag:
        ``mixed_sample`` (one of them is in `many`: the other may be who it is mixed with), ``same_dna`` (duplicates
        not declared), ``undeclared``, ``declared_not_related`` or missing.
    many : dict of str to int
        People with so many relatives that their sample must be mixed, and how many.
    notes : list of str
    """
    lowest = lowest_kinship(n_independent)
    if lowest is None:
        note = f"{n_independent} independent SNPs are too few to tell relatives; relatedness was not looked at"
        return pd.DataFrame(columns=COLUMNS), {}, [note]
    notes = []
    if lowest > THIRD:
        notes.append(
            f"{n_independent} independent SNPs are too few to tell distant relatives: only pairs with a kinship above "
            f"{lowest:g} are listed"
        )
    table = kinship_pairs(prefix, filters, scratch, lowest)
    counts = pd.concat([table["genotype_id_1"], table["genotype_id_2"]]).value_counts()
    many = counts[counts > max(MANY, MANY_SHARE * len(family))].to_dict()
    mixed = table["genotype_id_1"].isin(many) | table["genotype_id_2"].isin(many)
    table = table[~mixed | (table["kinship"] > max(SECOND, lowest))]
    declared = declared_pairs(family)
    known = set(zip(table["genotype_id_1"], table["genotype_id_2"], strict=True))
    absent = [(a, b) for a, b in declared if (a, b) not in known and (b, a) not in known]
    if absent:
        more = kinship_pairs(prefix, filters, f"{scratch}.declared", pairs=absent)
        table = pd.concat([table, more], ignore_index=True) if len(table) else more
    table = table.assign(relation=relation(table["kinship"], table["ibs0"]))
    for number in (1, 2):
        table[f"family_{number}"] = table[f"genotype_id_{number}"].map(family)
    table["declared"] = (table["family_1"] == table["family_2"]) & table["family_1"].notna()
    related = table["kinship"] > lowest
    mixed = table["genotype_id_1"].isin(many) | table["genotype_id_2"].isin(many)
    table["flag"] = np.select(
        [
            mixed & related,
            ~table["declared"] & (table["kinship"] > DUPLICATE),
            ~table["declared"] & related,
            table["declared"] & ~related & (lowest == THIRD),
        ],
        ["mixed_sample", "same_dna", "undeclared", "declared_not_related"],
        None,
    )
    order = np.lexsort((table["genotype_id_2"], table["genotype_id_1"], -table["kinship"]))
    return table.iloc[order][COLUMNS].reset_index(drop=True), many, notes


def declared_pairs(family):
    """All pairs of people of one family, by genotype_id."""
    pairs = []
    for _, members in family.dropna().groupby(family.dropna()).groups.items():
        names = list(members)
        pairs += [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]
    return pairs


def fewest_to_remove(pairs, call_rate):
    """Whom to leave out so that no pair is left: greedily whoever has most relatives, then the lowest call rate.

    Parameters
    ----------
    pairs : list of (str, str)
    call_rate : dict of str to float

    Returns
    -------
    list of str
        In order of removal.
    """
    neighbours = {}
    for one, other in pairs:
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    removed = []
    while any(neighbours.values()):
        worst = max(neighbours, key=lambda name: (len(neighbours[name]), -call_rate.get(name, 0.0), name))
        for other in neighbours.pop(worst):
            neighbours[other].discard(worst)
        removed.append(worst)
    return removed
