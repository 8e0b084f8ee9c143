"""Hypergeometric over-representation test, as ConsensusPathDB does for the paper's Tables VII and VIII."""

import numpy as np
import pandas as pd

COLUMNS = (
    "source",
    "gene_set",
    "set_size",
    "contained",
    "p",
    "q",
    "genes",
    "p_candidates",
    "q_candidates",
    "set_size_candidates",
)


def overrepresentation(genes, gene_sets, background, min_size=1, max_size=None):
    """Test each gene set for more selected genes than chance would bring.

    ``p = P(X >= contained)`` for X hypergeometric: as many draws from the background as there are selected genes in it.
    Sets, selected genes and background are first restricted to each other: what is outside the background does not
    count. ``q`` is Benjamini and Hochberg's over all sets within the size limits, those without a selected gene
    (p = 1) included: leaving them out, as many tools do, makes q too small.

    Parameters
    ----------
    genes : set of str
        Selected genes.
    gene_sets : list of GeneSet
    background : set of str
    min_size, max_size : int
        Limits of a set's size within the background; None: no limit.

    Returns
    -------
    DataFrame
        One row a tested set, in the order of `gene_sets`: ``index`` (position in `gene_sets`), ``set_size``,
        ``contained``, ``p``, ``q``, ``genes`` (sorted, joined by commas). Without a selected gene in the background
        every p is 1.
    """
    from scipy.stats import false_discovery_control

    background, chosen = set(background), set(genes) & set(background)
    members = {i: one.genes & background for i, one in enumerate(gene_sets)}
    members = {i: inside for i, inside in members.items() if min_size <= len(inside) <= (max_size or np.inf)}
    hits = {i: inside & chosen for i, inside in members.items()}
    p = _hypergeometric_p(chosen, {i: members[i] for i in members if hits[i]}, background)
    table = pd.DataFrame(
        {
            "index": list(members),
            "set_size": [len(inside) for inside in members.values()],
            "contained": [len(hit) for hit in hits.values()],
            "p": [p.get(i, 1.0) for i in members],
            "genes": [",".join(sorted(hit)) for hit in hits.values()],
        }
    )
    table.insert(4, "q", false_discovery_control(table["p"].to_numpy(float)) if len(table) else [])
    return table


def _hypergeometric_p(chosen, members, background):
    """p of the sets that hold a selected gene, by gseapy's offline enrichment: dict of set number to p."""
    if not members:
        return {}
    import gseapy

    # Names go in as s0, s1, ...: gseapy keys sets by name alone, and two sources may share one. Genes that all look
    # like numbers would be taken for Entrez ids and break the match, hence the prefix.
    done = gseapy.enrich(
        gene_list=["g:" + gene for gene in sorted(chosen)],
        gene_sets={f"s{i}": ["g:" + gene for gene in sorted(inside)] for i, inside in members.items()},
        background=["g:" + gene for gene in sorted(background)],
        outdir=None,
        no_plot=True,
    )
    return {int(term[1:]): float(p) for term, p in zip(done.results["Term"], done.results["P-value"], strict=True)}


def enrichment_table(genes, gene_sets, candidates=None, background="union", min_size=2, max_size=5000):
    """Test the selected genes against both backgrounds.

    Parameters
    ----------
    genes : set of str
        Selected genes of one group.
    gene_sets : list of GeneSet
    candidates : set of str, optional
        Genes that had a locus and so could have been selected. Those in none of the sets cannot be drawn from one:
        they are left out, of the background as of the selection.
    background : {"union", "candidates"}
        Which p the table is sorted by. ``union``, all genes of the given sets, is what reproduces the paper's tables;
        ``candidates`` is the statistically right one, since genes without a locus could never be selected.
    min_size, max_size : int
        Limits of a set's size within the background.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; one row a set tested against at least one background. ``set_size``, ``contained``, ``p``,
        ``q`` belong to ``union``; a set outside the size limits of one background has no values there. No selected
        genes: no rows.
    """
    if not genes:
        return pd.DataFrame(columns=list(COLUMNS))
    union = set().union(*(one.genes for one in gene_sets))
    table = overrepresentation(genes, gene_sets, union, min_size, max_size).set_index("index")
    other = overrepresentation(genes, gene_sets, union & (candidates or set()), min_size, max_size).set_index("index")
    if candidates is None:
        other = other.iloc[:0]
    table = table.join(other[["p", "q", "set_size", "genes"]], rsuffix="_candidates", how="outer")
    table["genes"] = table["genes"].fillna(table["genes_candidates"])
    table["source"] = [gene_sets[i].source for i in table.index]
    table["gene_set"] = [gene_sets[i].name for i in table.index]
    for column in ("set_size", "contained", "set_size_candidates"):
        table[column] = table[column].astype("Int64")
    by = ["p_candidates", "p"] if background == "candidates" and candidates is not None else ["p", "p_candidates"]
    return table.sort_values([*by, "source", "gene_set"])[list(COLUMNS)].reset_index(drop=True)
