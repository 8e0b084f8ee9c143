"""Hypergeometric over-representation test, as ConsensusPathDB does for the paper's Tables VII and VIII."""

import numpy as np
import pandas as pd

BACKGROUNDS = ("union", "per_source", "candidates", "file")
PAPER_HITS = 4  # Tables VII and VIII list, and their q-values fit, only sets with at least so many selected genes
MAIN = ("set_size", "contained", "expected", "fold", "p", "q", "q_paper")
BESIDE = ("set_size", "contained", "expected", "fold", "p", "q")
COLUMNS = (
    *("source", "gene_set", "background", *MAIN, "genes"),
    *(f"{name}_candidates" for name in BESIDE),
)
COUNTS = ("set_size", "contained")
NOBODY = frozenset()


def overrepresentation(genes, gene_sets, background, min_size=1, max_size=None):
    """Test each gene set for more selected genes than chance would bring.

    ``p = P(X >= contained)`` for X hypergeometric: as many draws from the background as there are selected genes in it.
    Sets, selected genes and background are first restricted to each other: what is outside the background does not
    count.

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
        ``contained``, ``expected`` (contained by chance), ``fold`` (contained / expected; NaN: nothing expected),
        ``p``, ``genes`` (sorted, joined by commas). Without a selected gene in the background every p is 1.
    """
    background = set(background)
    chosen = set(genes) & background
    # Most sets lie within the background as a whole: asking is cheaper than a copy of each.
    members = {i: one.genes if one.genes <= background else one.genes & background for i, one in enumerate(gene_sets)}
    members = {i: inside for i, inside in members.items() if min_size <= len(inside) <= (max_size or np.inf)}
    hits = {i: inside & chosen for i, inside in members.items()}
    p = _hypergeometric_p(chosen, {i: members[i] for i in members if hits[i]}, background)
    size = np.array([len(inside) for inside in members.values()], dtype=int)
    contained = np.array([len(hit) for hit in hits.values()], dtype=int)
    expected = size * len(chosen) / max(1, len(background))
    return pd.DataFrame(
        {
            "index": list(members),
            "set_size": size,
            "contained": contained,
            "expected": expected,
            "fold": contained / np.where(expected > 0, expected, np.nan),
            "p": [p.get(i, 1.0) for i in members],
            "genes": [",".join(sorted(hit)) for hit in hits.values()],
        }
    )


def adjusted(table):
    """Add the q-values of a table of tested sets, of whichever sources.

    ``q`` is Benjamini and Hochberg's over all of them, those without a selected gene (p = 1) included: leaving them
    out, as many tools do, makes q too small. ``q_paper`` is over the sets with at least `PAPER_HITS` selected genes
    only, which is what the paper's own q-values fit and too few tests; NaN elsewhere.
    """
    from scipy.stats import false_discovery_control

    p = table["p"].to_numpy(float)
    listed = (table["contained"] >= PAPER_HITS).to_numpy()
    narrow = np.full(len(p), np.nan)
    if listed.any():
        narrow[listed] = false_discovery_control(p[listed])
    return table.assign(q=false_discovery_control(p) if len(p) else p, q_paper=narrow)


def _hypergeometric_p(chosen, members, background):
    """p of the sets that hold a selected gene, by gseapy's offline enrichment: dict of set number to p."""
    if not members:
        return {}
    import gseapy

    # Genes that all look like numbers would be taken for Entrez ids and break the match.
    prefix = "g:" if any(gene.isdigit() for gene in chosen) else ""

    def words(genes):
        return [prefix + gene for gene in genes] if prefix else list(genes)

    # Names go in as s0, s1, ...: gseapy keys sets by name alone, and two sources may share one.
    done = gseapy.enrich(
        gene_list=words(sorted(chosen)),
        gene_sets={f"s{i}": words(inside) for i, inside in members.items()},
        background=words(background),
        outdir=None,
        no_plot=True,
    )
    return {int(term[1:]): float(p) for term, p in zip(done.results["Term"], done.results["P-value"], strict=True)}


def per_source(gene_sets):
    """Source -> all genes of its sets."""
    found = {}
    for one in gene_sets:
        found.setdefault(one.source, set()).update(one.genes)
    return found


def tested(genes, gene_sets, backgrounds, min_size, max_size):
    """`overrepresentation` of all sets, each against its source's background, with q over all: index set number.

    Parameters
    ----------
    genes : set of str
    gene_sets : list of GeneSet
    backgrounds : dict of str to set of str
        Source -> background.
    min_size, max_size : int
    """
    parts = []
    for source, background in backgrounds.items():
        own = [number for number, one in enumerate(gene_sets) if one.source == source]
        table = overrepresentation(genes, [gene_sets[number] for number in own], background, min_size, max_size)
        parts.append(table.assign(index=np.array(own, dtype=int)[table["index"].to_numpy(int)]))
    return adjusted(pd.concat(parts, ignore_index=True)).set_index("index").sort_index()


def enrichment_table(
    genes,
    gene_sets,
    candidates=None,
    background="union",
    min_size=2,
    max_size=5000,
    background_genes=None,
    sources=None,
):
    """Test the selected genes against the chosen background and, beside it, against the genes with a locus.

    Parameters
    ----------
    genes : set of str
        Selected genes of one group.
    gene_sets : list of GeneSet
    candidates : set of str, optional
        Genes that had a locus and so could have been selected. Those in none of the sets cannot be drawn from one:
        they are left out, of the background as of the selection.
    background : {"union", "per_source", "candidates", "file"}
        ``union``, all genes of the given sets, is what reproduces the paper's tables; ``per_source``: of the sets of
        the same source; ``candidates`` is the statistically right one, since genes without a locus could never be
        selected; ``file``: `background_genes`, in some set or not.
    min_size, max_size : int
        Limits of a set's size within the background.
    background_genes : set of str, optional
        For ``file``.
    sources : dict, optional
        `per_source` of the sets, where it is there already.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`; one row a set tested against at least one background, smallest p first. Columns without an
        ending belong to the chosen background; a set outside the size limits of one background has no values there. No
        selected genes: no rows.

    Raises
    ------
    ValueError
        A background whose genes are not given.
    """
    if not genes:
        return pd.DataFrame(columns=list(COLUMNS))
    sources = per_source(gene_sets) if sources is None else sources
    union = set().union(*sources.values())
    possible = {
        "union": dict.fromkeys(sources, union),
        "per_source": sources,
        "candidates": None if candidates is None else dict.fromkeys(sources, union & candidates),
        "file": None if background_genes is None else dict.fromkeys(sources, background_genes),
    }
    if possible[background] is None:
        raise ValueError(f"the genes of the background {background} are not given")
    table = tested(genes, gene_sets, possible[background], min_size, max_size)
    sets_beside = [] if candidates is None else gene_sets
    beside = tested(genes, sets_beside, possible["candidates"] or dict.fromkeys(sources, NOBODY), min_size, max_size)
    table = table.join(beside[[*BESIDE, "genes"]], rsuffix="_candidates", how="outer")
    table["genes"] = table["genes"].fillna(table["genes_candidates"])
    table["source"] = [gene_sets[i].source for i in table.index]
    table["gene_set"] = [gene_sets[i].name for i in table.index]
    table["background"] = background
    for column in (name + ending for name in COUNTS for ending in ("", "_candidates")):
        table[column] = table[column].astype("Int64")
    return table.sort_values(["p", "p_candidates", "source", "gene_set"])[list(COLUMNS)].reset_index(drop=True)
