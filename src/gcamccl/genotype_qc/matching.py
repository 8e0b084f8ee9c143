"""Which probe of one array measures the SNP of another: by id, by position, and never against the alleles."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.genome_builds import MAX_MOVED, MIN_FOR_BUILD_CHECK
from gcamccl.genotype_qc.probes import place_names
from gcamccl.genotype_qc.strand import LETTERS, relation
from gcamccl.workflow.errors import InputError


@dataclass
class Match:
    """Partners of the first array's SNPs on another array.

    Attributes
    ----------
    partner : int array (SNPs,)
        Row of the other array's table; -1 none.
    same, flipped : bool array (SNPs,)
        Strands that the alleles allow.
    by : object array (SNPs,)
        id or position.
    moved : bool array (SNPs,)
        The other array has it at another position.
    """

    partner: np.ndarray
    same: np.ndarray
    flipped: np.ndarray
    by: np.ndarray
    moved: np.ndarray


def match(ids, places, masks, table, fate, names):
    """Find the SNPs of the first array on another one.

    In this order: same id and position; same position and alleles that fit (a renamed SNP, even if its id is in use
    elsewhere on the array); same id and alleles that fit, elsewhere (a moved SNP).

    Parameters
    ----------
    ids : list of object array
        Names of the first array's SNPs: its own, then those found on other arrays; None: no name.
    places, masks : int array (SNPs,)
        Places and alleles known so far.
    table : DataFrame
        From `probes.usable`.
    fate : probes.Fate
        Of the other array; gains alleles_irreconcilable, id_clash and not_on_<first array>.
    names : tuple of str
        Names of the first and of the other array.

    Returns
    -------
    Match

    Raises
    ------
    InputError
        Most SNPs with the same id lie elsewhere.
    """
    by_id = _by_id(ids, table)
    places_of, masks_of = table["place"].to_numpy(), table["mask"].to_numpy()
    found = by_id >= 0
    here = found & (places_of[by_id] == places)
    _check_build(ids[0], places, table, names)
    by_place = pd.Index(table["place"]).get_indexer(places)
    partner = np.where(here, by_id, -1)
    taken = np.zeros(len(table), bool)
    taken[by_id[here]] = True

    def fits(rows):
        same, flipped = relation(masks, masks_of[rows])
        return (rows >= 0) & (same | flipped)

    renamed = (partner < 0) & fits(by_place)
    renamed[renamed] = ~taken[by_place[renamed]]
    partner[renamed] = by_place[renamed]
    taken[by_place[renamed]] = True
    elsewhere = (partner < 0) & found
    elsewhere[elsewhere] = ~taken[by_id[elsewhere]]
    moved = elsewhere & fits(by_id)
    partner[moved] = by_id[moved]
    taken[by_id[moved]] = True

    same, flipped = relation(masks, np.where(partner >= 0, masks_of[partner], 0))
    unlike = here & ~(same | flipped)
    _note_alleles(fate, table, by_id, unlike, masks, names[0])
    partner[unlike] = -1
    clash = elsewhere & ~moved & ~taken[by_id]
    fate.drop(
        table["row"].to_numpy()[by_id[clash]],
        "id_clash",
        f"on {names[0]} this id is at " + place_names(places[clash]) + " with other alleles" if clash.any() else None,
    )
    other = (partner < 0) & (by_place >= 0)
    other[other] = ~taken[by_place[other]]
    _note_alleles(fate, table, by_place, other & ~here, masks, names[0])
    rest = np.ones(len(table), bool)
    rest[partner[partner >= 0]] = False
    fate.drop(table["row"].to_numpy()[rest], f"not_on_{names[0]}")
    by = np.where(partner < 0, None, np.where(here | moved, "id", "position"))
    return Match(partner, same & (partner >= 0), flipped & (partner >= 0), by, moved)


def _by_id(ids, table):
    """Row of `table` with one of a SNP's names, the first name first; -1 none."""
    named = np.flatnonzero(table["id"].notna())
    index = pd.Index(table["id"].to_numpy()[named])
    result = np.full(len(ids[0]), -1)
    if not len(index):
        return result
    used = np.zeros(len(table), bool)
    for some in ids:
        ask = np.flatnonzero((result < 0) & pd.notna(some))
        found = index.get_indexer(some[ask])
        ask, rows = ask[found >= 0], named[found[found >= 0]]
        # A probe is one SNP: of several names that lead to it a SNP's own counts first.
        new = ~used[rows] & ~pd.Series(rows).duplicated().to_numpy()
        result[ask[new]] = rows[new]
        used[rows] = True
    return result


def _check_build(ids, places, table, names):
    """Raise an InputError if most SNPs with the first array's ids lie elsewhere."""
    rows = _by_id([ids], table)
    found = rows >= 0
    moved = found & (table["place"].to_numpy()[rows] != places)
    if found.sum() >= MIN_FOR_BUILD_CHECK and moved.sum() > MAX_MOVED * found.sum():
        raise InputError(
            names[1],
            f"{moved.sum()} of the {found.sum()} SNPs it shares with {names[0]} by id are at other positions",
            "bring all arrays to the same genome build (GRCh37) first",
        )


def _note_alleles(fate, table, rows, bad, masks, first):
    """Drop probes whose alleles cannot be those of the first array's SNP."""
    bad = np.flatnonzero(bad)
    if len(bad):
        own = _written(table["mask"].to_numpy()[rows[bad]])
        detail = own + f" here, {first} and others before: " + _written(masks[bad])
        fate.drop(table["row"].to_numpy()[rows[bad]], "alleles_irreconcilable", detail)


def _written(masks):
    """Sets of alleles as text: A/G."""
    texts = ["/".join(LETTERS[bit] for bit in (1, 2, 4, 8) if mask & bit) for mask in range(16)]
    return np.array(texts, object)[masks]


def agreed_places(places):
    """The position that most arrays have for each SNP.

    Parameters
    ----------
    places : int array (arrays, SNPs)

    Returns
    -------
    place : int array (SNPs,)
        The first array's where there is no majority.
    decided : bool array (SNPs,)
        More than half of the arrays have it.
    """
    votes = (places[:, None, :] == places[None, :, :]).sum(axis=1)
    best = votes.argmax(axis=0)
    columns = np.arange(places.shape[1])
    decided = 2 * votes[best, columns] > len(places)
    return np.where(decided, places[best, columns], places[0]), decided
