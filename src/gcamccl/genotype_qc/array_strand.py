"""The strand of one array against the first: by letters, by frequency where letters cannot tell, and checked by it."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from gcamccl.genotype_qc import strand
from gcamccl.genotype_qc.strand import COMPLEMENT

# Frequencies are also asked for the strand of SNPs whose letters tell it; surely wrong more often than this (one-sided
# binomial p < 0.05): they are no guide to these two arrays.
MAX_MEASURED_WRONG = 0.01
SURE = 0.05
NO_EVIDENCE = dict.fromkeys(
    ("share_flipped", "frequency_spread", "rule_tested", "rule_wrong", "rule_undecided"), float("nan")
)


@dataclass(frozen=True)
class ArrayStrand:
    """What was decided about one array's SNPs (arrays over the SNPs).

    Attributes
    ----------
    flip : bool array
        To be written as the complement.
    by : object array
        first, alleles, frequency, as given.
    frequency, as_written : float array
        Of the counted allele on this array, after and before any flip.
    undecided, differs : bool array
        The strand cannot be told; the frequency is not that of the first array's SNP.
    evidence : dict
        share_flipped (of SNPs whose letters tell), frequency_spread (`strand.estimate_spread`), rule_tested (SNPs whose
        letters tell and of which frequency decides, too), rule_wrong (of those), rule_undecided (of which it does not).
    lines : list of str
        For the log.
    """

    flip: np.ndarray
    by: np.ndarray
    frequency: np.ndarray
    as_written: np.ndarray
    undecided: np.ndarray
    differs: np.ndarray
    evidence: dict
    lines: list


def counted_allele(masks):
    """The allele whose frequency is compared: the first by letter, so that the order in the files plays no part.

    Parameters
    ----------
    masks : int array (SNPs,)
        Alleles over all arrays.

    Returns
    -------
    int array (SNPs,)
        Bits of `strand.BITS`.
    """
    return masks & -masks


def first_array(table, letter):
    """`ArrayStrand` of the first array: as it is."""
    frequency = strand.frequency_of(letter, table["bits1"], table["bits2"], table["frequency"].to_numpy())
    no = np.zeros(len(table), bool)
    return ArrayStrand(no, np.full(len(table), "first", object), frequency, frequency, no, no, dict(NO_EVIDENCE), [])


def other_array(table, first, letter, letters_tell, unclear, settings, names):
    """Strand of another array's SNPs.

    Parameters
    ----------
    table, first : DataFrame
        From `probes.usable`: the same SNPs of this and of the first array.
    letter : int array (SNPs,)
        From `counted_allele`.
    letters_tell : int8 array (SNPs,)
        By the letters: 0 the same strand, 1 the other, -1 unknown.
    unclear : bool array (SNPs,)
        A/T and C/G SNPs, over all arrays.
    settings : dict
        Config section ``genotype_qc``.
    names : tuple of str
        Of the first and of this array.

    Returns
    -------
    ArrayStrand
    """
    p1, n1 = first_array(first, letter).frequency, first["n"].to_numpy()
    n2 = table["n"].to_numpy()
    bits = [table[column].to_numpy() for column in ("bits1", "bits2")]
    as_written, turned = (
        strand.frequency_of(letter, turn[bits[0]], turn[bits[1]], table["frequency"].to_numpy())
        for turn in (np.arange(16), COMPLEMENT)
    )
    told = ~unclear & (letters_tell >= 0)
    flip = letters_tell == 1
    own = np.where(flip, turned, as_written)
    spread = strand.estimate_spread(p1[told], n1[told], own[told], n2[told])
    max_maf = settings["ambiguous_max_maf"]
    trial = strand.decide(p1[told], n1[told], own[told], n2[told], spread, max_maf)
    tested, wrong = int((trial >= 0).sum()), int((trial == 1).sum())
    share = float(flip[told].mean()) if told.any() else np.nan
    evidence = dict(zip(NO_EVIDENCE, (share, spread, tested, wrong, int((trial < 0).sum())), strict=True))
    lines = []
    if told.any():
        lines.append(
            f"{names[1]}: {100 * share:.1f} % of the SNPs whose letters tell are on another strand than {names[0]}"
        )
    by = np.where(told, "alleles", "as given").astype(object)
    undecided = np.zeros(len(table), bool)
    if settings["ambiguous"] == "frequency" and unclear.any():
        data = (p1[unclear], n1[unclear], as_written[unclear], n2[unclear], spread, max_maf)
        choice = strand.decide(*data)
        prior = strand.convention(int(flip[told].sum()), int(told.sum()), choice)
        choice = strand.decide(*data, prior)
        if tested and binom.sf(wrong - 1, tested, MAX_MEASURED_WRONG) < SURE:
            choice[:] = -1
            lines.append(
                f"WARNING {names[1]}: frequencies tell the wrong strand of {wrong} of {tested} SNPs whose letters say"
                " better; every A/T and C/G SNP is dropped"
            )
        lines.append(f"{names[1]}: {_account(choice, prior)}")
        flip = flip.copy()
        flip[unclear], undecided[unclear] = choice == 1, choice < 0
        by[unclear] = "frequency"
    own = np.where(flip, turned, as_written)
    differs = ~undecided & strand.gross(p1, n1, own, n2, spread, settings["max_frequency_difference"])
    return ArrayStrand(flip, by, own, as_written, undecided, differs, evidence, lines)


def _account(choice, prior):
    """A line on what became of the ambiguous SNPs."""
    same, other, unknown = (int((choice == value).sum()) for value in (0, 1, -1))
    basis = "by frequency alone" if prior == strand.NO_CONVENTION else "by frequency and the array's one convention"
    return (
        f"of {len(choice)} A/T and C/G SNPs {same} are on the same strand, {other} on the other ({basis}), "
        f"{unknown} cannot be told and are dropped"
    )
