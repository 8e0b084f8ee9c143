"""Heterozygosity of every person within their ancestry group: mixed samples have too much, the inbred too little."""

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.plink import FEW_PEOPLE, list_people, plink2

MIN_SNPS = 100  # independent: with fewer the standard error of a rate is above 0.05
COLUMNS = ["genotype_id", "heterozygosity", "f", "z", "n_snps"]


def heterozygosity(prefix, n_snps, groups, scratch):
    """Heterozygosity over independent SNPs (PLINK 2 ``--het``).

    Parameters
    ----------
    prefix : str or Path
        Fileset of independent SNPs.
    n_snps : int
        Their number.
    groups : Series
        Indexed by genotype_id: ancestry group; missing for people in none.
    scratch : Path
        Prefix of intermediate files.

    Returns
    -------
    table : DataFrame
        genotype_id, heterozygosity (share of calls), f (1 - observed / expected heterozygotes, by the group's allele
        frequencies), z (of heterozygosity, in SDs from the group's mean), n_snps (called). f and z are missing for
        people in no group, f in groups of fewer than 50 people.
    notes : list of str
    """
    if n_snps < MIN_SNPS:
        empty = pd.DataFrame(np.nan, index=range(len(groups)), columns=COLUMNS)
        empty["genotype_id"] = groups.index
        return empty, [f"{n_snps} independent SNPs are too few to judge heterozygosity (at least {MIN_SNPS})"]
    table = _het(prefix, [], scratch).reindex(groups.index)
    table["f"], table["z"] = np.nan, np.nan
    notes = []
    for name, members in groups.dropna().groupby(groups.dropna()).groups.items():
        rate = table.loc[members, "heterozygosity"]
        if rate.std() > 0:
            table.loc[members, "z"] = (rate - rate.mean()) / rate.std()
        if len(members) < FEW_PEOPLE:
            notes.append(f"{name}: allele frequencies of {len(members)} people are too rough for F")
            continue
        own = f"{scratch}.{name}"
        list_people(f"{own}.people", members)
        table.loc[members, "f"] = _het(prefix, ["--keep", f"{own}.people"], own)["f"].reindex(members)
    outside = int(groups.isna().sum())
    if outside:
        notes.append(f"people in no ancestry group, whose heterozygosity was not compared: {outside}")
    return table.rename_axis("genotype_id").reset_index()[COLUMNS], notes


def _het(prefix, options, scratch):
    """PLINK's numbers by genotype_id: heterozygosity, f, n_snps."""
    plink2("--bfile", prefix, *options, "--het", "cols=hom,nobs,f", "--out", scratch)
    found = pd.read_csv(f"{scratch}.het", sep="\t", dtype={"#IID": str}).set_index("#IID")
    rate = 1 - found["O(HOM)"] / found["OBS_CT"]
    return pd.DataFrame({"heterozygosity": rate, "f": found["F"], "n_snps": found["OBS_CT"]})


def outliers(z, sds):
    """``high_heterozygosity`` or ``low_heterozygosity`` where `z` is beyond `sds` SDs, else None; object array."""
    z = np.asarray(z, float)
    return np.select([z > sds, z < -sds], ["high_heterozygosity", "low_heterozygosity"], None)
