"""Simulated resources in the layouts of the real ones: GTEx v8 eQTLs and expression, gene list, gene sets."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.simulate.genetic_truth import choose_truth, gene_of

__all__ = ["choose_truth", "write_gene_sets", "write_genes", "write_gtex"]

BUILD_SHIFT = 60_000  # bp from GRCh37 to GRCh38 in this simulated world
SIGNIFICANT = 5e-8  # section III-B
LOOKUP_STRIDE = 2  # the lookup table holds every array SNP and every so many-th other variant
DECOYS_PER_KIND = 30
N_MITOCHONDRIAL = 13
N_BACKGROUND_GENES = 600
N_BACKGROUND_HIGH = 140  # more than top_genes, so that no gene of low expression is ever among the top
OTHER_TISSUES = ("Adipose - Subcutaneous", "Liver", "Lung", "Muscle - Skeletal", "Whole Blood")
# How GTEx's expression table names the tissues of its eQTL files.
PORTAL_NAMES = {
    "Brain_Amygdala": "Brain - Amygdala",
    "Brain_Anterior_cingulate_cortex_BA24": "Brain - Anterior cingulate cortex (BA24)",
    "Brain_Caudate_basal_ganglia": "Brain - Caudate (basal ganglia)",
    "Brain_Cerebellar_Hemisphere": "Brain - Cerebellar Hemisphere",
    "Brain_Cerebellum": "Brain - Cerebellum",
    "Brain_Cortex": "Brain - Cortex",
    "Brain_Frontal_Cortex_BA9": "Brain - Frontal Cortex (BA9)",
    "Brain_Hippocampus": "Brain - Hippocampus",
    "Brain_Hypothalamus": "Brain - Hypothalamus",
    "Brain_Nucleus_accumbens_basal_ganglia": "Brain - Nucleus accumbens (basal ganglia)",
    "Brain_Putamen_basal_ganglia": "Brain - Putamen (basal ganglia)",
    "Brain_Spinal_cord_cervical_c-1": "Brain - Spinal cord (cervical c-1)",
    "Brain_Substantia_nigra": "Brain - Substantia nigra",
}


def write_gtex(genome, eqtl_ids, expressed_genes, tissues, folder, rng):
    """Write eQTL pairs, lookup table and expression table in GTEx v8 layout.

    Every SNP of `eqtl_ids` is significant in all `tissues`. Decoys are significant in all but one, or in one of them
    only nominally. A few SNPs of the lookup table have no rsID, or an old one, or no GRCh37 position.

    Parameters
    ----------
    genome : gcamccl.simulate.genome.Genome
    eqtl_ids : list of str
    expressed_genes : list of str
    tissues : sequence of str
        Names as in GTEx's eQTL files.
    folder : str or Path
        Gets ``eqtl/<tissue>.v8.signif_variant_gene_pairs.txt.gz``, ``lookup.txt.gz``, ``gene_median_tpm.gct.gz``.
    rng : numpy.random.Generator
    """
    folder = Path(folder)
    variants = genome.variants.copy()
    variants["variant_id"] = _variant_id(variants, "chr", BUILD_SHIFT, "b38")
    variants["gene"] = gene_of(variants, genome.genes)
    in_table = variants["core"] | variants["id"].isin(eqtl_ids) | (np.arange(len(variants)) % LOOKUP_STRIDE == 0)
    variants = variants[in_table].reset_index(drop=True)
    _write_eqtl(variants, genome.genes, eqtl_ids, tissues, folder / "eqtl", rng)
    _write_lookup(variants, folder / "lookup.txt.gz", rng)
    _write_expression(genome.genes, expressed_genes, tissues, folder / "gene_median_tpm.gct.gz", rng)


def _variant_id(variants, prefix, shift, build):
    """GTEx variant ids ``chr1_64764_C_T_b38``."""
    rows = zip(variants["chrom"], variants["pos"] + shift, variants["ref"], variants["alt"], strict=True)
    return [f"{prefix}{chrom}_{pos}_{ref}_{alt}_{build}" for chrom, pos, ref, alt in rows]


def ensembl_id(symbol):
    """Made-up Ensembl id of a simulated gene: SIMG0007 -> ENSG00000900007.1."""
    return f"ENSG00000{9 if symbol.startswith('SIMG') else 8}{int(symbol[4:]):05d}.1"


def _write_eqtl(variants, genes, eqtl_ids, tissues, folder, rng):
    """One file a tissue."""
    symbols = genes["symbol"].to_numpy()
    own = np.flatnonzero(variants["id"].isin(eqtl_ids))
    free = rng.permutation(np.flatnonzero(variants["core"] & ~variants["id"].isin(eqtl_ids)))
    absent, weak, some = np.array_split(free[: 3 * DECOYS_PER_KIND], 3)  # of or in one tissue; `some` in a few
    odd_absent = rng.integers(len(tissues), size=len(absent))
    odd_weak = rng.integers(len(tissues), size=len(weak))
    gene = variants["gene"].to_numpy().astype(object)
    gene[gene == ""] = rng.choice(symbols, (gene == "").sum())
    folder.mkdir(parents=True, exist_ok=True)
    for number, tissue in enumerate(tissues):
        background = rng.choice(len(variants), min(1000, len(variants) // 10), replace=False)
        background = np.setdiff1d(background, np.concatenate([own, absent, weak]))
        shown = np.concatenate([own, absent[odd_absent != number], weak, some[rng.random(len(some)) < 0.5]])
        p = 10.0 ** -rng.uniform(8, 30, len(shown))
        p[np.isin(shown, weak[odd_weak == number])] = 10.0 ** -rng.uniform(5, 6.5, (odd_weak == number).sum())
        rows = np.concatenate([shown, background])
        p = np.concatenate([p, 10.0 ** -rng.uniform(4, 7, len(background))])
        order = np.argsort(rows, kind="stable")
        rows, p = rows[order], p[order]
        table = variants.iloc[rows]
        frequency = np.minimum(table["frequency"], 1 - table["frequency"]).to_numpy()
        slope = rng.normal(0, 0.4, len(rows))
        pairs = pd.DataFrame(
            {
                "variant_id": table["variant_id"].to_numpy(),
                "gene_id": [ensembl_id(symbol) for symbol in gene[rows]],
                "tss_distance": rng.integers(-100_000, 100_000, len(rows)),
                "ma_samples": np.maximum(1, np.round(frequency * 300)).astype(int),
                "ma_count": np.maximum(1, np.round(frequency * 340)).astype(int),
                "maf": frequency,
                "pval_nominal": p,
                "slope": slope,
                "slope_se": np.abs(slope) / 6,
                "pval_nominal_threshold": 1e-4,
                "min_pval_nominal": p,
                "pval_beta": np.minimum(p * 100, 1),
            }
        )
        _write_gz(folder / f"{tissue}.v8.signif_variant_gene_pairs.txt.gz", _tsv(pairs))


def _write_lookup(variants, path, rng):
    """GTEx's variant lookup table."""
    rs = variants["id"].to_numpy().astype(object)
    b37 = np.array(_variant_id(variants, "", 0, "b37"), object)
    odd = rng.choice(len(variants), len(variants) // 20, replace=False)
    nameless, old, several, unplaced = np.array_split(odd, 4)
    rs[nameless] = "."
    rs[old] = [f"rs8{name[3:]}" for name in rs[old]]
    rs[several] = [f"rs7{name[3:]},{name}" for name in rs[several]]
    b37[unplaced] = "NA"
    table = pd.DataFrame(
        {
            "variant_id": variants["variant_id"],
            "chr": [f"chr{chrom}" for chrom in variants["chrom"]],
            "variant_pos": variants["pos"] + BUILD_SHIFT,
            "ref": variants["ref"],
            "alt": variants["alt"],
            "num_alt_per_site": 1,
            "rs_id_dbSNP151_GRCh38p7": rs,
            "variant_id_b37": b37,
        }
    )
    _write_gz(path, _tsv(table))


def _write_expression(genes, expressed_genes, tissues, path, rng):
    """Median TPM per gene and tissue, GCT 1.2."""
    columns = [PORTAL_NAMES.get(tissue, tissue) for tissue in tissues] + list(OTHER_TISSUES)
    brain = len(tissues)
    background = [f"SIMB{number:04d}" for number in range(1, N_BACKGROUND_GENES + 1)]
    symbols = [*genes["symbol"], *background]
    tpm = rng.lognormal(1.5, 1.2, (len(symbols), len(columns))).clip(0, 100)
    high = np.isin(symbols, expressed_genes)
    tpm[high, :brain] = rng.lognormal(7.2, 0.3, (high.sum(), brain)).clip(700)
    quite_high = np.zeros(len(symbols), bool)
    quite_high[len(genes) : len(genes) + N_BACKGROUND_HIGH] = True
    tpm[quite_high] = rng.lognormal(5.7, 0.2, (quite_high.sum(), len(columns))).clip(150, 650)
    # Expressed strongly, but not in the brain.
    tpm[rng.choice(np.flatnonzero(~high & ~quite_high), 30, replace=False), brain:] = 5000
    rows = [(ensembl_id(symbol), symbol, values) for symbol, values in zip(symbols, tpm, strict=True)] + [
        (f"ENSG00000700{number:03d}.1", f"MT-SIM{number}", rng.lognormal(10, 0.3, len(columns)))
        for number in range(1, N_MITOCHONDRIAL + 1)
    ]
    lines = ["#1.2", f"{len(rows)}\t{len(columns)}", "\t".join(["Name", "Description", *columns])]
    lines += ["\t".join([name, symbol, *(f"{value:.4f}" for value in values)]) for name, symbol, values in rows]
    _write_gz(path, "\n".join(lines) + "\n")


def write_genes(genome, path):
    """Write gene bodies as a PLINK gene list: chromosome, start (0-based, as in glist-hg19), end, symbol."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = genome.genes[["chrom", "start", "end", "symbol"]]
    table.assign(start=table["start"] - 1).to_csv(path, sep=" ", header=False, index=False)


def write_gene_sets(genes, causal_genes, n_sets, path, rng):
    """Write gene sets (GMT), one of which is the causal genes' pathway.

    Parameters
    ----------
    genes : DataFrame
        Column symbol.
    causal_genes : list of str
    n_sets : int
    path : str or Path
    rng : numpy.random.Generator

    Returns
    -------
    str
        Name of the planted set: all causal genes and half as many others.
    """
    symbols = genes["symbol"].to_numpy()
    background = np.array([f"SIMB{number:04d}" for number in range(1, N_BACKGROUND_GENES + 1)])
    everything = np.concatenate([symbols, background])
    others = np.setdiff1d(everything, causal_genes)
    planted = "SIMULATED_CAUSAL_PATHWAY"
    extra = rng.choice(others, min(len(others), max(2, len(causal_genes) // 2)), replace=False)
    sets = {planted: sorted({*causal_genes, *extra.tolist()})}
    for number in range(1, n_sets):
        # About a third of each set are genes that SNPs of the study can reach.
        near = rng.choice(symbols, min(len(symbols), int(rng.integers(3, 12))), replace=False)
        far = rng.choice(background, int(rng.integers(5, 40)), replace=False)
        sets[f"SIMULATED_SET_{number:03d}"] = sorted({*near.tolist(), *far.tolist()})
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join([name, "simulated", *members]) for name, members in sets.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return planted


def _tsv(table):
    return table.to_csv(sep="\t", index=False, float_format="%.6g")


def _write_gz(path, text):
    """Write gzip without a time stamp, so that the same text gives the same bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as handle:
        handle.write(text.encode())
