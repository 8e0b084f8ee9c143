"""Genomes of a simulated study: haplotypes of two populations, SNPs, genes, and which of them matter."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

REGION_START = 20_000_000  # bp; inside the q arm or far from the centromere's gap on every autosome
POPULATION_SIZE = 10_000  # diploid people, ancestral and in both populations
SPLIT_GENERATIONS = 600  # F_ST of about 0.03: principal components show it, pooled HWE tests bear it
MINOR_POPULATION = 0.3
RECOMBINATION_RATE = 1e-8  # per bp and generation; 1 cM per Mb
MUTATION_RATE = 1.2e-8
MIN_COPIES = 3  # of the rarer allele, over cohort and panel
COMMON = 0.05  # arrays carry SNPs above this minor allele frequency
GENES_PER_MB = 10
GENE_SHARE = 0.42  # of the region's bases inside gene bodies
# Alleles of array SNPs: transitions mostly, and a few A/T and C/G whose strand cannot be told.
ALLELES = ("AG", "CT", "GA", "TC", "AC", "GT", "CA", "TG", "AT", "CG")
ALLELE_SHARES = (0.2, 0.2, 0.2, 0.2, 0.045, 0.045, 0.045, 0.045, 0.01, 0.01)


@dataclass(frozen=True)
class Genome:
    """Variants and haplotypes of a cohort and of a reference panel from the same two populations.

    Attributes
    ----------
    variants : DataFrame (M rows)
        id, chrom (int), pos (bp, GRCh37 by declaration), ref, alt, frequency (of alt, in the cohort), core (bool: on
        all three arrays). Sorted by chromosome and position.
    haplotypes : int8 array (M, 2 * n_people)
        1 where the haplotype carries alt; columns 2i and 2i + 1 are person i's.
    panel : int8 array (M, 2 * n_reference)
        The same of the panel's people.
    populations, panel_populations : int8 array (n_people,), (n_reference,)
        0: the larger population, 1: the smaller.
    genes : DataFrame
        chrom, start, end (bp, 1-based, both ends in), symbol.
    """

    variants: pd.DataFrame
    haplotypes: np.ndarray
    panel: np.ndarray
    populations: np.ndarray
    panel_populations: np.ndarray
    genes: pd.DataFrame

    @cached_property
    def dosage(self):
        """Copies of alt, int8 (n_people, M)."""
        return np.ascontiguousarray((self.haplotypes[:, 0::2] + self.haplotypes[:, 1::2]).T)

    @property
    def n_people(self):
        """People in the cohort."""
        return self.haplotypes.shape[1] // 2


def simulate_genome(n_people, n_reference, chromosomes, snps_per_mb, seed, region_mb=3.0):
    """Simulate genomes by the coalescent (msprime).

    Parameters
    ----------
    n_people, n_reference : int
        People in the cohort and in the panel; nobody is in both.
    chromosomes : list of int
        Autosomes; one region of `region_mb` Mb is simulated on each.
    snps_per_mb : float
        SNPs per Mb that all three arrays carry.
    seed : int or numpy.random.Generator
        The same seed gives the same bits.
    region_mb : float

    Returns
    -------
    Genome
        Its `dosage` is int8 (n_people, M), copies of alt.
    """
    rng = np.random.default_rng(seed)
    counts = [_two_populations(n_people), _two_populations(n_reference)]
    # Columns of the simulation: population 0 (cohort, panel), population 1 (cohort, panel); shuffled within the cohort.
    order = rng.permutation(n_people)
    length = round(region_mb * 1e6)
    tables, cohort, panel, genes = [], [], [], []
    for chrom in chromosomes:
        positions, haplotypes = _coalescent(counts, length, rng)
        people, others = _split(haplotypes, counts)
        people = people.reshape(len(positions), n_people, 2)[:, order].reshape(len(positions), -1)
        tables.append(_variants(chrom, positions + REGION_START, people, snps_per_mb * region_mb, rng))
        cohort.append(people)
        panel.append(others)
        genes.append(_genes(chrom, REGION_START, length, rng))
    variants = pd.concat(tables, ignore_index=True)
    variants.insert(0, "id", [f"rs9{number:08d}" for number in rng.permutation(10 * len(variants))[: len(variants)]])
    genes = pd.concat(genes, ignore_index=True)
    genes["symbol"] = [f"SIMG{number:04d}" for number in range(1, len(genes) + 1)]
    populations = np.repeat(np.array([0, 1], np.int8), counts[0])[order]
    panel_populations = np.repeat(np.array([0, 1], np.int8), counts[1])
    return Genome(variants, np.concatenate(cohort), np.concatenate(panel), populations, panel_populations, genes)


def _two_populations(n):
    """How many of `n` people are of the larger and of the smaller population."""
    minor = round(n * MINOR_POPULATION)
    return n - minor, minor


def _coalescent(counts, length, rng):
    """Positions (1-based within the region) and haplotypes (int8) of one region; columns as `_split` expects."""
    import msprime

    demography = msprime.Demography()
    for name in ("major", "minor", "ancestral"):
        demography.add_population(name=name, initial_size=POPULATION_SIZE)
    demography.add_population_split(time=SPLIT_GENERATIONS, derived=["major", "minor"], ancestral="ancestral")
    trees = msprime.sim_ancestry(
        {"major": counts[0][0] + counts[1][0], "minor": counts[0][1] + counts[1][1]},
        demography=demography,
        sequence_length=length,
        recombination_rate=RECOMBINATION_RATE,
        random_seed=int(rng.integers(1, 2**31)),
    )
    trees = msprime.sim_mutations(
        trees,
        rate=MUTATION_RATE,
        model=msprime.BinaryMutationModel(),
        random_seed=int(rng.integers(1, 2**31)),
    )
    haplotypes = trees.genotype_matrix().astype(np.int8)
    positions = trees.tables.sites.position.astype(np.int64) + 1
    copies = haplotypes.sum(axis=1, dtype=np.int64)
    keep = (copies >= MIN_COPIES) & (copies <= haplotypes.shape[1] - MIN_COPIES)
    return positions[keep], haplotypes[keep]


def _split(haplotypes, counts):
    """Cohort's and panel's columns of a simulation whose people come population by population."""
    (major, minor), (panel_major, panel_minor) = counts
    bounds = np.cumsum([0, 2 * major, 2 * panel_major, 2 * minor, 2 * panel_minor])
    parts = [haplotypes[:, first:last] for first, last in pairwise(bounds)]
    return np.hstack([parts[0], parts[2]]), np.hstack([parts[1], parts[3]])


def _variants(chrom, positions, haplotypes, n_core, rng):
    """Table of one region's variants; `n_core` of the common ones are on all arrays, spread evenly."""
    frequency = haplotypes.mean(axis=1)
    alleles = rng.choice(ALLELES, len(positions), p=ALLELE_SHARES)
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) > COMMON)
    core = np.zeros(len(positions), bool)
    core[rng.choice(common, min(round(n_core), len(common)), replace=False)] = True
    return pd.DataFrame(
        {
            "chrom": chrom,
            "pos": positions,
            "ref": [pair[0] for pair in alleles],
            "alt": [pair[1] for pair in alleles],
            "frequency": frequency,
            "core": core,
        }
    )


def _genes(chrom, start, length, rng):
    """Gene bodies that do not overlap, of uneven length, `GENE_SHARE` of the region in all."""
    number = max(2, round(length / 1e6 * GENES_PER_MB))
    sizes = rng.lognormal(0, 0.6, number)
    gaps = rng.lognormal(0, 0.6, number + 1)
    sizes = sizes / sizes.sum() * length * GENE_SHARE
    gaps = gaps / gaps.sum() * length * (1 - GENE_SHARE)
    starts = start + np.cumsum(gaps[:-1] + np.concatenate([[0], sizes[:-1]])).astype(np.int64)
    return pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + np.maximum(sizes.astype(np.int64), 1000)})
