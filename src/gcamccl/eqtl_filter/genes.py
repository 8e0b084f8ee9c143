"""SNPs inside gene bodies."""

from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.workflow.errors import InputError

CHROMOSOME_NAMES = {"X": "23", "Y": "24", "XY": "25", "MT": "26", "M": "26"}


def read_gene_bodies(path):
    """Read a PLINK gene list: chromosome, start, end (bp), symbol; separated by white space.

    Positions are taken as PLINK takes them: a SNP at either end is inside. Starts in ``glist-hg19`` are 0-based (one
    less than the gene's first base), so that there the base before a gene counts as inside it.

    Returns
    -------
    DataFrame
        chrom (text, ``chr`` removed), start, end (int64), symbol. A symbol may have several lines.

    Raises
    ------
    InputError
        Names the first line that is not of this form.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        try:
            chrom, start, end, symbol = fields[0], int(fields[1]), int(fields[2]), fields[3]
        except (IndexError, ValueError):
            raise InputError(path, f"line {number} is not 'chromosome start end symbol': {line[:60]!r}") from None
        if end < start:
            raise InputError(path, f"line {number}: {symbol} ends ({end}) before it starts ({start})")
        chrom = chrom.removeprefix("chr")
        rows.append((CHROMOSOME_NAMES.get(chrom, chrom), start, end, symbol))
    if not rows:
        raise InputError(path, "no genes in it")
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "symbol"])


def snps_in_genes(snps, genes, window_kb=0.0):
    """Pairs of SNP and gene body it lies in.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom (text), pos.
    genes : DataFrame
        From `read_gene_bodies`.
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
