"""QC-FC: what head motion has left in the connectivity (Satterthwaite et al. 2012; Ciric et al. 2017)."""

import numpy as np
import pandas as pd

# Below this, chance alone makes half of all |r| exceed 0.24 (median of |r| without any effect at n = 10) and only
# |r| > 0.63 reaches p < 0.05: the summary would describe the sample size.
FEWEST_PEOPLE = 10
LEVEL = 0.05  # uncorrected, as a share to compare with 0.05 itself
NEARLY_CONSTANT = 1e-13  # norm about the mean, beside the mean: scipy.stats.pearsonr's limit for a constant input
SUMMARY_COLUMNS = (
    "n_people",
    "n_edges",
    "median_abs_r",
    "median_abs_r_by_chance",
    "share_p_below_0_05",
    "distance_spearman",
    "reason",
)


def correlations(x, values):
    """Pearson correlation of `x` with every column, over the people in whom the column is known.

    Parameters
    ----------
    x : float (people,)
    values : float (people, k)
        NaN: missing.

    Returns
    -------
    r : float64 (k,)
        NaN where there are fewer than `FEWEST_PEOPLE` people, or nothing varies.
    n : int64 (k,)
        People used.
    """
    values = np.asarray(values, np.float64)
    there = ~np.isnan(values)
    n = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_x = (x @ there) / n
        mean = np.where(there, values, 0).sum(axis=0) / n
        dx = np.where(there, x[:, None] - mean_x, 0)
        dy = np.where(there, values - mean, 0)
        norm_x, norm_y = np.linalg.norm(dx, axis=0), np.linalg.norm(dy, axis=0)
        r = np.clip((dx * dy).sum(axis=0) / (norm_x * norm_y), -1, 1)
        flat = (norm_x <= NEARLY_CONSTANT * np.abs(mean_x)) | (norm_y <= NEARLY_CONSTANT * np.abs(mean))
    r[flat | (n < FEWEST_PEOPLE)] = np.nan
    return r, n


def p_values(r, n):
    """Two-sided p of Pearson's r over n people: t = r sqrt((n - 2) / (1 - r^2)) with n - 2 degrees of freedom."""
    from scipy.special import stdtr

    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt((n - 2) / (1 - r**2))
    return 2 * stdtr(n - 2, -t)


def qc_fc(fc, mean_fd_mm, rois):
    """Correlation over people between mean framewise displacement and each connection.

    Parameters
    ----------
    fc : float32 (people, R, R)
        NaN: ROI missing.
    mean_fd_mm : float (people,)
        NaN: motion unknown.
    rois : DataFrame
        roi, x, y, z (mm); R rows.

    Returns
    -------
    edges : DataFrame
        roi_a, roi_b (ROI numbers), distance_mm (between the centres), r, n (people); one row a connection, in the order
        of ``numpy.triu_indices(R, 1)``.
    summary : DataFrame
        One row, `SUMMARY_COLUMNS`: people with known motion, connections with an r, the median of |r| and what it would
        be without any effect, the share with p < 0.05 (uncorrected), and Spearman's correlation of r with distance.
        All n/a but the counts, with a reason, where fewer than `FEWEST_PEOPLE` people have known motion.
    """
    known = np.isfinite(np.asarray(mean_fd_mm, np.float64))
    x = np.asarray(mean_fd_mm, np.float64)[known]
    n_rois = len(rois)
    a, b = np.triu_indices(n_rois, 1)
    xyz, numbers = rois[["x", "y", "z"]].to_numpy(float), rois["roi"].to_numpy()
    r, n = np.full(len(a), np.nan), np.zeros(len(a), np.int64)
    if known.any():
        # ROI by ROI, so that no second copy of the whole stack is made
        rows = [correlations(x, fc[known, roi, roi + 1 :]) for roi in range(n_rois - 1)]
        r, n = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    edges = pd.DataFrame(
        {
            "roi_a": numbers[a],
            "roi_b": numbers[b],
            "distance_mm": np.linalg.norm(xyz[a] - xyz[b], axis=1),
            "r": r,
            "n": n,
        }
    )
    return edges, pd.DataFrame([_summary(edges, len(x))], columns=list(SUMMARY_COLUMNS))


def _summary(edges, n_people):
    """The row of `qc_fc`'s summary."""
    used = edges[edges["r"].notna()]
    row = {"n_people": n_people, "n_edges": len(used)}
    if n_people < FEWEST_PEOPLE:
        return row | {"reason": f"people kept with known motion: {n_people}; at least {FEWEST_PEOPLE} are needed"}
    if used.empty:
        return row | {"reason": "motion or connectivity does not differ between people"}
    from scipy.stats import beta, spearmanr

    r, n = used["r"].to_numpy(), used["n"].to_numpy()
    row["median_abs_r"] = float(np.median(np.abs(r)))
    # Without any effect r^2 has the distribution Beta(1/2, (n - 2) / 2).
    row["median_abs_r_by_chance"] = float(np.sqrt(beta.median(0.5, (np.median(n) - 2) / 2)))
    row["share_p_below_0_05"] = float((p_values(r, n) < LEVEL).mean())
    row["distance_spearman"] = float(spearmanr(used["distance_mm"], r).statistic)
    return row
