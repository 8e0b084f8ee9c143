"""Gene sets that the genes of one group favour over those of the other."""

import numpy as np
import pandas as pd

COLUMNS = ("source", "gene_set", "contained_low", "contained_high", "odds_ratio", "p", "q", "genes_low", "genes_high")


def difference_table(low, high, gene_sets, min_size=2, max_size=5000):
    """Compare the groups' genes set by set.

    Genes selected for both groups cannot tell them apart and are left out; of the others, those in some set, a 2 x 2
    table of group and membership goes through Fisher's exact test, two-sided.

    Parameters
    ----------
    low, high : set of str
    gene_sets : list of GeneSet
    min_size, max_size : int
        Limits of a set's size, in genes.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; one row a set within the limits that holds a gene of either, smallest p first; odds_ratio
        above 1: high's genes favour it (infinite: low has none there). q: Benjamini and Hochberg over all sets within
        the limits, those without such a gene (p = 1) included. No rows where a group has no gene of its own in a set.
    """
    from scipy.stats import false_discovery_control, fisher_exact

    known = set().union(*(one.genes for one in gene_sets)) if gene_sets else set()
    own = {"low": (low - high) & known, "high": (high - low) & known}
    sets = [one for one in gene_sets if min_size <= len(one.genes) <= max_size]
    if not (own["low"] and own["high"] and sets):
        return pd.DataFrame(columns=list(COLUMNS))
    rows, p = [], np.ones(len(sets))
    for place, one in enumerate(sets):
        inside = {group: one.genes & genes for group, genes in own.items()}
        counts = [[len(inside[group]), len(own[group]) - len(inside[group])] for group in ("high", "low")]
        if not counts[0][0] + counts[1][0]:
            continue
        done = fisher_exact(counts)
        p[place] = done.pvalue
        rows.append(
            {
                "place": place,
                "source": one.source,
                "gene_set": one.name,
                "contained_low": counts[1][0],
                "contained_high": counts[0][0],
                "odds_ratio": float(done.statistic),
                "p": p[place],
                **{f"genes_{group}": ",".join(sorted(genes)) for group, genes in inside.items()},
            }
        )
    q = false_discovery_control(p)
    table = pd.DataFrame(rows, columns=["place", *(name for name in COLUMNS if name != "q")])
    table["q"] = q[table.pop("place").to_numpy(int)]
    return table.sort_values(["p", "source", "gene_set"])[list(COLUMNS)].reset_index(drop=True)
