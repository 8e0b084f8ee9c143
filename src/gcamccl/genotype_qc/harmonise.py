"""Which SNP of one array is which of another, and on which strand: decided before PLINK sees them.

The first array sets names and strand, most arrays the position. `probes` leaves one usable probe a SNP on each array,
`matching` finds them on the other arrays, the alleles tell the strand, and where they read the same on both strands
(A/T, C/G) the frequencies do (`strand`). What cannot be told is dropped, with its reason.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from gcamccl.genotype_qc.array_strand import counted_allele, first_array, other_array
from gcamccl.genotype_qc.genome_builds import LENGTHS, STUDY_BUILD
from gcamccl.genotype_qc.matching import agreed_places, match
from gcamccl.genotype_qc.probes import PLACE, Fate, place_names, usable
from gcamccl.genotype_qc.strand import AMBIGUOUS, COMPLEMENT, LETTERS
from gcamccl.genotype_qc.validate import AUTOSOMES, NO_ID
from gcamccl.workflow.errors import InputError

# Lengths of the autosomes by their number.
_ENDS = np.array([0, *(LENGTHS[STUDY_BUILD][number] for number in AUTOSOMES)], np.int64)
COUNTED = (
    *("strand_ambiguous", "strand_undecided", "alleles_irreconcilable", "three_alleles", "position_differs"),
    *("id_clash", "id_at_several_positions", "frequency_differs", "duplicate_probe", "duplicates_disagree"),
)


@dataclass(frozen=True)
class Harmonised:
    """What `harmonise` decided.

    Attributes
    ----------
    snps : list of DataFrame
        One an array: the SNPs all arrays share, in the order of the first array. Columns row (line of the array's
        ``.bim``, from 0), chrom, id, cm, pos, a1, a2 as they are to be written, and array_id (as on the array).
    table : DataFrame
        A row per array and common SNP; columns in docs/artifacts.md (``harmonised.tsv``).
    dropped : DataFrame
        id (as on the array; chrom:pos where it has none), array, step, reason, detail: every probe of every array is
        either here, once, or in `table`.
    usable : list of int
        SNPs of each array that can be used at all.
    strand : DataFrame
        A row per array: counts and evidence; columns in docs/artifacts.md (``strand.tsv``).
    """

    snps: list
    table: pd.DataFrame
    dropped: pd.DataFrame
    usable: list
    strand: pd.DataFrame


def harmonise(arrays, settings, known=None, say=lambda text: None):
    """Reconcile the SNPs of several arrays.

    Parameters
    ----------
    arrays : list of probes.Array
    settings : dict
        Config section ``genotype_qc``.
    known : DataFrame, optional
        id, chrom, pos: positions that decide, whatever an array says.
    say : callable
        Called with lines for the log.

    Returns
    -------
    Harmonised

    Raises
    ------
    InputError
        Two arrays are on different genome builds, or no SNP is common to all.
    """
    names = [array.name for array in arrays]
    fates = [Fate(len(array.bim)) for array in arrays]
    tables = [usable(array, fate, settings, len(arrays) == 1, known) for array, fate in zip(arrays, fates, strict=True)]
    for name, table, fate in zip(names, tables, fates, strict=True):
        if not len(table):
            why = ", ".join(f"{reason}: {n}" for reason, n in pd.Series(fate.reason).value_counts().items())
            what = f"none of its {len(fate.reason)} SNPs can be used ({why})"
            raise InputError(name, what, "check its chromosomes, alleles and calls")
    base, first = tables[0], names[0]
    ids, places, masks = [base["id"].to_numpy(object)], base["place"].to_numpy(), base["mask"].to_numpy()
    partners = [np.arange(len(base))]
    flips = [np.zeros(len(base), np.int8)]  # 1: turned; -1: letters do not tell
    by = [np.full(len(base), "first", object)]
    for table, fate, name in zip(tables[1:], fates[1:], names[1:], strict=True):
        found = match(ids, places, masks, table, fate, (first, name))
        on = found.partner >= 0
        other = np.where(on, table["mask"].to_numpy()[found.partner], 0)
        flips.append(np.where(found.same & found.flipped, -1, found.flipped).astype(np.int8))
        masks = masks | np.where(flips[-1] == 1, COMPLEMENT[other], other)
        partners.append(found.partner)
        by.append(found.by)
        ids.append(np.where(on, table["id"].to_numpy(object)[found.partner], None))
    common = np.all([partner >= 0 for partner in partners], axis=0)
    _not_common(fates, tables, partners, common)
    partners = [partner[common] for partner in partners]
    flips, by, ids, masks = (
        [f[common] for f in flips],
        [b[common] for b in by],
        [i[common] for i in ids],
        masks[common],
    )
    chosen = [table.iloc[partner].reset_index(drop=True) for table, partner in zip(tables, partners, strict=True)]
    place, good = _positions(chosen, fates, names)
    letter, decided, good = _strands(chosen, flips, masks, good, fates, names, settings, say)
    if not good.any():
        raise InputError(" + ".join(names), "no SNP is common to all arrays", "check ids, positions and genome builds")
    _not_common(fates, chosen, [np.arange(len(good))] * len(chosen), good)
    chosen = [table[good].reset_index(drop=True) for table in chosen]
    final = _names([some[good] for some in ids], place[good], chosen[0], arrays[0].bim)
    snps, table = _result(arrays, chosen, final, place[good], letter[good], decided, good, [b[good] for b in by])
    summary = _summary(arrays, fates, tables, table, decided)
    dropped = pd.concat([_dropped(a, f) for a, f in zip(arrays, fates, strict=True)], ignore_index=True)
    return Harmonised(snps, table, dropped, [len(table) for table in tables], summary)


def _not_common(fates, tables, partners, common):
    """Probes of SNPs that another array lacks, or lost."""
    for fate, table, partner in zip(fates, tables, partners, strict=True):
        rows = partner[~common & (partner >= 0)]
        fate.drop(table["row"].to_numpy()[rows], "not_common_to_all_arrays")


def _positions(chosen, fates, names):
    """Places most arrays agree on, and which SNPs have one of their own, on the chromosome."""
    places = np.array([table["place"].to_numpy() for table in chosen])
    place, decided = agreed_places(places)
    for fate, table, own, name in zip(fates[1:], chosen[1:], places[1:], names[1:], strict=True):
        bad = ~decided & (own != places[0])
        if bad.any():
            detail = place_names(own[bad]) + f" on {name}, " + place_names(places[0][bad]) + f" on {names[0]}"
            fate.drop(table["row"][bad], "position_differs", detail)
    # A SNP put right may land on another one.
    moved = np.any(places != place, axis=0) & decided
    crowded = decided & moved & pd.Series(np.where(decided, place, -np.arange(len(place)))).duplicated(keep=False)
    for fate, table in zip(fates, chosen, strict=True):
        fate.drop(table["row"][crowded], "position_taken")
    beyond = decided & ~crowded & (place % PLACE > _ENDS[place // PLACE])
    for fate, table in zip(fates, chosen, strict=True):
        fate.drop(table["row"][beyond], "beyond_chromosome_end")
    return place, decided & ~crowded & ~beyond


def _strands(chosen, letters_tell, masks, good, fates, names, settings, say):
    """Decide every array's strand and compare frequencies.

    Returns
    -------
    letter : int array (SNPs,)
        The allele whose frequencies are compared.
    decided : list of ArrayStrand
    good : bool array (SNPs,)
        Strand known and frequencies alike on all arrays.
    """
    unclear = AMBIGUOUS[masks]
    if settings["ambiguous"] == "drop" and unclear.any():
        for fate, table in zip(fates, chosen, strict=True):
            fate.drop(table["row"][good & unclear], "strand_ambiguous")
        good = good & ~unclear
    letter = counted_allele(masks)
    decided = [first_array(chosen[0], letter)]
    first = decided[0].frequency
    for table, fate, name, tell in zip(chosen[1:], fates[1:], names[1:], letters_tell[1:], strict=True):
        found = other_array(table, chosen[0], letter, tell, unclear, settings, (names[0], name))
        for line in found.lines:
            say(line)
        _note(fate, table, good & found.undecided, "strand_undecided", letter, found.as_written, first, names[0])
        _note(fate, table, good & found.differs, "frequency_differs", letter, found.frequency, first, names[0])
        good = good & ~found.undecided & ~found.differs
        decided.append(found)
    return letter, decided, good


def _note(fate, table, bad, reason, letter, own, first, name):
    """Drop probes by their frequency, which is the detail."""
    rows = np.flatnonzero(bad)
    detail = [
        f"{allele} {here:.3f} here, {there:.3f} on {name}"
        for allele, here, there in zip(LETTERS[letter[rows]], own[rows], first[rows], strict=True)
    ]
    fate.drop(table["row"].to_numpy()[rows], reason, np.array(detail, object))


def _names(ids, place, base, bim):
    """One id a SNP: the first array's, unless only another array has an rsID for it; chrom:pos where there is none."""
    own = ids[0].copy()
    result = own.copy()
    for other in ids:
        have = pd.notna(other)
        better = have & ~_is_rs(result) & (_is_rs(other) | pd.isna(result))
        result[better] = other[better]
    result = _unless_taken(result, own)
    made = place_names(place)
    result = np.where(pd.isna(result), made, result)
    clash = pd.Series(result).duplicated(keep=False).to_numpy()
    if clash.any():
        rows = base["row"].to_numpy()
        longer = made + ":" + bim["a1"].to_numpy(object)[rows] + ":" + bim["a2"].to_numpy(object)[rows]
        result = np.where(clash & pd.isna(own), longer, result)
        clash = pd.Series(result).duplicated(keep=False).to_numpy()
        result = np.where(clash, longer, result)
    return result


def _is_rs(ids):
    return pd.Series(ids, dtype=object).str.startswith("rs", na=False).to_numpy(bool)


def _unless_taken(result, own):
    """The first array's own ids where the better ones would not be unique."""
    twice = pd.Series(result).duplicated(keep=False).to_numpy() & pd.notna(result)
    return np.where(twice, own, result)


def _result(arrays, chosen, ids, place, letter, decided, good, by):
    """Tables of a finished harmonisation; of `decided` those SNPs count that are `good`."""
    chrom, pos = (place // PLACE).astype(str).astype(object), place % PLACE
    snps, tables = [], []
    corrected = np.any([table["corrected"].to_numpy() for table in chosen], axis=0)
    for array, table, own_strand, found in zip(arrays, chosen, decided, by, strict=True):
        rows, flip = table["row"].to_numpy(), own_strand.flip[good]
        here = array.bim.iloc[rows]
        own = here["id"].to_numpy(object)
        bits = [table[column].to_numpy() for column in ("bits1", "bits2")]
        letters = [LETTERS[np.where(flip, COMPLEMENT[one], one)] for one in bits]
        written = {"row": rows, "chrom": chrom, "id": ids, "cm": 0, "pos": pos, "a1": letters[0], "a2": letters[1]}
        snps.append(pd.DataFrame(written | {"array_id": own}))
        at = pd.to_numeric(here["chrom"]).to_numpy(np.int64) * PLACE + here["pos"].to_numpy(np.int64)
        moved = at != place
        tables.append(
            pd.DataFrame(
                {
                    "id": ids,
                    "array": array.name,
                    "array_id": own,
                    "action": _actions(own != ids, moved, flip),
                    "matched_by": found,
                    "position_by": np.select([corrected, moved], ["known", "majority"], "array"),
                    "strand_by": own_strand.by[good],
                    "allele": LETTERS[letter],
                    "frequency": np.round(own_strand.frequency[good], 4),
                    "frequency_first": np.round(decided[0].frequency[good], 4),
                }
            )
        )
    return snps, pd.concat(tables, ignore_index=True)


def _actions(renamed, moved, flip):
    """What is done to each SNP: kept, or renamed, moved, flipped joined by +."""
    words = []
    for code in range(8):
        done = [word for bit, word in enumerate(("renamed", "moved", "flipped")) if code >> bit & 1]
        words.append("+".join(done) or "kept")
    return np.array(words, object)[renamed.astype(int) + 2 * moved + 4 * flip]


def _summary(arrays, fates, tables, table, decided):
    """Counts of an array: what was done to its common SNPs and why others were dropped."""
    rows = []
    for array, fate, usable_, found in zip(arrays, fates, tables, decided, strict=True):
        own = table[table["array"] == array.name]
        row = {"array": array.name, "snps": len(array.bim), "usable": len(usable_), "common": len(own)}
        row["kept"] = int((own["action"] == "kept").sum())
        row |= {word: int(own["action"].str.contains(word).sum()) for word in ("renamed", "moved", "flipped")}
        told = own["strand_by"] == "frequency"
        row["ambiguous_same"] = int((told & ~own["action"].str.contains("flipped")).sum())
        row["ambiguous_flipped"] = int((told & own["action"].str.contains("flipped")).sum())
        row |= {reason: fate.count(reason) for reason in COUNTED}
        rows.append(row | found.evidence)
    return pd.DataFrame(rows)


def _dropped(array, fate):
    """Rows of ``dropped`` of one array."""
    rows = np.flatnonzero(fate.reason != None)  # noqa: E711
    ids = array.bim["id"].to_numpy(object)[rows]
    nameless = ids == NO_ID
    if nameless.any():
        here = array.bim.iloc[rows[nameless]]
        place = here["chrom"].astype(str) + ":" + here["pos"].astype(str)
        taken = place.duplicated(keep=False)
        ids[nameless] = place.where(~taken, place + ":" + here["a1"] + ":" + here["a2"])
    return pd.DataFrame(
        {
            "id": ids,
            "array": array.name,
            "step": "harmonise",
            "reason": fate.reason[rows],
            "detail": fate.detail[rows],
        }
    )
