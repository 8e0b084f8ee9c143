"""Simulated cohorts of the size of the field's study, made directly: no scans, no arrays, no PLINK.

A cohort has 119 + 119 people in the training and 26 + 26 in the validation part of every split, as the top and bottom
20 % of the paper's 854 people give, and 750 loci in LD. Its test parts are larger than a study's (155 + 155), so that a
measured AUC is closer to the truth: `POPULATION` people are simulated, and those of the tails whom a split does not
train or validate on test it. Connectivity, genomes, ability and score come from `gcamccl.simulate`; the correlations
are those of the simulated signals themselves, without motion, noise of the scanner or clean-up. With fewer ROIs (every
second or third of the atlas, to make a search affordable) as large a share of the connections is planted.

Cohorts with the seeds `TUNING` are for choosing settings, those with the seeds `REPORT` for reporting what was chosen.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from gcamccl.atlas import read_atlas  # noqa: E402
from gcamccl.cohort import COHORT_COLUMNS, COMPONENTS, Cohort, permuted_rows, stratified_split, tails  # noqa: E402
from gcamccl.simulate import connectome, genetic_truth, genome  # noqa: E402
from gcamccl.simulate.people import simulate_people  # noqa: E402

TUNING, REPORT = range(101, 201), range(201, 301)  # seeds; never mixed

POPULATION = 1501  # one of them has no score; 300 in each tail
TAIL_FRACTION = 0.2  # the paper, section III-C
PER_CLASS = {"train": 119, "validation": 26}  # of 171 in a tail of 854 people: 0.7 and 0.15 of them; the others test
N_VOLUMES, TR_S = 231, 3.0  # the paper, section III-A
ALL_ROIS, N_LOCI = 264, 750  # Table IV
CHROMOSOMES, SNPS_PER_MB = (5, 17, 22), 110.0  # 990 SNPs, of which `N_LOCI` are kept
MIN_MAF, MAX_R2 = 0.05, 0.9  # section III-B
PERMUTATIONS = 1
SHIFTED_PAIRS = 8  # pairs of networks that grow with ability, and as many that shrink
SMALLEST_PAIR = 40  # connections between two networks (of 264 ROIs) that count as a pair


@dataclass(frozen=True)
class Scenario:
    """What is planted.

    Attributes
    ----------
    edges : int
        Connections per class, of 264 ROIs.
    effect : float
        Change of their correlation per SD of ability.
    heritability : float
        Of ability, from `causal` SNPs.
    block_effect : float
        Change per SD of ability of all connections between (or within) some networks.
    """

    edges: int
    effect: float
    heritability: float
    causal: int = 12
    block_effect: float = 0.0


SCENARIOS = {
    "default": Scenario(60, 0.08, 0.6),  # the section simulate of config.yaml
    "moderate": Scenario(100, 0.1, 0.6),
    "strong": Scenario(400, 0.15, 0.6),  # demo.yaml
    "blocks": Scenario(0, 0.0, 0.6, block_effect=0.01),
    "null": Scenario(0, 0.0, 0.0),
}


def _effect(scenario, rois, base, rng):
    """Change of every correlation per SD of ability (R, R), and the planted pairs."""
    effect, planted = np.zeros_like(base), {"edges_high": [], "edges_low": []}
    share = (len(rois) / ALL_ROIS) ** 2
    if scenario.edges:
        planted = connectome.plant_edges(rois, base, max(1, round(scenario.edges * share)), rng)
        for name, sign in (("edges_high", 1), ("edges_low", -1)):
            a, b = np.array(planted[name]).T - 1
            effect[a, b] = effect[b, a] = sign * scenario.effect
    if scenario.block_effect:
        network = rois["network"].to_numpy()
        names = sorted(set(network) - {"Uncertain"})
        pairs = [
            np.outer(network == one, network == other)
            for i, one in enumerate(names)
            for other in names[i:]
            if (network == one).sum() * (network == other).sum() >= SMALLEST_PAIR * share
        ]
        chosen = rng.permutation(len(pairs))[: 2 * SHIFTED_PAIRS]
        for number, pair in enumerate(chosen):
            sign = 1 if number % 2 else -1
            effect[pairs[pair] | pairs[pair].T] = sign * scenario.block_effect
        np.fill_diagonal(effect, 0)
    return effect, planted


def _connectivity(ability, scenario, rois, rng):
    """Correlations of the simulated signals, float32 (people, R, R), diagonal 0."""
    base = connectome.base_correlation(rois["network"], rng)
    effect, planted = _effect(scenario, rois, base, rng)
    fc = np.empty((len(ability), len(rois), len(rois)), np.float32)
    for row, (value, seed) in enumerate(zip(ability, rng.integers(0, 2**63, len(ability)), strict=True)):
        own = np.random.default_rng(seed)
        root = np.linalg.cholesky(connectome.personal_correlation(base, effect, value, own))
        fc[row] = np.corrcoef(connectome.band_limited(N_VOLUMES, len(rois), TR_S, own) @ root.T, rowvar=False)
        np.fill_diagonal(fc[row], 0)
    return fc, planted


def _loci(world, causal, rng):
    """Rows of the variants kept as loci, in order: common, not in high LD with one kept before, causal ones always."""
    core = world.variants.index[world.variants["core"]].to_numpy()
    dosage = world.dosage[:, core].astype(np.float32)
    frequency = dosage.mean(axis=0) / 2
    common = np.minimum(frequency, 1 - frequency) > MIN_MAF
    z = (dosage - dosage.mean(axis=0)) / np.maximum(dosage.std(axis=0), 1e-6)
    r2 = (z.T @ z / len(z)) ** 2
    kept = []
    for column in np.flatnonzero(common):
        if core[column] in causal or (r2[column, kept] < MAX_R2).all():
            kept.append(column)
    rows = core[kept]
    free = np.flatnonzero(~np.isin(rows, causal))
    surplus = len(rows) - N_LOCI
    return np.delete(rows, rng.choice(free, surplus, replace=False)) if surplus > 0 else rows


def simulate_cohort(scenario, seed, n_rois=ALL_ROIS, splits=4):
    """A cohort with planted truth.

    Parameters
    ----------
    scenario : str
        Of `SCENARIOS`.
    seed : int
        Of `TUNING` or `REPORT`.
    n_rois : int
        Every ``264 // n_rois``-th ROI of the Power atlas.
    splits : int

    Returns
    -------
    cohort : Cohort
    truth : dict
        edges_high, edges_low (ROI numbers from 1 within the cohort), causal_loci (columns of ``dosage``).
    """
    plan = SCENARIOS[scenario]
    streams = np.random.SeedSequence([seed, list(SCENARIOS).index(scenario)]).spawn(5)
    parts = ("genome", "truth", "people", "connectivity", "rest")
    rng = {name: np.random.default_rng(stream) for name, stream in zip(parts, streams, strict=True)}
    world = genome.simulate_genome(POPULATION, 10, CHROMOSOMES, SNPS_PER_MB, rng["genome"])
    causal = genetic_truth.choose_truth(world, {"causal_snps": plan.causal}, rng["truth"])["causal_snps"]
    people = simulate_people(
        world.dosage[:, causal["variant"]], causal["effect"].to_numpy(), plan.heritability, rng["people"]
    )
    names = np.array([f"p{number:04d}" for number in range(POPULATION)])
    scored = np.flatnonzero(people.table["score"].notna())
    group = tails(people.table["score"].to_numpy()[scored], list(names[scored]), TAIL_FRACTION)
    chosen, labels = scored[group >= 0], group[group >= 0]

    loci = _loci(world, causal["variant"].to_numpy(), rng["rest"])
    dosage = world.dosage[np.ix_(chosen, loci)].astype(np.float32)
    rois = read_atlas("power264").iloc[:: ALL_ROIS // n_rois].reset_index(drop=True)
    fc, planted = _connectivity(people.ability[chosen], plan, rois, rng["connectivity"])

    table = people.table.iloc[chosen].reset_index(drop=True)
    table.insert(0, "participant_id", names[chosen])
    table["genotype_id"], table["family_id"], table["relatives"] = table["participant_id"], None, None
    table["group"] = np.array(["low", "high"])[labels]
    table["mean_fd_mm"] = rng["rest"].lognormal(-2.0, 0.5, len(table))
    table["max_translation_mm"] = 6 * table["mean_fd_mm"]
    left, *_ = np.linalg.svd(dosage - dosage.mean(axis=0), full_matrices=False)
    table[list(COMPONENTS)] = left[:, : len(COMPONENTS)]

    in_tail = len(labels) // 2
    fractions = [PER_CLASS["train"] / in_tail, PER_CLASS["validation"] / in_tail]
    fractions.append(1 - sum(fractions))
    parts = [stratified_split(labels, fractions, np.random.default_rng([seed, 0, number])) for number in range(splits)]
    permuted = [
        permuted_rows(table["family_id"], table["site"], np.random.default_rng([seed, 1, number]))
        for number in range(PERMUTATIONS)
    ]
    rows = np.stack([np.arange(len(labels), dtype=np.int32), *permuted])
    status = pd.DataFrame({"participant_id": names, "score": people.table["score"]})
    cohort = Cohort(
        table=table[list(COHORT_COLUMNS)],
        fc=fc,
        dosage=dosage,
        labels=labels[rows],
        splits=np.stack(parts),
        permutations=rows,
        people=status,
    )
    planted["causal_loci"] = [int(column) for column in np.flatnonzero(np.isin(loci, causal["variant"]))]
    return cohort, planted


def cached(folder, scenario, seed, n_rois=ALL_ROIS, splits=4):
    """`simulate_cohort`, kept as .npy and .tsv files in `folder`; the truth is not returned (``truth.json`` there)."""
    place = Path(folder) / f"{scenario}_{seed}_{n_rois}_{splits}"
    arrays = ("fc", "dosage", "labels", "splits", "permutations")
    if not all((place / name).exists() for name in ("truth.json", *(f"{name}.npy" for name in arrays))):
        cohort, truth = simulate_cohort(scenario, seed, n_rois, splits)
        place.mkdir(parents=True, exist_ok=True)
        for name in arrays:
            np.save(place / f"{name}.npy", getattr(cohort, name))
        for name in ("table", "people"):
            getattr(cohort, name).to_csv(place / f"{name}.tsv", sep="\t", index=False)
        (place / "truth.tmp").write_text(json.dumps(truth))
        (place / "truth.tmp").replace(place / "truth.json")  # last: the folder is complete
    tables = {name: pd.read_csv(place / f"{name}.tsv", sep="\t") for name in ("table", "people")}
    return Cohort(**{name: np.load(place / f"{name}.npy") for name in arrays}, **tables)
