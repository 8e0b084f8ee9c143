"""Mean activation maps and grey-value histograms over held-out people, read shard by shard."""

from dataclasses import dataclass, field

import numpy as np

from gcamccl.activation.store import read_labels, read_maps
from gcamccl.report.collect import CLASSES
from gcamccl.shards import cover
from gcamccl.workflow.errors import InputError

GREY_LEVELS = 256  # Fig. 4: 8-bit grey values
HISTOGRAM_BINS = 32


@dataclass
class MapSummary:
    """Sums over the held-out people of one class, for one method and view.

    Attributes
    ----------
    mean : ndarray, float64 (features,)
        Mean map; each person's map is divided by its largest absolute value first, so that nobody dominates.
    histogram : ndarray, float64 (HISTOGRAM_BINS,)
        Mean share of features per bin of grey values, 0 to 255 times |map| / max |map|.
    n_maps, n_zero : int
        Maps counted, and maps left out because they are zero everywhere.
    """

    mean: np.ndarray
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(HISTOGRAM_BINS))
    n_maps: int = 0
    n_zero: int = 0


def grey_histogram(maps):
    """Share of features per bin of grey values, for each map.

    Parameters
    ----------
    maps : ndarray, float (people, features)
        Maps with largest absolute value 1.

    Returns
    -------
    ndarray, float64 (people, HISTOGRAM_BINS)
    """
    grey = np.round(np.abs(maps) * (GREY_LEVELS - 1)).astype(np.int64)
    bins = grey * HISTOGRAM_BINS // GREY_LEVELS
    people = np.arange(len(maps))[:, None]
    counts = np.bincount((people * HISTOGRAM_BINS + bins).ravel(), minlength=len(maps) * HISTOGRAM_BINS)
    return counts.reshape(len(maps), HISTOGRAM_BINS) / maps.shape[1]


def add(summary, maps):
    """Add maps (people, features) of one class to a `MapSummary`; all-zero maps are only counted."""
    largest = np.nanmax(np.abs(maps), axis=1) if len(maps) else np.zeros(0)
    keep = largest > 0
    summary.n_zero += int((~keep).sum())
    if not keep.any():
        return
    scaled = np.nan_to_num(maps[keep].astype(np.float64)) / largest[keep, None]
    total = summary.n_maps + len(scaled)
    summary.mean += (scaled.sum(axis=0) - len(scaled) * summary.mean) / total
    summary.histogram += (grey_histogram(scaled).sum(axis=0) - len(scaled) * summary.histogram) / total
    summary.n_maps = total


def summarise(folder, replicates):
    """Summaries of all activation maps of the true labels and, beside them, of one permutation.

    Parameters
    ----------
    folder : Path
        Folder of the stage ``activation``.
    replicates : DataFrame
        replicate, permutation (0: true labels). Of the permuted ones only permutation 1 of each split is read: as
        many maps as with the true labels.

    Returns
    -------
    dict of tuple to MapSummary
        Keys (method, view, class, permuted): str, str, low or high, bool.
    """
    from safetensors import safe_open

    permutation = dict(zip(replicates["replicate"], replicates["permutation"], strict=True))
    result = {}
    for shard in cover(folder):
        labels = read_labels(shard / "people.parquet")
        with safe_open(shard / "maps.safetensors", framework="np") as tensors:
            for key in sorted(tensors.keys()):
                number, method, view = key.split("/")
                which = permutation.get(int(number))
                if which is None:
                    raise InputError(shard / "maps.safetensors", f"replicate {number} is not among those trained")
                if which > 1:
                    continue
                maps = read_maps(shard / "maps.safetensors", tensors, key)
                label = labels.get(int(number), np.zeros(0))
                if len(label) != len(maps):
                    raise InputError(
                        shard / "people.parquet", f"replicate {number}: {len(label)} people, {len(maps)} maps"
                    )
                for index, name in enumerate(CLASSES):
                    place = (method, view, name, bool(which))
                    if place not in result:
                        result[place] = MapSummary(np.zeros(maps.shape[2]))
                    add(result[place], maps[label == index, index])
    return result


def square(values, n_rois):
    """Symmetric matrix (R, R), diagonal 0, of E values in the order of ``numpy.triu_indices(R, 1)``."""
    if len(values) != n_rois * (n_rois - 1) // 2:
        raise ValueError(f"{len(values)} values are not the connections of {n_rois} ROIs")
    matrix = np.zeros((n_rois, n_rois))
    matrix[np.triu_indices(n_rois, 1)] = values
    return matrix + matrix.T


def likeness(summaries, method, view, name):
    """Pearson r between the mean map of the true labels and that of permuted labels; NaN where either is constant."""
    pair = [summaries.get((method, view, name, permuted)) for permuted in (False, True)]
    if any(part is None or part.n_maps == 0 or part.mean.std() == 0 for part in pair):
        return float("nan")
    return float(np.corrcoef(pair[0].mean, pair[1].mean)[0, 1])
