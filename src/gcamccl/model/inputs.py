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
    missing = np.isnan(fc)
    if not missing.any():
        return fc, 0, 0, 0
    above = np.triu_indices(fc.shape[1], 1)
    have = (~missing[train_rows]).sum(axis=0)
    total = np.where(missing[train_rows], 0, fc[train_rows]).sum(axis=0, dtype=np.float64)
    nowhere = have == 0
    overall_mean = total[above].sum() / max(have[above].sum(), 1)
    mean = np.where(nowhere, overall_mean, total / np.maximum(have, 1)).astype(np.float32)
    np.fill_diagonal(mean, 0)
    filled = np.where(missing, mean, fc)
    missing = missing[:, above[0], above[1]]
    return filled, int(missing.any(axis=1).sum()), int(missing.sum()), int(missing[:, nowhere[above]].sum())


def prepare(fc, dosage, train_rows, settings):
    """Inputs of the network for everybody in the cohort.

    Parameters
    ----------
    fc : ndarray of float32 (n, R, R)
        Connectivity; NaN: missing. None: a study without scans.
    dosage : ndarray of float32 (n, L)
        Copies of the counted allele, none missing. None: a study without genotypes.
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
    filled, people, values, overall = (None, 0, 0, 0) if fc is None else fill_missing(fc, train_rows)
    connectivity, snps = (0.0, 1.0), (0.0, 1.0)
    if settings["input_scale"] == "global" and dosage is not None:
        snps = _mean_sd(dosage[train_rows])
        dosage = (dosage - np.float32(snps[0])) / np.float32(snps[1])
    if settings["input_scale"] == "global" and fc is not None:
        above = np.triu_indices(fc.shape[1], 1)
        connectivity = _mean_sd(filled[train_rows][:, above[0], above[1]])
        filled = (filled - np.float32(connectivity[0])) / np.float32(connectivity[1])
        diagonal = np.arange(fc.shape[1])
        filled[:, diagonal, diagonal] = 0
    arrays = {"connectivity": filled, "snps": dosage}
    inputs = {
        view: torch.from_numpy(np.ascontiguousarray(arrays[view], dtype=np.float32)).unsqueeze(1)
        for view in VIEWS
        if view in settings["views"]
    }
    return inputs, InputScale(settings["input_scale"], *connectivity, *snps, people, values, overall)


def _mean_sd(values):
    """Mean and standard deviation as floats; an SD of 0 counts as 1, so that constant input stays finite."""
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)) or 1.0
