"""Small simulated studies of which connections and SNPs truly differ: what `benchmarks/recovery.py` selects from."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.cohort import COHORT_COLUMNS, Cohort, halving, permuted_rows

NETWORKS, LD_BLOCK, LD = 5, 10, 0.75  # networks of ROIs; SNPs of a block and correlation of neighbours' latent values
NOISE, SHARED = 0.12, 0.06  # SD of a connection between people: its own, and of factors that connections share
# Scenario -> difference of the groups: of planted connections (r), of all between two pairs of networks, of causal
# SNPs' latent values (SD), both chromosomes together.
SCENARIOS = {
    "null": (0.0, 0.0, 0.0),
    "edges weak": (0.05, 0.0, 0.0),
    "edges strong": (0.10, 0.0, 0.0),
    "blocks": (0.0, 0.03, 0.0),
    "snps": (0.0, 0.0, 0.8),
    "both": (0.08, 0.0, 0.6),
}
PLANTED_EDGES, CAUSAL_SNPS = 0.08, 6  # share of the connections, in clusters; SNPs


@dataclass(frozen=True)
class Truth:
    """What a view's features do: 1 larger in high, -1 larger in low, 0 the same; and which of them are to be found.

    Every SNP of a block with a causal one differs a little, so none of them is a false finding; to be found are those
    in closer LD with it.
    """

    differs: np.ndarray
    sought: np.ndarray


def small_study(scenario, seed, people, rois, loci, halvings, true_r2):
    """A cohort, and per view the `Truth`."""
    rng = np.random.default_rng([seed, list(SCENARIOS).index(scenario)])
    edge_effect, block_effect, snp_effect = SCENARIOS[scenario]
    labels = np.tile([0, 1], people // 2).astype(np.int8)
    side = labels - 0.5
    rows, columns = np.triu_indices(rois, 1)
    network = np.arange(rois) * NETWORKS // rois
    base = np.where(network[rows] == network[columns], 0.35, 0.05) + 0.05 * rng.normal(size=len(rows))
    factors = rng.normal(size=(people, 8)) @ rng.normal(size=(8, len(rows))) / np.sqrt(8)
    edges = base + SHARED * factors + NOISE * rng.normal(size=(people, len(rows)))
    truth = np.zeros(len(rows))
    if edge_effect:
        # Clusters, since connections that differ lie together in real studies too.
        while (truth != 0).mean() < PLANTED_EDGES:
            a, b = rng.integers(0, rois - 3, 2)
            inside = (rows >= a) & (rows < a + 3) & (columns >= b) & (columns < b + 3)
            truth[inside & (truth == 0)] = rng.choice([-1, 1])
        edges += edge_effect * np.outer(side, truth)
    if block_effect:
        pairs = [(a, b) for a in range(NETWORKS) for b in range(a + 1, NETWORKS)]
        for sign, place in zip((1, -1), rng.permutation(len(pairs))[:2], strict=True):
            a, b = pairs[place]
            truth[(network[rows] == a) & (network[columns] == b)] = sign
        edges += block_effect * np.outer(side, truth)
    fc = np.zeros((people, rois, rois), dtype=np.float32)
    fc[:, rows, columns] = fc[:, columns, rows] = np.clip(edges, -0.99, 0.99)

    causal, shift = rng.permutation(loci)[:CAUSAL_SNPS], np.zeros(loci)
    shift[causal] = snp_effect * rng.choice([-1, 1], CAUSAL_SNPS)
    # Everybody has two chromosomes; neighbours in a block are alike, and tags move with what is causal.
    latent = rng.normal(size=(2, people, loci))
    for snp in range(loci):
        if snp % LD_BLOCK:
            latent[:, :, snp] = LD * latent[:, :, snp - 1] + np.sqrt(1 - LD**2) * latent[:, :, snp]
    block = np.arange(loci) // LD_BLOCK
    near = LD ** np.abs(np.subtract.outer(np.arange(loci), np.arange(loci))) * (block[:, None] == block)
    latent += side[None, :, None] * (shift @ near) / 2
    cut = rng.uniform(0.1, 0.5, loci)
    thresholds = np.quantile(rng.normal(size=100_000), 1 - cut)
    dosage = (latent > thresholds).sum(axis=0).astype(np.float32)
    r2 = np.corrcoef(dosage, rowvar=False) ** 2 if loci > 1 else np.ones((1, 1))
    tags = (r2[causal] >= true_r2).any(axis=0) if snp_effect else np.zeros(loci, bool)
    truths = {
        "connectivity": Truth(truth, truth != 0),
        "snps": Truth(np.sign(shift @ near), tags & (shift @ near != 0)),
    }

    table = pd.DataFrame({"participant_id": [f"p{number:04d}" for number in range(people)]}).reindex(
        columns=COHORT_COLUMNS
    )
    table["group"] = np.array(["low", "high"])[labels]
    nobody = [None] * people
    permutations = np.stack([np.arange(people, dtype=np.int32), permuted_rows(nobody, nobody, rng)])
    splits = np.concatenate([halving(labels, 0.18, rng) for _ in range(halvings)])
    cohort = Cohort(table, fc, dosage, labels[permutations], splits, permutations, pd.DataFrame(), splits)
    return cohort, truths
