"""The paper's rule: active above 0.05 of a map's maximum, selected where active in over 0.7 of the people (III-D).

What the paper's sentence leaves open is a setting each: values, maximum, people, splits (config/README.md).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tally:
    """What the rule needs to know of a pile of maps; tallies of disjoint piles, the splits, add up.

    Attributes
    ----------
    n_maps : int
        Maps in the pile.
    n_all_zero : int
        How many of them are zero everywhere. They have no maximum to compare with and are left out of frequencies.
    n_active : ndarray of int64 (features,)
        In how many maps a feature is active.
    total : ndarray of float64 (features,)
        Sum of the maps, each divided by its own maximum so that every person has the same say in the sign.
    n_piles : int
        Piles added up that have maps other than all-zero ones.
    mean_sum, lowest : ndarray of float64 (features,)
        Sum and lowest value of the piles' own frequencies; 0 and infinity without any.
    """

    n_maps: int
    n_all_zero: int
    n_active: np.ndarray
    total: np.ndarray
    n_piles: int
    mean_sum: np.ndarray
    lowest: np.ndarray

    def __add__(self, other):
        return Tally(
            self.n_maps + other.n_maps,
            self.n_all_zero + other.n_all_zero,
            self.n_active + other.n_active,
            self.total + other.total,
            self.n_piles + other.n_piles,
            self.mean_sum + other.mean_sum,
            np.minimum(self.lowest, other.lowest),
        )

    def frequency(self, splits="pooled"):
        """Share of the maps, all-zero ones left out, that a feature is active in.

        Parameters
        ----------
        splits : {"pooled", "mean", "lowest"}
            Of all maps; or mean or lowest of the piles' own frequencies.

        Returns
        -------
        ndarray of float64 (features,)
            NaN: no maps.
        """
        if not self.n_piles:
            return np.full(len(self.n_active), np.nan)
        if splits == "lowest":
            return self.lowest
        return self.mean_sum / self.n_piles if splits == "mean" else self.n_active / (self.n_maps - self.n_all_zero)

    @property
    def sign(self):
        """Sign of the mean map: int64 (features,), -1, 0 or 1."""
        return np.sign(self.total).astype(int)


def tally(maps, max_fraction, values="absolute", peaks=None):
    """Count in how many maps each feature is active.

    Parameters
    ----------
    maps : ndarray of float (maps, features)
        Activation maps, signed or not.
    max_fraction : float
        A feature is active where its value exceeds this share of the maximum.
    values : {"absolute", "positive"}
        Absolute values, or the values themselves: what speaks against the class is never active then.
    peaks : ndarray of float (maps,), optional
        Largest absolute value of each map in units that all maps share. Given, the maximum is that of all maps; else
        every map has its own.

    Returns
    -------
    Tally
        Of one pile.
    """
    own = np.abs(maps).max(axis=1, initial=0)
    kept = own > 0
    # Dividing first keeps the comparison right for maps so small that max_fraction * peak would underflow.
    share = np.asarray(maps[kept], dtype=np.float64) / own[kept, None]
    if not len(share):
        return empty_tally(maps.shape[1], len(maps))
    value = np.abs(share) if values == "absolute" else share
    if peaks is None:
        top = value.max(axis=1, keepdims=True)
    else:
        value = value * (peaks[kept] / peaks[kept].max())[:, None]
        top = value.max()
    active = (value > max_fraction * top) & (value > 0)
    n_active = active.sum(axis=0)
    frequency = n_active / len(share)
    return Tally(len(maps), int((~kept).sum()), n_active, share.sum(axis=0), 1, frequency, frequency)


def empty_tally(n_features, n_maps=0):
    """Tally of no maps, or of maps that are all zero."""
    nothing = np.zeros(n_features)
    return Tally(n_maps, n_maps, nothing.astype(np.int64), nothing, 0, nothing, np.full(n_features, np.inf))


def selected(frequency, min_frequency):
    """Features active in more than `min_frequency` of the maps; NaN, no maps, is not selected. bool (features,)."""
    return np.nan_to_num(frequency) > min_frequency
