"""What enters the network: missing connections filled and inputs scaled, fitted on the training part only."""

from dataclasses import asdict, dataclass

import numpy as np
import torch

from gcamccl.model.network import VIEWS


@dataclass(frozen=True)
class InputScale:
    """How one replicate's inputs were made from the cohort's arrays; goes to ``replicates.json``.

    Attributes
    ----------
    scale : str
        Setting ``input_scale``: ``none`` or ``global``.
    connectivity_mean, connectivity_sd : float
        Subtracted from and divided into every off-diagonal entry (0 and 1: unchanged).
    snps_mean, snps_sd : float
        The same for dosages.
    filled_people, filled_values : int
        People with missing connections, and how many connections (each counted once) were filled by the training
        part's mean of that connection.
    filled_overall : int
        How many of those were missing in the whole training part, so that its mean over all connections stands in.
    """

    scale: str
    connectivity_mean: float
    connectivity_sd: float
    snps_mean: float
    snps_sd: float
    filled_people: int
    filled_values: int
    filled_overall: int

    def as_dict(self):
        """Plain dict for JSON."""
        return asdict(self)


def training_means(fc, train_rows):
    """What stands in for missing connections: their mean over the training people who have them.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        Symmetric; NaN: missing.
    train_rows : ndarray of int
        Rows the means come from.

    Returns
    -------
    mean : ndarray of float32 (R, R) or None
        Diagonal 0; None where nobody in the cohort misses anything.
    people, values, overall : int
        As in `InputScale`.
    """
    missing = np.isnan(fc)
    if not missing.any():
        return None, 0, 0, 0
    above = np.triu_indices(fc.shape[1], 1)
    have = (~missing[train_rows]).sum(axis=0)
    total = np.where(missing[train_rows], 0, fc[train_rows]).sum(axis=0, dtype=np.float64)
    nowhere = have == 0
    overall_mean = total[above].sum() / max(have[above].sum(), 1)
    mean = np.where(nowhere, overall_mean, total / np.maximum(have, 1)).astype(np.float32)
    np.fill_diagonal(mean, 0)
    missing = missing[:, above[0], above[1]]
    return mean, int(missing.any(axis=1).sum()), int(missing.sum()), int(missing[:, nowhere[above]].sum())


def fill_missing(fc, train_rows):
    """Fill missing connections by the mean of the training people who have them.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        Symmetric; NaN: missing.
    train_rows : ndarray of int
        Rows the means come from.

    Returns
    -------
    filled : ndarray of float32 (n, R, R)
        `fc` itself where nothing is missing, else a copy.
    people, values, overall : int
        As in `InputScale`.
    """
    mean, *counts = training_means(fc, train_rows)
    return fc if mean is None else np.where(np.isnan(fc), mean, fc), *counts


def fit_scale(fc, dosage, train_rows, settings):
    """Everything about the inputs that is fitted on a training part, without making the inputs.

    Parameters
    ----------
    fc, dosage, train_rows, settings
        As in `prepare`; the array of a view that is not used is not looked at and may be None.

    Returns
    -------
    scale : InputScale
    mean : ndarray of float32 (R, R) or None
        As in `training_means`.
    """
    mean, counts = None, (0, 0, 0)
    connectivity, snps = (0.0, 1.0), (0.0, 1.0)
    if "connectivity" in settings["views"]:
        mean, *counts = training_means(fc, train_rows)
    if settings["input_scale"] == "global":
        if "connectivity" in settings["views"]:
            above = np.triu_indices(fc.shape[1], 1)
            values = fc[train_rows][:, above[0], above[1]]
            connectivity = _mean_sd(values if mean is None else np.where(np.isnan(values), mean[above], values))
        if "snps" in settings["views"]:
            snps = _mean_sd(dosage[train_rows])
    return InputScale(settings["input_scale"], *connectivity, *snps, *counts), mean


def prepare(fc, dosage, train_rows, settings):
    """Inputs of the network for everybody in the cohort.

    `gcamccl.train.data.Staged` makes the same values for a batch at a time.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        Connectivity; NaN: missing. Not looked at, and may be None, where ``views`` does not name it.
    dosage : ndarray of float32 (n, L)
        Copies of the counted allele, none missing. The same.
    train_rows : ndarray of int
        Rows of the training part: all that is fitted is fitted on them.
    settings : dict
        The config section ``train``: reads ``views`` and ``input_scale``.

    Returns
    -------
    inputs : dict of str to Tensor
        ``connectivity``: float32 (n, 1, R, R), diagonal 0. ``snps``: float32 (n, 1, L). Only the views in use. They
        may share memory with `fc` and `dosage`: do not write to them.
    scale : InputScale
    """
    scale, mean = fit_scale(fc, dosage, train_rows, settings)
    arrays = {}
    if "connectivity" in settings["views"]:
        filled = fc if mean is None else np.where(np.isnan(fc), mean, fc)
        if scale.scale == "global":
            filled = (filled - np.float32(scale.connectivity_mean)) / np.float32(scale.connectivity_sd)
            diagonal = np.arange(fc.shape[1])
            filled[:, diagonal, diagonal] = 0
        arrays["connectivity"] = filled
    if "snps" in settings["views"]:
        arrays["snps"] = dosage
        if scale.scale == "global":
            arrays["snps"] = (dosage - np.float32(scale.snps_mean)) / np.float32(scale.snps_sd)
    inputs = {
        view: torch.from_numpy(np.ascontiguousarray(arrays[view], dtype=np.float32)).unsqueeze(1)
        for view in VIEWS
        if view in settings["views"]
    }
    return inputs, scale


def _mean_sd(values):
    """Mean and SD as floats; an SD of 0 counts as 1, so that constant input stays finite; 0 and 1 of no values."""
    if not values.size:  # one ROI has no connection
        return 0.0, 1.0
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0
