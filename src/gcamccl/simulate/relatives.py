"""Relatives among the people of a simulated study, by Mendelian transmission with recombination."""

from dataclasses import dataclass, replace

import numpy as np

from gcamccl.simulate.genome import RECOMBINATION_RATE

# Kind, declared in family_id. "strangers": declared as a family, but not related (adoption, a wrong entry).
PLAN = (
    ("parent and child", True),
    ("full siblings", False),
    ("same DNA", False),
    ("full siblings", True),
    ("strangers", True),
)
PEOPLE_PER_PAIR = 12  # of the study: small ones get fewer pairs, in the order of `PLAN`
PARENT_AGE_YEARS = 27.0  # above the child's


@dataclass(frozen=True)
class Pair:
    """Two people, as positions among the study's people.

    Attributes
    ----------
    kind : str
        One of `PLAN`.
    one, other : int
        Of parent and child the parent comes first.
    family : str or None
        Their family_id, where it is declared.
    """

    kind: str
    one: int
    other: int
    family: str | None


def choose_pairs(populations, rng):
    """Pairs of people of one population, nobody in two of them; never the last person, who has no score.

    Parameters
    ----------
    populations : ndarray of int (n,)
    rng : numpy.random.Generator

    Returns
    -------
    list of Pair
    """
    free = list(rng.permutation(len(populations) - 1))
    pairs = []
    for number, (kind, declared) in enumerate(PLAN[: len(populations) // PEOPLE_PER_PAIR], start=1):
        one = free.pop()
        other = next(person for person in free if populations[person] == populations[one])
        free.remove(other)
        pairs.append(Pair(kind, int(one), int(other), f"fam{number}" if declared else None))
    return pairs


def transmit(haplotypes, chrom, pos, pairs, rng):
    """Haplotypes of a population in which `pairs` are related.

    A child gets one gamete of the parent and keeps one haplotype of its own, as from a parent outside the study. Of
    siblings, the four haplotypes that the two people had become those of their parents, who are not in the study.

    Parameters
    ----------
    haplotypes : int8 array (M, 2 n)
        Columns 2i and 2i + 1 are person i's.
    chrom, pos : array (M,)
        Sorted; pos in bp.
    pairs : list of Pair
    rng : numpy.random.Generator

    Returns
    -------
    int8 array (M, 2 n)
        A copy.
    """
    result = haplotypes.copy()
    chrom, pos = np.asarray(chrom), np.asarray(pos)

    def gamete(person):
        own = haplotypes[:, 2 * person : 2 * person + 2]
        return own[np.arange(len(own)), strand(chrom, pos, rng)]

    for pair in pairs:
        one, other = pair.one, pair.other
        if pair.kind == "parent and child":
            result[:, 2 * other] = gamete(one)
        elif pair.kind == "full siblings":
            for person in (one, other):
                result[:, 2 * person], result[:, 2 * person + 1] = gamete(one), gamete(other)
        elif pair.kind == "same DNA":
            result[:, 2 * other : 2 * other + 2] = haplotypes[:, 2 * one : 2 * one + 2]
    return result


def strand(chrom, pos, rng):
    """Which of a parent's two haplotypes a gamete carries at each position: 0 or 1, switching at crossovers."""
    result = np.empty(len(pos), np.int64)
    for value in np.unique(chrom):
        rows = np.flatnonzero(chrom == value)
        first, last = pos[rows].min(), pos[rows].max()
        crossovers = np.sort(rng.uniform(first, last, rng.poisson((last - first) * RECOMBINATION_RATE)))
        result[rows] = (rng.integers(2) + np.searchsorted(crossovers, pos[rows])) % 2
    return result


def with_relatives(genome, pairs, rng):
    """The genome of the same population with `pairs` related; allele frequencies follow."""
    variants = genome.variants
    haplotypes = transmit(genome.haplotypes, variants["chrom"], variants["pos"], pairs, rng)
    return replace(genome, haplotypes=haplotypes, variants=variants.assign(frequency=haplotypes.mean(axis=1)))


def adjust_people(table, pairs):
    """Age of parents, sex of people with the same DNA, family_id: a copy of the table of people."""
    table = table.copy()
    table["family_id"] = None
    for pair in pairs:
        if pair.kind == "parent and child":
            table.loc[pair.one, "age"] = table.loc[pair.other, "age"] + PARENT_AGE_YEARS
        elif pair.kind == "same DNA":
            table.loc[pair.other, "sex"] = table.loc[pair.one, "sex"]
        table.loc[[pair.one, pair.other], "family_id"] = pair.family
    return table
