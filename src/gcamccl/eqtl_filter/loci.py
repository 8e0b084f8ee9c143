"""The loci: SNPs in gene bodies that are brain eQTLs or lie in top brain-expressed genes, and their dosages."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.eqtl_filter import build, dosage
from gcamccl.eqtl_filter.expression import read_expression, top_genes
from gcamccl.eqtl_filter.gene_files import read_gene_bodies, without_version
from gcamccl.eqtl_filter.genes import gene_table, snps_in_genes
from gcamccl.eqtl_filter.pairs import eqtls_in_all_tissues, find_pairs_files
from gcamccl.eqtl_filter.variants import look_up_also, match_snps
from gcamccl.genotype_qc import bed
from gcamccl.workflow.errors import InputError

# Section III-B, for orientation only: no number is aimed at.
PAPER = "the paper had 98,804 SNPs in 14,131 genes, 108 eQTLs, 750 loci"


@dataclass(frozen=True)
class Loci:
    """Results of the stage (docs/artifacts.md).

    Attributes
    ----------
    dosage : float32 array (samples, L)
        Copies of `counted_allele`.
    snps, samples, snp_gene, genes, gene_body_snps, attrition, eqtl, eqtl_tissues, top_genes : DataFrame
    """

    dosage: np.ndarray
    snps: pd.DataFrame
    samples: pd.DataFrame
    snp_gene: pd.DataFrame
    genes: pd.DataFrame
    gene_body_snps: pd.DataFrame
    attrition: pd.DataFrame
    eqtl: pd.DataFrame
    eqtl_tissues: pd.DataFrame
    top_genes: pd.DataFrame


def find_loci(prefixes, settings, sources, prefix, say=print):
    """From imputed genotypes to the model's loci (paper, section III-B).

    Parameters
    ----------
    prefixes : list of str or Path
        Imputed filesets, one a chromosome, of the same people.
    settings : dict
        Config section ``eqtl_filter``.
    sources : dict
        ``gene_bodies``, ``gtex_eqtl`` (folder of significant pairs), ``gtex_expression`` (median TPM), ``gtex_lookup``
        (lookup table or None): paths.
    prefix : str or Path
        The loci's PLINK fileset is written there.
    say : callable

    Returns
    -------
    Loci

    Raises
    ------
    InputError
        An input is missing or malformed, positions are not GRCh37, or no locus is left.
    """
    snps, fam = dosage.read_snps(prefixes)
    bims = [bed.path(one, ".bim") for one in prefixes]
    build.check_lengths(snps, bims)
    genes = read_gene_bodies(sources["gene_bodies"], settings["gene_types"], say)
    build.check_genes(genes, sources["gene_bodies"])
    pairs = snps_in_genes(snps, genes, settings["gene_window_kb"])
    inside = snps[snps["snp_id"].isin(pairs["snp_id"])].reset_index(drop=True)
    say(f"{len(inside)} of {len(snps)} SNPs are inside {pairs['gene'].nunique()} gene bodies")

    files = find_pairs_files(sources["gtex_eqtl"], settings["tissues"])
    expression = read_expression(sources["gtex_expression"], settings["tissues"], say)
    top, top_bodies = _top_genes(expression, settings, genes, pairs, sources["gene_bodies"], say)
    eqtls = eqtls_in_all_tissues(files, settings["eqtl_p"], settings["same_gene"], say)
    variants, known = look_up_also(eqtls.variants, build.sample_names(snps), sources.get("gtex_lookup"), say)
    build.check_build(snps, pd.concat([variants, known]), bims)
    matches = match_snps(inside, variants, say)
    is_eqtl = inside["snp_id"].isin(matches["snp_id"]).to_numpy()
    is_expressed = inside["snp_id"].isin(pairs["snp_id"][pairs["gene"].isin(top_bodies)]).to_numpy()
    chosen = is_eqtl | is_expressed
    say(
        f"{is_eqtl.sum()} SNPs are eQTLs ({len(eqtls.variants)} GTEx variants), {is_expressed.sum()} lie in "
        f"{top['in_gene_bodies'].notna().sum()} top expressed genes: {chosen.sum()} loci; {PAPER}"
    )
    if not chosen.any():
        raise InputError(
            sources["gtex_eqtl"],
            f"no locus: none of {len(inside)} SNPs in gene bodies is an eQTL in all tissues or in a top expressed gene",
            "check that genotypes and gene bodies are GRCh37 and that the lookup table belongs to this GTEx release",
        )
    loci = inside[chosen].reset_index(drop=True)
    why = np.select([is_eqtl & is_expressed, is_eqtl], ["eqtl+expressed", "eqtl"], "expressed")[chosen]
    own = pairs[pairs["snp_id"].isin(loci["snp_id"])].reset_index(drop=True)
    evidence = _evidence(matches, eqtls, expression)
    copies, samples = _dosage(prefixes, settings, snps, loci, fam, prefix, say)
    return Loci(
        copies,
        _snp_table(loci, why, own, evidence, matches, eqtls, copies),
        samples,
        own,
        gene_table(genes, pairs, own),
        pairs,
        _attrition(snps, inside, is_eqtl, is_expressed, pairs),
        evidence,
        eqtls.tissues,
        top,
    )


def _dosage(prefixes, settings, snps, loci, fam, prefix, say):
    """The loci's fileset written, its dosages, and the table of people."""
    dosage.write_loci(prefixes, loci, fam, prefix)
    copies = dosage.read_dosage(prefix)
    expected = settings["filled_calls"] == "expected"
    filled = dosage.read_filled(prefixes, snps, loci, len(fam), required=expected)
    samples = pd.DataFrame({"genotype_id": fam["iid"]})
    samples["n_imputed"] = pd.array([pd.NA] * len(fam), "Int64")
    if filled is not None:
        samples["n_imputed"] = np.bincount(filled.person, minlength=len(fam))
        if expected:
            copies[filled.person, filled.locus] = filled.expected
    n_filled = loci["n_imputed"].sum()
    say(f"{n_filled} of {copies.size} calls of the loci were imputed ({settings['filled_calls']})")
    return copies, samples


def _top_genes(expression, settings, genes, pairs, path, say):
    """The table of top expressed genes, and the symbols of their bodies.

    A body is found by symbol; where the gene bodies have Ensembl ids, by these as well, since symbols change.
    """
    top = top_genes(expression.tpm, settings["top_genes"], settings["top_genes_rule"])
    symbols = set(genes["symbol"])
    by_id = genes[genes["gene_id"] != ""].groupby("gene_id")["symbol"].agg(set).to_dict()
    bodies = [
        ({gene} & symbols).union(*(by_id.get(one, ()) for one in expression.gene_ids[gene])) for gene in top["gene"]
    ]
    counts = pairs.groupby("gene")["snp_id"].agg(set).to_dict()
    top.insert(1, "gene_ids", [",".join(expression.gene_ids[gene]) for gene in top["gene"]])
    top["in_gene_bodies"] = pd.Series([",".join(sorted(own)) or None for own in bodies], dtype=object)
    top["n_snps"] = [len(set().union(*(counts.get(symbol, ()) for symbol in own))) for own in bodies]
    absent = list(top["gene"][top["in_gene_bodies"].isna()])
    if absent:
        shown = ", ".join(absent[:10]) + (" ..." if len(absent) > 10 else "")
        say(f"{len(absent)} of {len(top)} top expressed genes have no gene body in {path}: {shown}")
    return top, set().union(*bodies)


def _evidence(matches, eqtls, expression):
    """A row a SNP, GTEx variant and gene: the eQTLs that made the SNP a locus."""
    table = matches.merge(eqtls.pairs, on="variant_id")
    symbols = expression.symbol_of()
    gene = table["gene_id"].map(lambda gene_id: symbols.get(without_version(gene_id)))
    table.insert(4, "gene", gene.astype(object))
    return table


def _snp_table(loci, why, pairs, evidence, matches, eqtls, copies):
    """``snps.tsv``."""
    genes = evidence.sort_values(["n_tissues", "min_p"], ascending=[False, True], kind="stable")
    genes = genes.assign(gene=genes["gene"].fillna(genes["gene_id"])).drop_duplicates(["snp_id", "gene"])
    worst = matches["variant_id"].map(eqtls.worst_p).groupby(matches["snp_id"]).min()
    return pd.DataFrame(
        {
            "snp_id": loci["snp_id"],
            "chrom": loci["chrom"],
            "pos": loci["pos"],
            "counted_allele": loci["a1"],
            "other_allele": loci["a2"],
            "frequency": copies.mean(axis=0, dtype=np.float64) / 2,
            "genes": loci["snp_id"].map(_joined(pairs, "gene")),
            "why": why,
            "eqtl_variants": loci["snp_id"].map(_joined(matches, "variant_id")),
            "eqtl_match": loci["snp_id"].map(matches.drop_duplicates("snp_id").set_index("snp_id")["match"]),
            "eqtl_genes": loci["snp_id"].map(_joined(genes, "gene")),
            "eqtl_worst_p": loci["snp_id"].map(worst).astype(float),
            "n_imputed": loci["n_imputed"],
            "imputed_from": loci["imputed_from"],
        }
    )


def _joined(table, column):
    """Values of a column, joined by commas, of each snp_id."""
    return table.groupby("snp_id", sort=False)[column].agg(",".join).to_dict()


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
