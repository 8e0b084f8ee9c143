"""Strand of SNPs and frequency of their alleles: what the letters tell, and what the frequencies tell.

An A/T or C/G SNP reads the same on both strands. Two arrays that counted the allele *A* in p1 and p2 of their
chromosomes are on one strand if p2 is near p1, on opposite strands if 1 - p2 is. Either hypothesis expects

    difference ~ N(0, p (1 - p) (1/n1 + 1/n2 + spread)),   with probability `OUTLIER` anything (uniform on -1..1)

where n is the number of chromosomes with a call and `spread` the variance between the people of the two arrays beyond
sampling (2 F_ST if both drifted apart equally), estimated from the SNPs whose strand the letters tell. The outlier part
bounds what one frequency can say: where neither hypothesis fits, nothing is decided.
"""

import numpy as np

# An allele is a bit, a set of alleles the sum of its bits; 0: none known.
BITS = {"0": 0, "A": 1, "C": 2, "G": 4, "T": 8}
LETTERS = np.array(["0", "A", "C", "", "G", "", "", "", "T"], object)
COMPLEMENT = np.array([sum(8 >> bit for bit in range(4) if mask >> bit & 1) for mask in range(16)])
SIZE = np.array([bin(mask).count("1") for mask in range(16)])
AMBIGUOUS = np.isin(np.arange(16), [BITS["A"] | BITS["T"], BITS["C"] | BITS["G"]])

OUTLIER = 1e-3  # SNPs whose frequencies no strand explains, e.g. a probe that binds elsewhere
MAX_WRONG = 1e-3  # probability of the wrong strand, by the model, at which it is decided
GROSS_Z = 5.45  # |z| at p = 5e-8, the usual level for all SNPs of a genome
CHI2_MEDIAN = 0.4549364231195724  # of one degree of freedom
CHI2_95 = 3.841458820694124  # its 95th percentile
MIN_FOR_ESTIMATE = 50  # SNPs
DEFAULT_SPREAD = 0.02  # F_ST of 0.01, as between European countries' extremes, where too few SNPs tell
ONE_CONVENTION = 0.01  # share of SNPs on the other strand below which an array has one convention (or above 1 - this)
NO_CONVENTION = 0.5  # prior of the other strand
PRIOR_LIMIT = 0.01  # least probability that the array's convention leaves to the other strand


def relation(one, other):
    """What two sets of alleles allow: bool arrays (same strand, opposite strands), both where it cannot be told.

    Sets agree if one holds the other: a SNP with one allele on one array has a known allele, not another SNP's.
    """
    turned = COMPLEMENT[other]
    same, flipped = _contained(one, other), _contained(one, turned)
    # A alone here and T alone there: an A/T SNP, or A on the other strand.
    alone = (SIZE[one] == 1) & (SIZE[other] == 1) & AMBIGUOUS[one | other]
    return same | alone, flipped | alone


def _contained(one, other):
    """Whether one set of alleles holds the other."""
    both = one | other
    return (both == one) | (both == other)


def allele_frequency(counts):
    """Frequency of A1 and number of chromosomes with a call.

    Parameters
    ----------
    counts : int array (SNPs, 4)
        From `bed.count_calls`.

    Returns
    -------
    frequency : float array (SNPs,)
        NaN without any call.
    n : int array (SNPs,)
    """
    n = 2 * counts[:, :3].sum(axis=1)
    copies = 2 * counts[:, 0] + counts[:, 1]
    return np.divide(copies, n, out=np.full(len(n), np.nan), where=n > 0), n


def frequency_of(letter, a1, a2, frequency):
    """Frequency of the allele `letter` (bit) where `frequency` is that of `a1`; an allele 0 may be any."""
    is_a1 = (letter == a1) | ((letter != a2) & (a1 == 0))
    return np.where(is_a1, frequency, 1 - frequency)


def _variance(p1, n1, p2, n2, spread):
    """Variance of p1 - p2; half a chromosome of either allele is added, so that it is never 0."""
    pooled = (p1 * n1 + p2 * n2 + 0.5) / (n1 + n2 + 1)
    return pooled * (1 - pooled) * (1 / n1 + 1 / n2 + spread)


def difference_z(p1, n1, p2, n2, spread=0.0):
    """Difference of two frequencies in standard deviations (module docstring)."""
    return (p1 - p2) / np.sqrt(_variance(p1, n1, p2, n2, spread))


def allele_z(copies1, n1, copies2, n2):
    """Signed root of the chi-square of a 2 x 2 table of alleles (no correction; NaN without both alleles).

    Parameters
    ----------
    copies1, copies2 : int array (SNPs,)
        Copies of the allele on either side.
    n1, n2 : int array (SNPs,)
        Chromosomes with a call.
    """
    pooled = (copies1 + copies2) / (n1 + n2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (copies1 / n1 - copies2 / n2) / np.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))


def estimate_spread(p1, n1, p2, n2):
    """Variance between two arrays' people beyond sampling, from SNPs of known strand.

    The larger of what the median and the 95th percentile of the squared differences say: SNPs drift unequally, and the
    median alone takes the far ones of two unlike groups of people for faults. The few SNPs that differ for other
    reasons move neither.

    Returns
    -------
    float
        `DEFAULT_SPREAD` where fewer than `MIN_FOR_ESTIMATE` SNPs are common enough to tell.
    """
    pooled = (p1 * n1 + p2 * n2) / (n1 + n2)
    use = np.minimum(pooled, 1 - pooled) > 0.05
    if use.sum() < MIN_FOR_ESTIMATE:
        return DEFAULT_SPREAD
    square = (p1 - p2)[use] ** 2 / (pooled * (1 - pooled))[use]
    scale = max(np.median(square) / CHI2_MEDIAN, np.quantile(square, 0.95) / CHI2_95)
    return max(0.0, float(scale - np.median((1 / n1 + 1 / n2)[use])))


def log_odds_same(p1, n1, p2, n2, spread):
    """Log likelihood ratio of one strand against opposite strands (module docstring)."""
    return _log_density(p1, n1, p2, n2, spread) - _log_density(p1, n1, 1 - p2, n2, spread)


def _log_density(p1, n1, p2, n2, spread):
    variance = _variance(p1, n1, p2, n2, spread)
    normal = np.exp(-0.5 * (p1 - p2) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    return np.log((1 - OUTLIER) * normal + OUTLIER * 0.5)


def decide(p1, n1, p2, n2, spread, max_maf, prior_flipped=NO_CONVENTION):
    """Decide by frequency whether two arrays are on one strand.

    Parameters
    ----------
    p1, p2 : float array (SNPs,)
        Frequency of the same allele letter on the two arrays; NaN is undecided.
    n1, n2 : int array (SNPs,)
        Chromosomes with a call.
    spread : float
        From `estimate_spread`.
    max_maf : float
        Undecided if the minor allele is more frequent on either array. A wrong strand that looks right then takes a
        true difference of more than 1 - 2 max_maf.
    prior_flipped : float

    Returns
    -------
    int8 array (SNPs,)
        0 the same strand, 1 opposite strands, -1 undecided.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        odds = log_odds_same(p1, n1, p2, n2, spread) + np.log((1 - prior_flipped) / prior_flipped)
        clear = np.fmax(np.minimum(p1, 1 - p1), np.minimum(p2, 1 - p2)) <= max_maf
        clear &= np.abs(odds) >= np.log((1 - MAX_WRONG) / MAX_WRONG)
    return np.where(clear & np.isfinite(odds), odds < 0, -1).astype(np.int8)


def convention(flipped, known, clear):
    """Prior probability that an ambiguous SNP is on the other strand.

    Letters show how the array writes other SNPs; but arrays that were "corrected" with ``--flip`` have all those on one
    strand and the ambiguous ones wherever they were. So the ambiguous SNPs that frequency decides alone must agree.

    Parameters
    ----------
    flipped, known : int
        SNPs whose letters tell that they are on the other strand; whose letters tell at all.
    clear : int8 array
        `decide` of the ambiguous SNPs without a prior.

    Returns
    -------
    float
        `NO_CONVENTION`: frequency decides alone.
    """
    flips, decided = int((clear == 1).sum()), int((clear >= 0).sum())
    if known < MIN_FOR_ESTIMATE or not decided:
        return NO_CONVENTION
    shares = flipped / known, flips / decided
    if max(shares) <= ONE_CONVENTION or min(shares) >= 1 - ONE_CONVENTION:
        share = (flipped + flips + 1) / (known + decided + 2)
        return float(np.clip(share, PRIOR_LIMIT, 1 - PRIOR_LIMIT))
    return NO_CONVENTION


def gross(p1, n1, p2, n2, spread, limit):
    """Where two frequencies differ more than people do: by more than `limit` and, with `spread`, at p < 5e-8."""
    return (np.abs(p1 - p2) > limit) & (np.abs(difference_z(p1, n1, p2, n2, spread)) > GROSS_Z)
