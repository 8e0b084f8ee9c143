"""Which of the study's SNPs are in somebody else's VCF, and which allele is which there."""

import numpy as np

COMPLEMENT = str.maketrans("ACGT", "TGCA")
BASES = [*"ACGT"]
# Above it the strand of an A/T or C/G SNP is not told by its frequency: W. Rayner's HRC-1000G-check-bim removes such
# SNPs with minor allele frequency above 0.4.
AMBIGUOUS_MAF = 0.4
# Where frequency does not tell, linkage disequilibrium does: the cosine of a SNP's correlations with its neighbours in
# study and panel. Of unrelated correlations it is about normal with SD 1 / sqrt(20) for 20 neighbours: 0.7 is 3 SD.
NEIGHBOURS = 20
MIN_LIKENESS = 0.7
STANDARD_ERRORS = 4  # what is beyond them is no sampling error of a small panel or cohort


def complement(alleles):
    """The other strand's letters; Series of str."""
    return alleles.str.translate(COMPLEMENT)


def match(bim, sites):
    """Find SNPs in a list of sites.

    Parameters
    ----------
    bim : DataFrame
        `bed.BIM` columns, index 0 to n - 1.
    sites : DataFrame
        pos, ref, alt, all single letters; index 0 to m - 1.

    Returns
    -------
    DataFrame
        Index `row` of `bim`, ascending, the SNPs found: site (row of `sites`), pos, ref, alt, a1_is_alt (bool),
        flipped (bool: the study has the other strand), ambiguous (bool: A/T or C/G). A site is found by position and
        both alleles; a SNP with one known allele by that one. Of several sites the study's own strand and the first
        win.
    """
    left = bim[["pos", "a1", "a2"]].rename_axis("row").reset_index()
    pairs = left.merge(sites[["pos", "ref", "alt"]].rename_axis("site").reset_index(), on="pos")
    fits, a1_is_alt = {}, {}
    for flipped in (False, True):
        a1, a2 = (complement(pairs[name]) if flipped else pairs[name] for name in ("a1", "a2"))
        known = (a1 == pairs["ref"]) | (a1 == pairs["alt"]), (a2 == pairs["ref"]) | (a2 == pairs["alt"])
        fits[flipped] = (known[0] | (a1 == "0")) & (known[1] | (a2 == "0")) & (known[0] | known[1]) & (a1 != a2)
        a1_is_alt[flipped] = (a1 == pairs["alt"]) | (a2 == pairs["ref"])
    pairs["flipped"] = fits[True] & ~fits[False]
    pairs["a1_is_alt"] = np.where(pairs["flipped"], a1_is_alt[True], a1_is_alt[False])
    pairs["ambiguous"] = complement(pairs["ref"]) == pairs["alt"]
    found = pairs[fits[True] | fits[False]].sort_values(["row", "flipped", "site"]).drop_duplicates("row")
    return found.set_index("row")[["site", "pos", "ref", "alt", "a1_is_alt", "flipped", "ambiguous"]]


def swapped(calls, swap):
    """Count the other allele where `swap`; missing stays missing."""
    return np.where(swap[:, None] & (calls >= 0), 2 - calls, calls).astype(np.int8)


def unique_sites(sites):
    """SNPs with one alternative that share their position with no other SNP; indels beside them do not matter.

    Parameters
    ----------
    sites : DataFrame
        pos, ref, alt of every record at the positions looked at.

    Returns
    -------
    bool array
    """
    snps = sites["ref"].isin(BASES) & sites["alt"].str.fullmatch("[ACGT](,[ACGT])*")
    alone = ~sites["pos"].where(snps).duplicated(keep=False)
    return (alone & snps & sites["alt"].isin(BASES)).to_numpy()


def check_frequencies(found, cohort, panel, n_people, n_panel, limit):
    """Compare allele frequencies of study and panel; orient A/T and C/G SNPs by them.

    Parameters
    ----------
    found : DataFrame
        From `match`.
    cohort : float array
        Frequency of A1 among the observed calls, NaN: none.
    panel : float array
        Frequency of alt in the panel.
    n_people, n_panel : int
        People in the study and in the panel.
    limit : float
        Largest difference.

    Returns
    -------
    found : DataFrame
        Without the SNPs below; a1_is_alt and flipped of ambiguous SNPs set.
    differs : int array
        Rows of `bim` whose frequency differs by more than `limit` and by `STANDARD_ERRORS` standard errors.
    unclear : DataFrame
        Part of `found`: ambiguous ones with a minor allele frequency above `AMBIGUOUS_MAF` on either side.
    """
    found = found.copy()
    alt = np.where(found["a1_is_alt"], cohort, 1 - cohort)
    turn = found["ambiguous"].to_numpy() & (np.abs(1 - alt - panel) < np.abs(alt - panel))
    alt = np.where(turn, 1 - alt, alt)
    found["a1_is_alt"] ^= turn
    found["flipped"] |= turn
    common = np.fmax(np.minimum(alt, 1 - alt), np.minimum(panel, 1 - panel))
    unclear = found["ambiguous"].to_numpy() & (common > AMBIGUOUS_MAF)
    error = np.sqrt(panel * (1 - panel) * (1 / (2 * n_people) + 1 / (2 * n_panel)))
    differs = np.abs(alt - panel) > np.maximum(limit, STANDARD_ERRORS * error)
    differs &= ~unclear
    return found[~differs & ~unclear], found.index.to_numpy()[differs], found[unclear]


def orient_by_ld(snp, neighbours, panel_snp, panel_neighbours):
    """Whether a SNP is correlated with its neighbours as in the panel, or the other way round.

    Parameters
    ----------
    snp, panel_snp : int8 array (people,)
        Copies of alt in the study (-1 missing) and in the panel.
    neighbours, panel_neighbours : int8 array (neighbours, people)
        The same of SNPs whose alleles are known.

    Returns
    -------
    int
        1: as in the panel; -1: the other way round; 0: it cannot be told.
    """
    here = _centred(neighbours) @ _centred(snp[None])[0]
    there = _centred(panel_neighbours) @ _centred(panel_snp[None])[0]
    # Neighbours that are copies of one another make chance correlations alike or opposite: one at least must be real.
    chance = [STANDARD_ERRORS / np.sqrt(max((own >= 0).sum(), 1)) for own in (snp, panel_snp)]
    if not ((np.abs(here) > chance[0]) & (np.abs(there) > chance[1])).any():
        return 0
    size = np.sqrt((here @ here) * (there @ there))
    likeness = here @ there / size if size else 0.0
    return int(np.sign(likeness)) if abs(likeness) >= MIN_LIKENESS else 0


def _centred(copies):
    """Rows minus their mean, length 1; missing calls count as the mean."""
    seen = copies >= 0
    total = np.where(seen, copies, 0).sum(axis=1, dtype=float)
    centred = np.where(seen, copies - (total / np.maximum(seen.sum(axis=1), 1))[:, None], 0.0)
    length = np.sqrt((centred**2).sum(axis=1))
    return centred / np.where(length, length, 1)[:, None]
