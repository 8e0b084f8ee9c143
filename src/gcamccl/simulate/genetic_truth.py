"""Which SNPs act, which are eQTLs, and which genes are expressed in the brain of a simulated study."""

import numpy as np
import pandas as pd

CAUSAL_MIN_MAF = 0.15
MAX_R2 = 0.8  # with another SNP of the arrays: below the pipeline's pruning at 0.9, with room for genotyping errors
MAX_HWE_DEVIATION = 0.15  # inbreeding coefficient: far from what the Hardy-Weinberg filter drops
LD_NEIGHBOURS = 60  # SNPs on either side whose r2 is looked at; PLINK's window is 50
EXPRESSED_SHARE = 0.6  # of the region's genes
MAX_EXPRESSED = 80  # leaves room for other genes among the top 100
EQTL_SHARE = 0.15  # of the SNPs in gene bodies


def choose_truth(genome, settings, rng):
    """Choose causal SNPs, eQTL SNPs and brain-expressed genes.

    Every causal SNP is common, lies in a gene body, survives quality control and LD pruning, and is a locus: those
    with an even number are eQTLs, those with an odd number lie in expressed genes.

    Parameters
    ----------
    genome : gcamccl.simulate.genome.Genome
    settings : dict
        Config section ``simulate``; `causal_snps` is read.
    rng : numpy.random.Generator

    Returns
    -------
    dict
        ``causal_snps``: DataFrame, one SNP a gene: id, chrom, pos, gene, frequency (of alt), effect (per
        standard deviation of the dosage of alt, up to scale), variant (row of ``genome.variants``).
        ``causal_genes``: their symbols. ``eqtl_snps``: ids of SNPs that are eQTLs in all tissues.
        ``expressed_genes``: symbols among every tissue's most expressed genes.

    Raises
    ------
    ValueError
        The genome has too few genes with a suitable SNP.
    """
    core = genome.variants[genome.variants["core"]]
    gene = gene_of(core, genome.genes)
    usable = _usable(core, genome.dosage[:, core.index])
    suitable = (usable & (gene != "") & (_maf(core) > CAUSAL_MIN_MAF)).to_numpy()
    choices = pd.DataFrame({"row": np.flatnonzero(suitable), "gene": gene.to_numpy()[suitable]})
    # One SNP a gene, in random order of genes.
    choices = choices.iloc[rng.permutation(len(choices))].drop_duplicates("gene")
    wanted = settings["causal_snps"]
    if len(choices) < wanted:
        raise ValueError(f"{len(choices)} genes have a suitable SNP for {wanted} causal SNPs; use more chromosomes")
    rows = np.sort(choices["row"].to_numpy()[:wanted])
    causal = core.iloc[rows][["id", "chrom", "pos", "frequency"]].reset_index(drop=True)
    causal.insert(3, "gene", gene.to_numpy()[rows])
    causal["effect"] = rng.choice([-1, 1], wanted) * rng.uniform(0.8, 1.2, wanted)
    causal["variant"] = core.index.to_numpy()[rows]
    symbols = genome.genes["symbol"].to_numpy()
    number = min(MAX_EXPRESSED, round(EXPRESSED_SHARE * len(symbols)))
    planted = list(causal["gene"].iloc[1::2])
    others = [symbol for symbol in rng.permutation(symbols) if symbol not in set(causal["gene"])]
    expressed = planted + others[: max(0, number - len(planted))]
    in_genes = core["id"].to_numpy()[(usable & (gene != "")).to_numpy()]
    eqtl = list(causal["id"].iloc[0::2])
    others = [name for name in rng.permutation(in_genes) if name not in set(causal["id"])]
    eqtl += others[: round(EQTL_SHARE * len(in_genes))]
    return {
        "causal_snps": causal,
        "causal_genes": list(causal["gene"]),
        "eqtl_snps": sorted(map(str, eqtl)),
        "expressed_genes": sorted(map(str, expressed)),
    }


def gene_of(variants, genes):
    """Symbol of the gene body each variant lies in, "" where none; Series with the index of `variants`."""
    result = pd.Series("", index=variants.index)
    for chrom, start, end, symbol in genes[["chrom", "start", "end", "symbol"]].itertuples(index=False):
        result[(variants["chrom"] == chrom) & (variants["pos"] >= start) & (variants["pos"] <= end)] = symbol
    return result


def _maf(variants):
    return np.minimum(variants["frequency"], 1 - variants["frequency"])


def _usable(core, dosage):
    """Which array SNPs pass every filter: strand can be told, near Hardy-Weinberg, not in high LD; bool Series."""
    ambiguous = (core["ref"] + core["alt"]).isin(["AT", "TA", "CG", "GC"])
    frequency = dosage.mean(axis=0) / 2
    expected = 2 * frequency * (1 - frequency)
    deviation = 1 - (dosage == 1).mean(axis=0) / np.maximum(expected, 1e-9)
    free = np.ones(len(core), bool)
    for _, columns in core.groupby("chrom").indices.items():
        block = dosage[:, columns].astype(np.float32)
        block = (block - block.mean(axis=0)) / np.maximum(block.std(axis=0), 1e-6)
        r2 = (block.T @ block / len(block)) ** 2
        np.fill_diagonal(r2, 0)
        near = np.abs(np.subtract.outer(np.arange(len(columns)), np.arange(len(columns)))) <= LD_NEIGHBOURS
        free[columns] = np.where(near, r2, 0).max(axis=1) < MAX_R2
    passes = (np.abs(deviation) < MAX_HWE_DEVIATION) & (_maf(core) > 0.08) & free  # 0.08: stays above 0.05 with errors
    return pd.Series(passes & ~ambiguous.to_numpy(), index=core.index)
