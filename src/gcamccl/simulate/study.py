"""A whole simulated study: people, genotypes, resources and ROI time series, with what was planted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.atlas import read_atlas
from gcamccl.simulate import (
    array_people,
    arrays,
    connectome,
    genetic_truth,
    genome,
    gtex,
    layout,
    probe_faults,
    relatives,
)
from gcamccl.simulate.people import simulate_people
from gcamccl.workflow.files import atomic, write_json, write_tsv

# One independent random stream a part, so that changing one part leaves the others as they were.
STREAMS = ("genome", "truth", "people", "arrays", "gtex", "gene_sets", "connectome", "series", "relatives")


def simulate_study(settings, chromosomes, folder, say=print):
    """Write a study to ``<folder>/study`` (everything but the raw scans).

    Parameters
    ----------
    settings : dict
        Config section ``simulate``.
    chromosomes : list of int
    folder : str or Path
        Results folder of the stage.
    say : callable
        Called with one line per step.

    Returns
    -------
    list of str
        Files written, relative to `folder`.
    """
    folder = Path(folder)
    study = folder / "study"
    files = layout.study_files(chromosomes, folder, settings["modalities"])
    seeds = np.random.SeedSequence(settings["seed"]).spawn(len(STREAMS))
    rng = {name: np.random.default_rng(seed) for name, seed in zip(STREAMS, seeds, strict=True)}
    rows = layout.participants(settings, folder)
    say(f"genomes of {len(rows)} people and {settings['n_reference']} of a reference panel")
    world = genome.simulate_genome(
        len(rows), settings["n_reference"], chromosomes, settings["snps_per_mb"], rng["genome"]
    )
    pairs = relatives.choose_pairs(world.populations, rng["relatives"])
    world = relatives.with_relatives(world, pairs, rng["relatives"])
    planted = genetic_truth.choose_truth(world, settings, rng["truth"])
    causal = planted["causal_snps"]
    people = simulate_people(
        world.dosage[:, causal["variant"].to_numpy()],
        causal["effect"].to_numpy(),
        settings["heritability"],
        rng["people"],
    )
    people = replace(people, table=relatives.adjust_people(people.table, pairs))
    genetic_facts, edges = {}, {}
    if "snps" in settings["modalities"]:
        say("arrays, reference panel, GTEx, genes, gene sets")
        table, genetic_facts = _genotypes(world, rows, people, planted, pairs, chromosomes, files, settings, rng)
        people = replace(people, table=table)
    if "connectivity" in settings["modalities"]:
        say("ROI time series")
        rois = read_atlas("power264")
        series, edges = connectome.simulate_timeseries(people.ability, settings, rois, rng["connectome"])
        for row, signals in zip(rows, series, strict=True):
            write_series(row, signals, study, rng["series"])
        edges = {name: edges[name] for name in ("edges_high", "edges_low")}
    write_tables(rows, people, folder)
    write_json(files["truth"], {"seed": settings["seed"], **edges, **genetic_facts})
    return sorted(str(path.relative_to(folder)) for path in study.rglob("*") if path.is_file())


def _genotypes(world, rows, people, planted, pairs, chromosomes, files, settings, rng):
    """Write all that is about genotypes; returns the table of people with sex as recorded, and what was planted."""
    study, causal = Path(files["participants"]).parent, planted["causal_snps"]
    ids = [row["genotype_id"] for row in rows]
    protect = {*causal["id"], *planted["eqtl_snps"]}
    apart = [(pair.one, pair.other) for pair in pairs if pair.kind == "same DNA"]
    faults = arrays.write_arrays(
        world, ids, people.table["sex"], study / "genotypes", rng["arrays"], protect=protect, apart=apart
    )
    table, faults, _ = array_people.plant(
        study / "genotypes", ids, people.table, faults, world.populations, pairs, chromosomes, rng["relatives"]
    )
    probe_faults.write_dialects(study / "genotypes")
    arrays.write_reference(world, study / "reference")
    gtex.write_gtex(
        world, planted["eqtl_snps"], planted["expressed_genes"], layout.TISSUES, study / "gtex", rng["gtex"]
    )
    gtex.write_genes(world, files["gene_bodies"])
    gene_set = gtex.write_gene_sets(
        world.genes, planted["causal_genes"], settings["gene_sets"], files["gene_sets"][0], rng["gene_sets"]
    )
    return table, {
        "causal_snps": causal.drop(columns="variant").to_dict("records"),
        "causal_genes": planted["causal_genes"],
        "planted_gene_set": gene_set,
        "eqtl_snps": planted["eqtl_snps"],
        "expressed_genes": planted["expressed_genes"],
        "genotype_faults": {name: part.to_dict("records") for name, part in faults.items()},
        "relatives": [
            {
                "genotype_id_1": ids[pair.one],
                "genotype_id_2": ids[pair.other],
                "kind": pair.kind,
                "family_id": pair.family,
            }
            for pair in pairs
        ],
        "populations": dict(zip(ids, world.populations.tolist(), strict=True)),
    }


def write_series(row, signals, study, rng):
    """Write a person's ROI signals: as scanner-like time series, or for the scan simulation."""
    name = row["participant_id"]
    if row.get("timeseries"):
        table = pd.DataFrame(
            connectome.to_scanner_units(signals, rng),
            columns=[f"roi_{number:03d}" for number in range(1, signals.shape[1] + 1)],
        )
        path = study / "timeseries" / f"{name}_timeseries.tsv"
        with atomic(path) as temporary:
            table.to_csv(temporary, sep="\t", index=False, float_format="%.2f")
    else:
        path = study / "scan_truth" / f"{name}.npz"
        with atomic(path) as temporary, temporary.open("wb") as handle:
            np.savez(handle, roi_signals=signals.astype(np.float32))


def write_tables(rows, people, folder):
    """Write ``participants.tsv`` (paths relative to it) and ``truth_people.tsv``."""
    study = folder / "study"
    table = pd.DataFrame(rows)
    for column in ("bold", "t1w", "timeseries"):
        if column not in table:
            continue
        table[column] = [
            str(Path("..", Path(path).relative_to(folder))) if isinstance(path, str) else None for path in table[column]
        ]
    table = pd.concat([table.dropna(axis=1, how="all"), people.table], axis=1)
    write_tsv(study / "participants.tsv", table)
    truth = table[["participant_id"]].assign(ability=people.ability, polygenic=people.polygenic)
    write_tsv(study / "truth_people.tsv", truth)
