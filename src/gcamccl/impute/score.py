"""How good filled calls are, measured on observed calls that the method was not shown."""

from itertools import pairwise

import numpy as np
import pandas as pd

# Of the observed calls, but no more calls than `ENOUGH`: they estimate 0.95 with a standard error of 0.0015, and what
# is hidden lowers the quality of the filling (by 0.0015 where 2 % were hidden of 5,000 SNPs x 854 people).
MASKED_SHARE = 0.02
ENOUGH = 20_000
MAF_EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
FEW_MASKED = 100  # below it no dosage is shrunk
COLUMNS = ("source", "stratum", "n_masked", "concordance", "concordance_mode", "dosage_r2", "dosage_r2_mode")


def hide(calls, seed, chromosome):
    """Observed calls to hide: bool array, the same for the same calls, seed and chromosome.

    About `MASKED_SHARE` of them, or `ENOUGH` if that is fewer.
    """
    rng = np.random.default_rng([seed, int(chromosome)])
    share = min(MASKED_SHARE, ENOUGH / max(calls.size, 1))
    return (calls >= 0) & (rng.random(calls.shape, np.float32) < share)


def most_frequent(calls):
    """Missing calls replaced by each SNP's most frequent call; of equally frequent ones the fewest copies of A1."""
    return np.where(calls < 0, mode(calls)[:, None], calls).astype(np.int8)


def mode(calls):
    """Each SNP's most frequent call, int8 (SNPs,); 0 where nothing is observed."""
    return np.stack([(calls == copies).sum(axis=1) for copies in (0, 1, 2)]).argmax(axis=0).astype(np.int8)


def mean_dosage(calls):
    """Mean copies of A1 of each SNP among the observed calls, float64 (SNPs,); NaN where there is none."""
    seen = calls >= 0
    with np.errstate(invalid="ignore"):
        return np.where(seen, calls, 0).sum(axis=1, dtype=np.int64) / seen.sum(axis=1)


def shrinkage(truth, guess, mean):
    """Slope of what calls are on what they were filled with, both from the SNP's mean; in 0 to 1.

    Where a program gives calls alone, mean + slope x (call - mean) is the expected dosage by least squares.

    Parameters
    ----------
    truth, guess, mean : float array (masked calls,)
        Observed copies, filled copies, the SNP's mean copies.

    Returns
    -------
    float
        1 where fewer than `FEW_MASKED` calls were masked, or all were filled with the mean.
    """
    x, y = guess - mean, truth - mean
    power = float(x @ x)
    return float(np.clip(x @ y / power, 0, 1)) if len(x) >= FEW_MASKED and power else 1.0


def concordance_table(masked):
    """Agreement with the hidden calls, overall and by stratum.

    Parameters
    ----------
    masked : DataFrame
        One row a masked call: source, truth, guess, dosage, mode (int or float copies of A1), mean (of the SNP).

    Returns
    -------
    DataFrame
        `COLUMNS`; strata all, ``maf a-b`` (a < MAF <= b), heterozygous, minor_homozygous (by the true call); sources
        each and ``all``. concordance: share of calls filled as they are. dosage_r2: squared correlation of true and
        filled dosage, both minus the SNP's mean, so that knowing frequencies alone scores 0; n/a where one of the two
        does not vary and in strata of one true call.
    """
    maf = np.minimum(masked["mean"], 2 - masked["mean"]) / 2
    minor = np.where(masked["mean"] <= 1, 2, 0)
    strata = {"all": np.ones(len(masked), bool)}
    for low, high in pairwise(MAF_EDGES):
        strata[f"maf {low:g}-{high:g}"] = ((maf > low) & (maf <= high)).to_numpy()
    by_truth = {"heterozygous": masked["truth"] == 1, "minor_homozygous": masked["truth"] == minor}
    strata |= {name: of.to_numpy() for name, of in by_truth.items()}
    sources = {"all": np.ones(len(masked), bool)}
    sources |= {name: (masked["source"] == name).to_numpy() for name in sorted(set(masked["source"]))}
    rows = []
    for source, of_source in sources.items():
        for stratum, of_stratum in strata.items():
            part = masked[of_source & of_stratum]
            if not len(part):
                continue
            right = [float((part["truth"] == part[name]).mean()) for name in ("guess", "mode")]
            r2 = [dosage_r2(part["truth"], part[name], part["mean"]) for name in ("dosage", "mode")]
            if stratum in by_truth:  # where the truth does not vary there is nothing to explain
                r2 = [np.nan, np.nan]
            rows.append((source, stratum, len(part), *right, *r2))
    return pd.DataFrame(rows, columns=COLUMNS)


def dosage_r2(truth, dosage, mean):
    """Squared correlation of `truth` and `dosage`, each minus `mean`; NaN where one does not vary."""
    x, y = (np.asarray(values, float) - np.asarray(mean, float) for values in (truth, dosage))
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1] ** 2)
