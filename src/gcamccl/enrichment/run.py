"""The stage's work on one list of genes, from its input files to its table."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.enrichment import gmt
from gcamccl.enrichment.matched import matched_p
from gcamccl.enrichment.overrepresentation import BACKGROUNDS, COLUMNS, enrichment_table, per_source
from gcamccl.workflow.errors import InputError

MATCHED = ("expected_matched", "p_matched")
TABLE = (*COLUMNS, *MATCHED)


@dataclass(frozen=True)
class Inputs:
    """What one list of genes is tested with; all symbols updated.

    Attributes
    ----------
    genes : set of str
        Selected.
    sets : list of gcamccl.enrichment.gmt.GeneSet
    loci : list of str, or None
        Ids of the selected SNPs.
    snp_gene : DataFrame, or None
        ``snp_id``, ``gene`` of all loci: the genes that could have been selected.
    lengths : dict of str to float, or None
        Gene -> length (bp).
    background : str
        One of `BACKGROUNDS`.
    background_genes : set of str, or None
        For ``file``.
    """

    genes: set
    sets: list
    loci: list | None
    snp_gene: pd.DataFrame | None
    lengths: dict | None
    background: str
    background_genes: set | None


def read_inputs(genes, gene_sets, updates, candidates=None, loci=None, lengths=None, background="union"):
    """Read and check the files.

    Parameters
    ----------
    genes : Path
    gene_sets : list of Path
    updates : dict of str to str
        Outdated -> current symbol.
    candidates, loci, lengths : Path, optional
        `eqtl_filter`'s ``snp_gene.tsv``, ids of the selected SNPs, `eqtl_filter`'s ``genes.tsv``.
    background : str
        One of `BACKGROUNDS` but ``file``, or the path of a file of genes.

    Returns
    -------
    Inputs

    Raises
    ------
    InputError
        Malformed files; a background that is neither; loci that the table of loci does not have.
    """
    if not gene_sets:
        raise InputError("study.gene_sets", "no gene-set files", "name at least one GMT file")
    own = None
    if background not in BACKGROUNDS or background == "file":
        if background == "file" or not Path(background).is_file():
            choices = ", ".join(name for name in BACKGROUNDS if name != "file")
            raise InputError(
                "--background", f"{background!r} is neither {choices} nor a file", "set study.background_genes"
            )
        own, background = gmt.read_genes(background, updates), "file"
        if not own:
            raise InputError("--background", "no genes in the file", "give one symbol a line")
    sets = gmt.read_gene_sets(gene_sets, updates)
    if own is not None and not own & set().union(*(one.genes for one in sets)):
        raise InputError("--background", "none of its genes is in any gene set", "are they symbols?")
    if background == "candidates" and candidates is None:
        raise InputError("--background", "candidates without --candidates", "give eqtl_filter's snp_gene.tsv")
    snp_gene = gmt.read_loci(candidates, updates) if candidates else None
    chosen = sorted(gmt.read_genes(loci)) if loci else None
    if chosen and snp_gene is None:
        raise InputError("--loci", "given without --candidates", "give eqtl_filter's snp_gene.tsv")
    if chosen and not set(chosen) <= set(snp_gene["snp_id"]):
        foreign = sorted(set(chosen) - set(snp_gene["snp_id"]))[0]
        raise InputError(loci, f"{foreign} is not in {candidates}", "they must come from one run")
    length_of = gmt.read_lengths(lengths, updates) if lengths else None
    if length_of is not None and snp_gene is not None and not set(snp_gene["gene"]) <= set(length_of):
        absent = sorted(set(snp_gene["gene"]) - set(length_of))[0]
        raise InputError(lengths, f"no length of {absent}, which is in {candidates}", "they must come from one run")
    return Inputs(gmt.read_genes(genes, updates), sets, chosen, snp_gene, length_of, background, own)


def enrich(inputs, settings, say=lambda text: None):
    """Test the genes.

    Parameters
    ----------
    inputs : Inputs
    settings : dict
        The config section ``enrichment``.
    say : callable
        Takes a line of progress.

    Returns
    -------
    table : DataFrame
        Columns `TABLE`; `MATCHED` are missing without loci and lengths.
    facts : dict
        Numbers of genes and sets, for the record.
    """
    candidates = None if inputs.snp_gene is None else set(inputs.snp_gene["gene"])
    sources = per_source(inputs.sets)
    known = set().union(*sources.values())
    table = enrichment_table(
        inputs.genes,
        inputs.sets,
        candidates,
        inputs.background,
        settings["min_set_size"],
        settings["max_set_size"],
        inputs.background_genes,
        sources,
    )
    say(
        f"{len(inputs.genes)} genes selected, {len(inputs.genes & known)} of them in {len(inputs.sets)} sets of "
        f"{len(known)} genes"
    )
    if not inputs.genes:
        say("no genes selected: nothing to test, the table has no rows")
    if candidates is not None and not inputs.genes <= candidates:
        say(f"{len(inputs.genes - candidates)} selected genes have no locus: left out of the background candidates")
    if inputs.background_genes is not None and not inputs.genes <= inputs.background_genes:
        n_outside = len(inputs.genes - inputs.background_genes)
        say(f"{n_outside} selected genes are not in the background's file: left out of it")
    table[list(MATCHED)] = np.nan
    if settings["matched_draws"] and inputs.loci and inputs.lengths is not None and len(table):
        table[list(MATCHED)] = _matched(inputs, table, settings)
        say(f"{settings['matched_draws']} draws of loci like the {len(inputs.loci)} selected ones")
    facts = {
        "background": inputs.background,
        "n_genes": len(inputs.genes),
        "n_genes_in_sets": len(inputs.genes & known),
        "n_union": len(known),
        "n_candidates": None if candidates is None else len(candidates & known),
        "n_tested": int(table["p"].notna().sum()),
        "n_tested_candidates": int(table["p_candidates"].notna().sum()),
    }
    return table[list(TABLE)], facts


def _matched(inputs, table, settings):
    """`MATCHED` columns of the table's sets: ndarray (rows, 2)."""
    place = {(one.source, one.name): one for one in inputs.sets}
    sets = [place[key] for key in zip(table["source"], table["gene_set"], strict=True)]
    found = matched_p(inputs.loci, inputs.snp_gene, inputs.lengths, sets, settings["matched_draws"], settings["seed"])
    return found[list(MATCHED)].to_numpy()
