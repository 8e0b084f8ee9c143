"""SNPs inside gene bodies."""

import numpy as np
import pandas as pd


def snps_in_genes(snps, genes, window_kb=0.0):
    """Pairs of SNP and gene body it lies in.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom (text), pos.
    genes : DataFrame
        From `gcamccl.eqtl_filter.gene_files.read_gene_bodies`: chrom, start, end (1-based, both in), symbol.
    window_kb : float
        Gene bodies are widened by this on both sides.

    Returns
    -------
    DataFrame
        snp_id, gene; in the order of `snps`, then of symbols; each pair once.
    """
    window = round(window_kb * 1000)
    order, symbols = [], []
    for chrom, rows in snps.groupby("chrom", sort=False).indices.items():
        rows = rows[np.argsort(snps["pos"].to_numpy()[rows], kind="stable")]
        positions = snps["pos"].to_numpy()[rows]
        here = genes[genes["chrom"] == chrom]
        first = np.searchsorted(positions, here["start"].to_numpy() - window, side="left")
        last = np.searchsorted(positions, here["end"].to_numpy() + window, side="right")
        counts = last - first
        order.append(np.concatenate([rows[a:b] for a, b in zip(first, last, strict=True)] or [np.zeros(0, int)]))
        symbols.append(np.repeat(here["symbol"].to_numpy(), counts))
    pairs = pd.DataFrame(
        {"row": np.concatenate(order or [[]]).astype(int), "gene": np.concatenate(symbols or [[]]).astype(object)}
    )
    pairs = pairs.drop_duplicates().sort_values(["row", "gene"], kind="stable")
    pairs.insert(0, "snp_id", snps["snp_id"].to_numpy()[pairs["row"]])
    return pairs[["snp_id", "gene"]].reset_index(drop=True)


def gene_table(genes, pairs, loci):
    """The genes that have a locus.

    Parameters
    ----------
    genes : DataFrame
        As `snps_in_genes` takes them.
    pairs, loci : DataFrame
        snp_id, gene: of all SNPs in gene bodies, and of the loci.

    Returns
    -------
    DataFrame
        gene, chrom, start, end (of the longest body of that symbol), length (bp, of it), n_snps (in gene bodies of that
        symbol), n_loci; sorted by gene.
    """
    own = genes[genes["symbol"].isin(loci["gene"])].rename(columns={"symbol": "gene"})
    own = own.assign(length=own["end"] - own["start"] + 1)
    own = own.sort_values(["gene", "length"], ascending=[True, False], kind="stable").drop_duplicates("gene")
    own["n_snps"] = own["gene"].map(pairs["gene"].value_counts()).astype(int)
    own["n_loci"] = own["gene"].map(loci["gene"].value_counts()).astype(int)
    return own[["gene", "chrom", "start", "end", "length", "n_snps", "n_loci"]].reset_index(drop=True)
