"""The loci: SNPs in gene bodies that are brain eQTLs or lie in top brain-expressed genes, and their dosages."""

import glob
import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.eqtl_filter import gtex
from gcamccl.eqtl_filter.build import check_build
from gcamccl.eqtl_filter.genes import read_gene_bodies, snps_in_genes
from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.validate import read_fileset
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv


@dataclass(frozen=True)
class Loci:
    """Results of the stage (docs/artifacts.md).

    Attributes
    ----------
    dosage : float32 array (samples, L)
        Copies of `counted_allele`.
    snps, samples, snp_gene, gene_body_snps, attrition : DataFrame
    """

    dosage: np.ndarray
    snps: pd.DataFrame
    samples: pd.DataFrame
    snp_gene: pd.DataFrame
    gene_body_snps: pd.DataFrame
    attrition: pd.DataFrame


def find_loci(prefixes, settings, gene_bodies, gtex_eqtl, gtex_expression, gtex_lookup=None, say=print):
    """From imputed genotypes to the model's loci (paper, section III-B).

    Parameters
    ----------
    prefixes : list of str or Path
        Imputed filesets, one a chromosome, of the same people.
    settings : dict
        Config section ``eqtl_filter``.
    gene_bodies, gtex_eqtl, gtex_expression, gtex_lookup : str or Path
        Gene list, folder of significant pairs, median TPM, lookup table.
    say : callable

    Returns
    -------
    Loci

    Raises
    ------
    InputError
        An input is missing or malformed, positions are not GRCh37, or no locus is left.
    """
    snps, people = read_snps(prefixes)
    genes = read_gene_bodies(gene_bodies)
    pairs = snps_in_genes(snps, genes, settings["gene_window_kb"])
    inside = snps[snps["snp_id"].isin(pairs["snp_id"])]
    say(f"{len(inside)} of {len(snps)} SNPs are inside {pairs['gene'].nunique()} gene bodies")

    files = gtex.find_pairs_files(gtex_eqtl, settings["tissues"])
    expression = gtex.read_expression(gtex_expression, settings["tissues"])
    top = gtex.top_expressed(expression, settings["top_genes"], settings["top_genes_rule"])
    _say_without_body(top, genes, gene_bodies, say)
    variants = gtex.variants_in_all_tissues(files, settings["eqtl_p"], settings["same_gene"], say)
    placed = gtex.look_up(variants, gtex_lookup, say)
    check_build(snps, placed, [bed.path(prefix, ".bim") for prefix in prefixes])
    is_eqtl = gtex.match_snps(inside, placed)
    expressed = set(pairs["snp_id"][pairs["gene"].isin(top)])
    is_expressed = inside["snp_id"].isin(expressed).to_numpy()
    loci = inside[is_eqtl | is_expressed].reset_index(drop=True)
    say(f"{len(variants)} GTEx variants are eQTLs in all tissues: {is_eqtl.sum()} SNPs; {len(top)} top expressed genes")
    attrition = _attrition(snps, inside, is_eqtl, is_expressed, pairs)
    if not len(loci):
        raise InputError(
            gtex_eqtl,
            f"no locus: none of {len(inside)} SNPs in gene bodies is an eQTL in all tissues or in a top expressed gene",
            "check that genotypes and gene bodies are GRCh37 and that the lookup table belongs to this GTEx release",
        )
    why = np.select([is_eqtl & is_expressed, is_eqtl], ["eqtl+expressed", "eqtl"], "expressed")
    own = pairs[pairs["snp_id"].isin(loci["snp_id"])].reset_index(drop=True)
    dosage = read_dosage(prefixes, loci, len(people))
    table = pd.DataFrame(
        {
            "snp_id": loci["snp_id"],
            "chrom": loci["chrom"],
            "pos": loci["pos"],
            "counted_allele": loci["a1"],
            "other_allele": loci["a2"],
            "frequency": dosage.mean(axis=0, dtype=np.float64) / 2,
            "genes": loci["snp_id"].map(own.groupby("snp_id")["gene"].agg(",".join)),
            "why": why[is_eqtl | is_expressed],
            "n_imputed": loci["n_imputed"],
        }
    )
    samples = pd.DataFrame({"genotype_id": people})
    return Loci(dosage, table, samples, own, pairs, attrition)


def _say_without_body(top, genes, path, say):
    """Name the top expressed genes that can hold no SNP, because the gene list has no such symbol."""
    known = set(genes["symbol"])
    absent = [symbol for symbol in top if symbol not in known]
    if absent:
        shown = ", ".join(absent[:10]) + (" ..." if len(absent) > 10 else "")
        say(f"{len(absent)} of {len(top)} top expressed genes have no gene body in {path}: {shown}")


def read_snps(prefixes):
    """SNPs of all chromosomes in genome order, and the people they share.

    Returns
    -------
    snps : DataFrame
        snp_id, chrom (text), pos, a1, a2, n_imputed (from ``PREFIX.snps.tsv``, if there is one), file (number of the
        prefix), row (line of its ``.bim``).
    people : list of str
    """
    tables, people = [], None
    for number, prefix in enumerate(prefixes):
        bim, fam = read_fileset(prefix, allow_empty=True)
        if people is not None and list(fam["iid"]) != people:
            raise InputError(bed.path(prefix, ".fam"), f"its people are not those of {prefixes[0]}", "impute together")
        people = list(fam["iid"])
        table = bim.rename(columns={"id": "snp_id"}).assign(file=number, row=np.arange(len(bim)))
        table["n_imputed"] = _n_imputed(prefix, bim)
        tables.append(table)
    snps = pd.concat(tables, ignore_index=True)
    if not len(snps):
        raise InputError(" ".join(map(str, prefixes)), "no SNPs in any fileset")
    twice = snps["snp_id"][snps["snp_id"].duplicated()]
    if len(twice):
        raise InputError(bed.path(prefixes[0], ".bim"), f"SNP {twice.iloc[0]} appears twice")
    order = np.lexsort((snps["pos"], snps["chrom"].astype(int)))
    return snps.iloc[order].reset_index(drop=True), people


def _n_imputed(prefix, bim):
    """How many calls of each SNP were imputed; missing where nobody wrote it down."""
    path = bed.path(prefix, ".snps.tsv")
    if not path.exists() or not len(bim):
        return pd.Series(pd.NA, index=bim.index, dtype="Int64")
    table = read_tsv(path, columns=("snp_id", "n_imputed")).set_index("snp_id")
    return table["n_imputed"].reindex(bim["id"]).astype("Int64").array


def _attrition(snps, inside, is_eqtl, is_expressed, pairs):
    """SNPs and the genes they lie in, after each rule."""
    rows = [("imputed", len(snps), pd.NA)]
    rules = {
        "gene_bodies": np.ones(len(inside), bool),
        "eqtl": is_eqtl,
        "expressed": is_expressed,
        "loci": is_eqtl | is_expressed,
    }
    for step, keep in rules.items():
        names = inside["snp_id"][keep]
        rows.append((step, len(names), pairs["gene"][pairs["snp_id"].isin(names)].nunique()))
    return pd.DataFrame(rows, columns=["step", "snps", "genes"])


def read_dosage(prefixes, loci, n_people):
    """Dosage matrix of the loci, read with pandas-plink.

    The counted allele is A1, the first allele of the ``.bim`` (pandas-plink calls it a0, and by default counts the
    other); ``plink2 --export A`` counts the same.

    Parameters
    ----------
    prefixes : list of str or Path
    loci : DataFrame
        file, row.
    n_people : int

    Returns
    -------
    float32 array (n_people, L)

    Raises
    ------
    InputError
        A call is missing: the filesets are not imputed.
    """
    from pandas_plink import read_plink1_bin

    result = np.empty((n_people, len(loci)), np.float32)
    for number, prefix in enumerate(prefixes):
        columns = np.flatnonzero(loci["file"] == number)
        if not len(columns):
            continue
        # It takes shell patterns, and uses a pandas keyword that is going away.
        files = [glob.escape(str(bed.path(prefix, suffix))) for suffix in (".bed", ".bim", ".fam")]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            calls = read_plink1_bin(*files, verbose=False, ref="a0")
        result[:, columns] = calls.isel(variant=loci["row"].to_numpy()[columns]).compute().to_numpy()
    if np.isnan(result).any():
        column = int(np.argwhere(np.isnan(result))[0][1])
        raise InputError(
            bed.path(prefixes[int(loci["file"].iloc[column])], ".bed"),
            f"SNP {loci['snp_id'].iloc[column]} has missing calls",
            "give the filesets of the impute stage",
        )
    return result
