"""The stage's work from its input folders to its tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.cohort import Cohort
from gcamccl.cohort_files import INPUTS as COHORT_FILES
from gcamccl.cohort_files import read_cohort
from gcamccl.threshold import maps, tables
from gcamccl.threshold.univariate import bh, t_test
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

CHUNK = 32768  # features tested at once: bounds the float64 copy of the connectivity


@dataclass(frozen=True)
class Inputs:
    """What the stage reads beside the maps.

    Attributes
    ----------
    cohort : gcamccl.cohort.Cohort
    rois : DataFrame
        ``roi`` (1-based), ``network``, ``name``; R rows.
    snps : DataFrame
        ``snp_id``, ``chrom``, ``pos``, ``genes``; L rows.
    snp_gene : DataFrame
        ``snp_id``, ``gene``.
    """

    cohort: Cohort
    rois: pd.DataFrame
    snps: pd.DataFrame
    snp_gene: pd.DataFrame


def input_files(cohort, connectivity, loci):
    """Files that `read_inputs` reads from the three folders."""
    tables = [connectivity / "rois.tsv", loci / "snps.tsv", loci / "snp_gene.tsv"]
    return [*(cohort / name for name in COHORT_FILES), *tables]


def read_inputs(cohort, connectivity, loci):
    """Read and check the folders of `cohort`, `connectivity` and `eqtl_filter`.

    Returns
    -------
    Inputs

    Raises
    ------
    InputError
        A missing file or column; folders whose numbers of ROIs or loci differ.
    """
    *_, rois_file, snps_file, gene_file = input_files(cohort, connectivity, loci)
    inputs = Inputs(
        read_cohort(cohort),
        read_tsv(rois_file, columns=("roi", "network", "name"), dtype={"network": str, "name": str}),
        read_tsv(snps_file, columns=("snp_id", "chrom", "pos", "genes"), dtype={"chrom": str, "snp_id": str}),
        read_tsv(gene_file, columns=("snp_id", "gene"), dtype=str),
    )
    n_rois, n_loci = inputs.cohort.fc.shape[1], inputs.cohort.dosage.shape[1]
    if len(inputs.rois) != n_rois:
        raise InputError(
            rois_file, f"{len(inputs.rois)} ROIs, but the cohort has {n_rois}", "they must come from one run"
        )
    if len(inputs.snps) != n_loci:
        raise InputError(
            snps_file, f"{len(inputs.snps)} loci, but the cohort has {n_loci}", "they must come from one run"
        )
    return inputs


def edge_tests(fc, labels):
    """`t_test` of every connection, a chunk at a time: t, p, float64 (E,)."""
    rows, columns = np.triu_indices(fc.shape[1], 1)
    parts = [
        t_test(fc[:, rows[start : start + CHUNK], columns[start : start + CHUNK]], labels)
        for start in range(0, len(rows), CHUNK)
    ]
    return tuple(np.concatenate(part) if parts else np.empty(0) for part in zip(*parts, strict=True))


def run(inputs, shards, settings, say=lambda text: None):
    """Apply the rule and the univariate tests.

    Parameters
    ----------
    inputs : Inputs
    shards : list of gcamccl.threshold.maps.Shard
    settings : dict
        The config section ``threshold``.
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict
        ``edges`` (all 2 E rows), ``snps``, ``summary``: DataFrames; ``genes``: dict of group to list of str.

    Raises
    ------
    InputError
        ``threshold.method`` is not among the maps.
    """
    method = settings["method"]
    if method not in shards[0].methods:
        raise InputError(
            shards[0].file,
            f"no {method} maps, which threshold.method asks for",
            f"add it to activation.methods or choose one of {', '.join(shards[0].methods)}",
        )
    n_edges = len(inputs.rois) * (len(inputs.rois) - 1) // 2
    sizes = {"connectivity": n_edges, "snps": len(inputs.snps)}
    cohort, labels = inputs.cohort, inputs.cohort.labels
    tests = {"connectivity": edge_tests(cohort.fc, labels[0]), "snps": t_test(cohort.dosage, labels[0])}
    summary, features = [], {}
    for view, n_features in sizes.items():
        t, p = tests[view]
        q = bh(p)
        # A view the network was not given has no maps: frequencies are missing, the univariate tests stay.
        counted = {}
        for one in shards[0].methods if view in shards[0].views else ():
            counted = maps.tallies(shards, one, view, len(labels), n_features, settings["max_fraction"])
            summary += tables.summary_rows(counted, one, view, n_features, settings["min_frequency"])
            if one == method:
                features[view] = tables.feature_table(counted, one, t, p, q, settings["min_frequency"])
        if view not in features:
            features[view] = tables.feature_table({}, method, t, p, q, settings["min_frequency"])
        n_found = int((q <= settings["fdr_q"]).sum())
        say(f"{view}: {n_found} of {n_features} with a univariate q <= {settings['fdr_q']:g}")
    snps = tables.snp_table(features["snps"], inputs.snps)
    return {
        "edges": tables.edge_table(features["connectivity"], inputs.rois),
        "snps": snps,
        "summary": pd.DataFrame(summary),
        "genes": {group: tables.selected_genes(snps, inputs.snp_gene, group) for group in tables.CLASSES},
    }
