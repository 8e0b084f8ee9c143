"""Hardy-Weinberg tests over everybody and within each ancestry group, and what the difference means.

Where people of several ancestries are tested together, SNPs whose frequency differs between them have too few
heterozygotes (Wahlund 1928) though nothing is wrong with their calls.
"""

import pandas as pd

from gcamccl.genotype_qc.plink import list_people, plink2

# Pooled tests remove far more: this many times as many SNPs, and this share of all SNPs more.
FAR_MORE, FAR_MORE_SHARE = 2.0, 0.005


def tests(prefix, groups, scratch):
    """Exact tests (Wigginton et al. 2005; PLINK 2 ``--hardy``, no mid-p), over all and within each group.

    Parameters
    ----------
    prefix : str or Path
    groups : Series
        Indexed by genotype_id: ancestry group; missing for people in none.
    scratch : Path
        Prefix of intermediate files.

    Returns
    -------
    DataFrame
        id, heterozygosity, expected_heterozygosity (over all), p, and ``p_<group>`` of each group, in the fileset's
        order.
    """
    table = _hardy(prefix, [], scratch, "hetfreq,p")
    names = {"ID": "id", "O(HET_A1)": "heterozygosity", "E(HET_A1)": "expected_heterozygosity", "P": "p"}
    table = table.rename(columns=names)[list(names.values())]
    for name, members in sorted(groups.dropna().groupby(groups.dropna()).groups.items()):
        own = f"{scratch}.{name}"
        list_people(f"{own}.people", members)
        table[f"p_{name}"] = _hardy(prefix, ["--keep", f"{own}.people"], own, "p")["P"].to_numpy()
    return table


def _hardy(prefix, options, scratch, columns):
    plink2("--bfile", prefix, *options, "--hardy", f"cols={columns}", "--out", scratch)
    return pd.read_csv(f"{scratch}.hardy", sep="\t", dtype={"#ID": str}).rename(columns={"#ID": "ID"})


def fails_within(table, threshold):
    """SNPs that fail within at least one group: dict of id to the group with the lowest p; empty without groups."""
    columns = group_columns(table)
    if not columns:
        return {}
    lowest = table[columns].min(axis=1)
    failed = table.loc[lowest < threshold]
    worst = failed[columns].idxmin(axis=1).str.removeprefix("p_")
    return dict(zip(failed["id"], worst, strict=True))


def group_columns(table):
    """Columns of `table` that hold p within a group."""
    return [column for column in table.columns if column.startswith("p_")]


def summary(table, threshold):
    """How many SNPs each way of testing removes.

    Returns
    -------
    dict
        n_snps, threshold, pooled, within, both (numbers of SNPs with p below `threshold` over all, within some group,
        and both), n_groups, far_more (bool: `FAR_MORE` times as many, and `FAR_MORE_SHARE` of all SNPs more).
    """
    pooled = table["p"] < threshold
    within = table["id"].isin(fails_within(table, threshold))
    n_pooled, n_within = int(pooled.sum()), int(within.sum())
    compared = bool(group_columns(table))
    far_more = compared and n_pooled > FAR_MORE * n_within and n_pooled - n_within > FAR_MORE_SHARE * len(table)
    return {
        "n_snps": len(table),
        "threshold": threshold,
        "pooled": n_pooled,
        "within": n_within,
        "both": int((pooled & within).sum()),
        "n_groups": len(group_columns(table)),
        "far_more": bool(far_more),
    }


def sentence(counts):
    """What `summary` found, in one sentence."""
    if not counts["n_groups"]:
        return (
            f"{counts['pooled']:,} of {counts['n_snps']:,} SNPs have a Hardy-Weinberg p below {counts['threshold']:g}."
        )
    text = (
        f"{counts['pooled']:,} of {counts['n_snps']:,} SNPs have a Hardy-Weinberg p below {counts['threshold']:g} over "
        f"everybody, {counts['within']:,} within at least one of {counts['n_groups']} ancestry groups"
    )
    if counts["far_more"]:
        return text + (
            ". Most of the former are not bad calls: people of several ancestries tested together have too few "
            "heterozygotes wherever frequencies differ (Wahlund). genotype_qc.hwe_within_ancestry: true keeps them."
        )
    return text + "."
