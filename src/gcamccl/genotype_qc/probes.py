"""The probes of one array: which can be used at all, one a SNP, and what became of every one of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.genome_builds import MAX_MOVED, MIN_FOR_BUILD_CHECK
from gcamccl.genotype_qc.strand import BITS, COMPLEMENT, allele_frequency, relation
from gcamccl.genotype_qc.validate import AUTOSOMES, NO_ID
from gcamccl.workflow.errors import InputError

PAIRS_AT_ONCE = 5_000
PLACE = 10**10  # a chromosome's worth of positions, so that chromosome and position are one number


@dataclass(frozen=True)
class Array:
    """One array's SNPs and what is to be known of their calls.

    Attributes
    ----------
    name : str
    bim : DataFrame
        Checked (`validate.read_fileset`).
    counts : int array (SNPs, 4)
        From `bed.count_calls`.
    calls : callable, optional
        Row numbers -> int8 array (rows, people), copies of A1. None: duplicate probes are not compared.
    """

    name: str
    bim: pd.DataFrame
    counts: np.ndarray
    calls: Callable | None = None


def read_array(name, prefix, bim, fam):
    """The `Array` of a fileset whose tables are checked."""
    counts = bed.count_calls(prefix, len(bim), len(fam))
    return Array(name, bim, counts, partial(bed.read_bed, prefix, len(fam)))


@dataclass
class Fate:
    """Why each probe of an array was dropped.

    Attributes
    ----------
    reason, detail : object array (SNPs,)
        None: not dropped; evidence, or None.
    """

    n: int
    reason: np.ndarray = field(init=False)
    detail: np.ndarray = field(init=False)

    def __post_init__(self):
        self.reason, self.detail = np.full(self.n, None, object), np.full(self.n, None, object)

    def drop(self, rows, reason, detail=None):
        """Note the reason of probes that have none yet."""
        rows = np.asarray(rows, np.int64)
        new = np.array([value is None for value in self.reason[rows]], bool)
        self.reason[rows[new]] = reason
        if detail is not None:
            self.detail[rows[new]] = detail if isinstance(detail, str) else np.asarray(detail, object)[new]

    def count(self, reason):
        """How many probes were dropped for a reason."""
        return int((self.reason == reason).sum())


def usable(array, fate, settings, alone, known=None):
    """Probes of an array that can be used at all, one a SNP.

    Parameters
    ----------
    array : Array
    fate : Fate
        Gains the reasons of the others.
    settings : dict
        Config section ``genotype_qc``.
    alone : bool
        There is no other array.
    known : DataFrame, optional
        id, chrom, pos: positions that decide, whatever an array says.

    Returns
    -------
    DataFrame
        row (of the ``.bim``), id (None: known by its position only), place (chromosome and position as one number),
        bits1, bits2 (of A1 and A2), mask (both), frequency (of A1), n (chromosomes with a call), lost (share of
        missing calls), corrected (bool: the position is a known one, not the array's). Places are unique.

    Raises
    ------
    InputError
        Most known positions are not the array's.
    """
    bim = array.bim
    chrom = pd.to_numeric(bim["chrom"]).to_numpy(np.int64)
    pos = bim["pos"].to_numpy(np.int64)
    place = np.where((chrom > 0) & (pos > 0), chrom * PLACE + pos, 0)  # 0: nowhere
    id_ = bim["id"].to_numpy(object)
    named = id_ != NO_ID
    place, corrected = _known_places(array.name, id_, place, known)
    bits = [bim[column].map(BITS).fillna(-1).to_numpy(np.int64) for column in ("a1", "a2")]
    frequency, n = allele_frequency(array.counts)
    mask = np.maximum(bits[0], 0) | np.maximum(bits[1], 0)
    table = pd.DataFrame(
        {
            "row": np.arange(len(bim)),
            "id": np.where(named, id_, None),
            "place": place,
            "bits1": bits[0],
            "bits2": bits[1],
            "mask": mask,
            "frequency": frequency,
            "n": n,
            "lost": array.counts[:, 3] / np.maximum(array.counts.sum(axis=1), 1),
            "corrected": corrected,
        }
    )
    autosome = np.isin(place // PLACE, [int(number) for number in AUTOSOMES])
    steps = [
        ("no_position", place > 0),
        ("not_autosomal", autosome),
        ("not_a_snp", (bits[0] >= 0) & (bits[1] >= 0)),
        ("same_allele_twice", (bits[0] != bits[1]) | (bits[0] <= 0)),
        ("no_calls", (mask > 0) & (n > 0)),
    ]
    good = np.ones(len(bim), bool)
    for reason, test in steps:
        fate.drop(np.flatnonzero(good & ~test), reason)
        good &= test
    table = table[good].reset_index(drop=True)
    table = _one_probe_each(table, array, fate, settings["duplicate_concordance"])
    return _one_place_each(table, fate, alone)


def _known_places(name, ids, place, known):
    """Places with those of known ids put right, and which were wrong."""
    if known is None or not len(known):
        return place, np.zeros(len(place), bool)
    chrom = pd.to_numeric(known["chrom"].astype(str).str.removeprefix("chr"), errors="coerce")
    table = pd.Series((chrom * PLACE + known["pos"]).to_numpy(float), index=known["id"].to_numpy(object)).dropna()
    table = table[~table.index.duplicated(keep=False)].astype(np.int64)
    found = table.index.get_indexer(ids)
    right = np.where(found >= 0, table.to_numpy()[found], place) if len(table) else place
    wrong = right != place
    n = int((found >= 0).sum())
    if n >= MIN_FOR_BUILD_CHECK and wrong.sum() > MAX_MOVED * n:
        raise InputError(
            name,
            f"{wrong.sum()} of its {n} SNPs with a known position are elsewhere",
            "bring the array and the known positions to the same genome build (GRCh37) first",
        )
    return right, wrong


def _one_probe_each(table, array, fate, limit):
    """Of several probes at one place the one with the fewest missing calls; none if they disagree."""
    twice = table["place"].duplicated(keep=False)
    if not twice.any():
        return table
    group = table[twice].sort_values(["place", "lost"], kind="stable")
    first = ~group["place"].duplicated().to_numpy()
    best = group[first].iloc[np.cumsum(first) - 1]
    masks, others = best["mask"].to_numpy(), group["mask"].to_numpy()
    same, flipped = relation(masks, others)
    clash = _places_with(group, ~(same | flipped))
    differ = ~first & ~clash
    share, n = np.ones(len(group)), np.zeros(len(group), np.int64)
    if array.calls is not None and differ.any():
        share[differ], n[differ] = _agreement(array, best[differ], group[differ], same[differ], flipped[differ])
    # One call apart is what a rare error does, however few people there are.
    unlike = _places_with(group, differ & (np.round((1 - share) * n) > np.maximum(1, (1 - limit) * n)))
    ids = _shown(group["id"], group["place"])
    fate.drop(group["row"][clash], "three_alleles", "probes of one position have different alleles")
    detail = [f"of {count} calls {value:.3f} agree with another probe" for value, count in zip(share, n, strict=True)]
    others_first = np.where(first, "another probe of its position has other calls", np.array(detail, object))
    fate.drop(group["row"][unlike], "duplicates_disagree", others_first[unlike])
    lose = ~first & ~clash & ~unlike
    kept = _shown(best["id"], best["place"])
    fate.drop(group["row"][lose], "duplicate_probe", ("kept: " + kept)[lose])
    # The SNP's rsID may be that of the probe that is not kept.
    rs = group[~clash & ~unlike & pd.Series(ids, group.index).str.startswith("rs")].drop_duplicates("place")
    table = table.set_index("row", drop=False)
    keep = ~table.index.isin(group["row"][clash | unlike | lose])
    table = table[keep].copy()
    plain = table["place"].isin(rs["place"]) & ~table["id"].fillna("").str.startswith("rs")
    table.loc[plain, "id"] = table.loc[plain, "place"].map(rs.set_index("place")["id"])
    return table.reset_index(drop=True)


def _places_with(group, bad):
    """Whether any probe of a row's place is `bad`."""
    return group["place"].isin(group["place"][bad]).to_numpy()


def _agreement(array, best, other, same, flipped):
    """Share of equal calls of pairs of probes, and of how many people; letters or, if those cannot tell, calls decide
    which allele is which."""
    swapped = [
        _swapped(best["bits1"], best["bits2"], *(turn[other[c].to_numpy()] for c in ("bits1", "bits2")))
        for turn in (np.arange(16), COMPLEMENT)
    ]
    swap = np.where(same, swapped[0], swapped[1])
    share, n = np.ones(len(best)), np.zeros(len(best), np.int64)
    rows, others = best["row"].to_numpy(), other["row"].to_numpy()
    for start in range(0, len(best), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        one, two = array.calls(rows[here]), array.calls(others[here])
        both = (one >= 0) & (two >= 0)
        n[here] = both.sum(axis=1)
        direct = ((one == two) & both).sum(axis=1)
        turned = ((one == 2 - two) & both).sum(axis=1)
        equal = np.where(swap[here], turned, direct)
        equal = np.where((same & flipped)[here], np.maximum(direct, turned), equal)
        share[here] = equal / np.maximum(n[here], 1)
    return share, n


def _swapped(a1, a2, b1, b2):
    """Where A1 of one probe is A2 of the other; alleles may be unknown (0)."""
    a1, a2 = a1.to_numpy(), a2.to_numpy()
    return ((a1 == b2) & (a1 > 0)) | ((a2 == b1) & (a2 > 0))


def _one_place_each(table, fate, alone):
    """An id at several places says nothing: with other arrays the places must tell, on one array nothing does."""
    twice = table["id"].notna() & table["id"].duplicated(keep=False)
    if not twice.any():
        return table
    if alone:
        fate.drop(table["row"][twice], "id_at_several_positions")
        return table[~twice].reset_index(drop=True)
    return table.assign(id=table["id"].mask(twice, None))


def _shown(ids, places):
    """Names for messages: the id, or chrom:pos."""
    return np.where(ids.notna(), ids, place_names(places.to_numpy()))


def place_names(places):
    """``chrom:pos`` of places, object array."""
    places = np.asarray(places, np.int64)
    return np.array([f"{place // PLACE}:{place % PLACE}" for place in places.tolist()], object)
