"""The stage's work from its input folders to its tables."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.cohort import Cohort
from gcamccl.cohort_files import input_files as cohort_files
from gcamccl.cohort_files import read_cohort
from gcamccl.confounds import ALL, available
from gcamccl.threshold import calibrated, maps, tables
from gcamccl.threshold.confirm import gate, nothing
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
        ``roi`` (1-based), ``network``, ``name``; R rows. None: a study without scans.
    snps : DataFrame
        ``snp_id``, ``chrom``, ``pos``, ``genes``; L rows. None: a study without genotypes.
    snp_gene : DataFrame
        ``snp_id``, ``gene``. None: the same.
    """

    cohort: Cohort
    rois: pd.DataFrame | None
    snps: pd.DataFrame | None
    snp_gene: pd.DataFrame | None


def input_files(cohort, connectivity=None, loci=None):
    """Files that `read_inputs` reads from the folders."""
    names = [(connectivity, "rois.tsv"), (loci, "snps.tsv"), (loci, "snp_gene.tsv")]
    return [*cohort_files(cohort), *(folder / name for folder, name in names if folder)]


def read_inputs(cohort, connectivity=None, loci=None):
    """Read and check the folders of `cohort`, `connectivity` and `eqtl_filter`.

    Parameters
    ----------
    cohort : Path
    connectivity : Path or None
        None: a study without scans.
    loci : Path or None
        None: a study without genotypes.

    Returns
    -------
    Inputs

    Raises
    ------
    InputError
        A missing file or column; folders whose numbers of ROIs or loci differ, or which the cohort knows nothing of.
    """
    made, rois, snps, snp_gene = read_cohort(cohort), None, None, None
    if connectivity:
        path = connectivity / "rois.tsv"
        rois = read_tsv(path, columns=("roi", "network", "name"), dtype={"network": str, "name": str})
    if loci:
        path = loci / "snps.tsv"
        snps = read_tsv(path, columns=("snp_id", "chrom", "pos", "genes"), dtype={"chrom": str, "snp_id": str})
        snp_gene = read_tsv(loci / "snp_gene.tsv", columns=("snp_id", "gene"), dtype=str)
    for table, n, option, folder, name, what in (
        (rois, made.n_rois, "--connectivity", connectivity, "rois.tsv", "ROIs"),
        (snps, made.n_loci, "--loci", loci, "snps.tsv", "loci"),
    ):
        if table is None and n is not None:
            raise InputError(option, f"not given, but the cohort has {n} {what}", "give the folder of the same run")
        if table is not None and len(table) != n:
            has = f"has {n}" if n is not None else "has none"
            raise InputError(folder / name, f"{len(table)} {what}, but the cohort {has}", "they must come from one run")
    return Inputs(made, rois, snps, snp_gene)


def edge_tests(fc, labels):
    """`t_test` of every connection, a chunk at a time: t, p, float64 (E,)."""
    rows, columns = np.triu_indices(fc.shape[1], 1)
    parts = [
        t_test(fc[:, rows[start : start + CHUNK], columns[start : start + CHUNK]], labels)
        for start in range(0, len(rows), CHUNK)
    ]
    return tuple(np.concatenate(part) if parts else np.empty(0) for part in zip(*parts, strict=True))


def run(inputs, shards, settings, halves=None, say=lambda text: None):
    """Apply the rule, the calibrated selection and the univariate tests.

    Parameters
    ----------
    inputs : Inputs
    shards : list of gcamccl.threshold.maps.Shard
    settings : dict
        The config section ``threshold``.
    halves : gcamccl.threshold.calibrated.Halves, optional
        None: no calibrated selection.
    say : callable
        Takes a line of progress.

    Returns
    -------
    dict
        ``edges`` (all 2 E rows), ``snps``, ``network_pairs``, ``ld_blocks``, ``summary``: DataFrames; ``genes``,
        ``loci``: dict of group to list of str. Those of a modality that the study lacks are None (dicts: empty).

    Raises
    ------
    InputError
        ``threshold.method`` is not among the maps; nominations of another cohort.
    """
    method = settings["method"]
    if method not in shards[0].methods:
        raise InputError(
            shards[0].file,
            f"no {method} maps, which threshold.method asks for",
            f"add it to activation.methods or choose one of {', '.join(shards[0].methods)}",
        )
    cohort, labels = inputs.cohort, inputs.cohort.labels
    tests = {}
    if inputs.rois is not None:
        tests["connectivity"] = edge_tests(cohort.fc, labels[0])
    if inputs.snps is not None:
        tests["snps"] = t_test(cohort.dosage, labels[0])
    seen = [view for view in tests if view in shards[0].views]  # those that the network was given
    confirmations, confirmed_rows = confirm(halves, seen, settings, say) if halves is not None else ({}, {})
    summary, features = [], {}
    for view, (t, p) in tests.items():
        q = bh(p)
        # A view the network was not given has no maps: frequencies are missing, the univariate tests stay.
        counted = {}
        for one in shards[0].methods if view in seen else ():
            found = maps.tallies(shards, one, view, len(labels), len(t), settings)
            summary += tables.summary_rows(found, one, view, len(t), settings)
            counted = found if one == method else counted
        summary += confirmed_rows.get(view, [])
        features[view] = tables.feature_table(counted, method, (t, p, q), settings, confirmations.get(view))
        n_found = int((q <= settings["fdr_q"]).sum())
        say(f"{view}: {n_found} of {len(t)} with a univariate q <= {settings['fdr_q']:g}")
    result = {"edges": None, "snps": None, "network_pairs": None, "ld_blocks": None, "genes": {}, "loci": {}}
    result["summary"] = pd.DataFrame(summary)
    level = settings["fdr_q"]
    if "connectivity" in features:
        result["edges"] = tables.edge_table(features["connectivity"], inputs.rois)
        network = confirmations.get("connectivity", {}).get("network", nothing(len(tests["connectivity"][0])))
        result["network_pairs"] = tables.network_pairs(network, inputs.rois, level)
    if "snps" in features:
        snps = result["snps"] = tables.snp_table(features["snps"], inputs.snps)
        result["loci"] = {group: tables.selected_loci(snps, group) for group in tables.GROUPS}
        result["genes"] = {group: tables.genes_of(loci, inputs.snp_gene) for group, loci in result["loci"].items()}
        network = confirmations.get("snps", {}).get("network", nothing(len(tests["snps"][0])))
        where = inputs.snps["chrom"].to_numpy(), inputs.snps["pos"].to_numpy()
        block = calibrated.ld_blocks(cohort.dosage, *where, settings["min_ld_r2"])
        result["ld_blocks"] = tables.ld_blocks(network, inputs.snps, block, level)
    return result


def confirm(halves, views, settings, say=lambda text: None):
    """The calibrated selection in all views, by each nominator, with the true and with permuted labels.

    Returns
    -------
    dict of str to dict of str to gcamccl.threshold.confirm.Confirmation
        View -> nominator -> selection with the true labels.
    dict of str to list of dict
        View -> rows of the summary.
    """
    true, rows = {view: {} for view in views}, {view: [] for view in views}
    columns = available(halves.cohort.table, settings["covariates"], say).get(ALL, [])
    say(f"confirming tests adjust for {', '.join(columns) or 'nothing'}")
    level, n_labels = settings["fdr_q"], len(halves.cohort.labels)
    for nominator in calibrated.NOMINATORS:
        every = [
            gate({view: calibrated.select(halves, view, row, settings, nominator) for view in views})
            for row in range(n_labels)
        ]
        for view in views:
            own = [one[view] for one in every]
            true[view][nominator] = own[0]
            rows[view] += tables.calibrated_rows(own[0], own[1:], nominator, view, level, len(halves.cohort.splits))
            counts = [int((one.q <= level).sum()) for one in own]
            permuted = f", with permuted labels {', '.join(map(str, counts[1:]))}" if counts[1:] else ""
            say(f"{view}: {counts[0]} confirmed of those that the {nominator} model nominates{permuted}")
        if views:
            say(f"p that anything differs between the groups, {nominator} model: {every[0][views[0]].p_any:.2g}")
    return true, rows
