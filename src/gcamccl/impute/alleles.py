"""Which of the study's SNPs are in somebody else's VCF, and which allele is which there."""

import numpy as np

COMPLEMENT = str.maketrans("ACGT", "TGCA")
BASES = [*"ACGT"]
# Above it the strand of an A/T or C/G SNP is not told by its frequency: W. Rayner's HRC-1000G-check-bim removes such
# SNPs with minor allele frequency above 0.4.
AMBIGUOUS_MAF = 0.4
STANDARD_ERRORS = 4  # beyond the limit's reach of a small panel's or cohort's sampling error


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
    unclear : int array
        Ambiguous ones with a minor allele frequency above `AMBIGUOUS_MAF` on either side.
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
    rows = found.index.to_numpy()
    return found[~differs & ~unclear], rows[differs], rows[unclear]
