"""The paper's rule: active above 0.05 of a map's maximum, selected where active in over 0.7 of the people (III-D)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Tally:
    """What the rule needs to know of a pile of maps; tallies of disjoint piles add up.

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
    """

    n_maps: int
    n_all_zero: int
    n_active: np.ndarray
    total: np.ndarray

    def __add__(self, other):
        return Tally(
            self.n_maps + other.n_maps,
            self.n_all_zero + other.n_all_zero,
            self.n_active + other.n_active,
            self.total + other.total,
        )

    @property
    def frequency(self):
        """Share of the maps, all-zero ones left out, that a feature is active in: float64 (features,); NaN: no maps."""
        n = self.n_maps - self.n_all_zero
        return self.n_active / n if n else np.full(len(self.n_active), np.nan)

    @property
    def sign(self):
        """Sign of the mean map: int64 (features,), -1, 0 or 1."""
        return np.sign(self.total).astype(int)


def tally(maps, max_fraction):
    """Count in how many maps each feature is active.

    Parameters
    ----------
    maps : ndarray of float (maps, features)
        Activation maps, signed or not.
    max_fraction : float
        A feature is active where ``|value| > max_fraction * max |value|``, the maximum being that of the same map.

    Returns
    -------
    Tally
    """
    size = np.abs(maps)
    peak = size.max(axis=1, initial=0, keepdims=True)
    kept = peak[:, 0] > 0
    # Dividing first keeps the comparison right for maps so small that max_fraction * peak would underflow.
    share = np.asarray(maps[kept], dtype=np.float64) / peak[kept]
    return Tally(len(maps), int((~kept).sum()), (np.abs(share) > max_fraction).sum(axis=0), share.sum(axis=0))


def empty_tally(n_features):
    """Tally of no maps."""
    return Tally(0, 0, np.zeros(n_features, dtype=np.int64), np.zeros(n_features))


def selected(frequency, min_frequency):
    """Features active in more than `min_frequency` of the maps; NaN, no maps, is not selected. bool (features,)."""
    return np.nan_to_num(frequency) > min_frequency
