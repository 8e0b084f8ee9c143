"""Does a gene set hold more selected genes than like genes would? Draws of loci matched by SNPs and gene length.

A long gene with many loci is selected more easily than a short one, and some gene sets hold long genes: those of
neurons above all. The hypergeometric test takes every gene for equally likely. Here who is selected is drawn anew among
locus groups, the loci that lie in the same gene or overlapping genes, of a like number of loci and a like gene length.
Neighbouring genes that one LD block selects together count as if they had been selected one by one.
"""

import numpy as np
import pandas as pd
from scipy import sparse

STRATUM = 20  # locus groups among which the selected ones are drawn; fewer match better and leave less to draw
CHUNK = 100  # draws counted at once: bounds the dense (draws, sets) table


def locus_groups(snp_gene, lengths):
    """Groups of loci that lie in the same genes.

    Parameters
    ----------
    snp_gene : DataFrame
        ``snp_id``, ``gene``: all loci, in gene bodies.
    lengths : dict of str to float
        Gene -> length (bp).

    Returns
    -------
    DataFrame
        Index: group number; ``genes`` (tuple of str), ``n_loci``, ``length`` (of the longest).
    dict of str to int
        SNP -> number of its group.
    """
    of_snp = snp_gene.sort_values("gene").groupby("snp_id", sort=False)["gene"].agg(tuple)
    numbers, names = pd.factorize(of_snp)
    table = pd.DataFrame({"genes": list(names), "n_loci": np.bincount(numbers, minlength=len(names))})
    table["length"] = [max(lengths[gene] for gene in genes) for genes in table["genes"]]
    return table, dict(zip(of_snp.index, numbers.tolist(), strict=True))


def strata(groups):
    """Groups of like number of loci and, within that, like length: list of ndarray of int, `STRATUM` or more each."""
    order = groups.sort_values(["n_loci", "length"], kind="stable").index.to_numpy()
    return np.array_split(order, max(1, len(order) // STRATUM))


def draw(selected, parts, rng):
    """As many groups of each stratum as are selected in it, at random: ndarray of int.

    Exact where within a stratum every group is as likely to be selected as every other. Replacing each group by one
    like it is not: the groups selected are those that are selected most easily, and what replaces them is so less.
    """
    picked = [rng.choice(part, int(selected[part].sum()), replace=False) for part in parts]
    return np.sort(np.concatenate(picked))


def matched_p(selected, snp_gene, lengths, gene_sets, draws, seed):
    """Compare each gene set's selected genes with those of matched draws.

    Parameters
    ----------
    selected : collection of str
        Ids of the selected loci, all of them in `snp_gene`.
    snp_gene, lengths
        As for `locus_groups`.
    gene_sets : list of GeneSet
    draws : int
    seed : int

    Returns
    -------
    DataFrame
        A row a gene set: ``contained`` (genes of the selected loci, whatever the background), ``expected_matched``
        (mean over draws), ``p_matched``: share of the draws, the selection counted among them, with at least as many.
    """
    groups, of_snp = locus_groups(snp_gene, lengths)
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[[of_snp[snp] for snp in selected]] = True
    genes = sorted({gene for own in groups["genes"] for gene in own})
    column = {gene: place for place, gene in enumerate(genes)}
    members = _indicator([[column[gene] for gene in one.genes if gene in column] for one in gene_sets], genes)
    holds = _indicator([[column[gene] for gene in own] for own in groups["genes"]], genes)

    def contained(picked):
        """Genes of each set among those of the picked groups: (picks, sets)."""
        hit = (_indicator(picked, range(len(groups))) @ holds) > 0
        return np.asarray((hit.astype(np.int32) @ members.T).todense())

    own = contained([np.flatnonzero(chosen)])[0]
    parts, rng = strata(groups), np.random.default_rng(seed)
    total, at_least = np.zeros(len(gene_sets)), np.ones(len(gene_sets))
    for start in range(0, draws, CHUNK):
        counts = contained([draw(chosen, parts, rng) for _ in range(min(CHUNK, draws - start))])
        total += counts.sum(axis=0)
        at_least += (counts >= own).sum(axis=0)
    return pd.DataFrame(
        {"contained": own, "expected_matched": total / max(1, draws), "p_matched": at_least / (1 + draws)}
    )


def _indicator(places, columns):
    """Sparse matrix of int32 with a row for each list of places, 1 there."""
    rows = np.repeat(np.arange(len(places)), [len(one) for one in places])
    flat = np.concatenate([np.asarray(one, dtype=int) for one in places]) if len(rows) else np.zeros(0, int)
    ones = np.ones(len(rows), dtype=np.int32)
    return sparse.csr_matrix((ones, (rows, flat)), shape=(len(places), len(columns)))
