"""Points of every ROI in MNI152 space: balls around coordinates, or the voxels of a label image; means over them."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from gcamccl.atlas import is_image, read_labels
from gcamccl.preprocess.resample import voxel_values
from gcamccl.preprocess.templates import brain_mask
from gcamccl.workflow.errors import InputError

# The 2 mm MNI152 grid (FSL, SPM, fMRIPrep's res-2): world place of voxel 0 and step, mm. Only the parity of the
# origin matters for snapping.
GRID_ORIGIN_MM = np.array([-90.0, -126.0, -72.0])
GRID_STEP_MM = 2.0
BRAIN_STEP_MM = 4  # grid of the brain mask, and how far beyond it a region may lie: masks are not exact


@dataclass
class Regions:
    """Where to sample.

    Attributes
    ----------
    points : float64 (P, 3)
        MNI mm, grouped by ROI.
    roi : int64 (P,)
        Row of the atlas each point belongs to; ascending.
    count : int
        Number of ROIs.
    """

    points: np.ndarray
    roi: np.ndarray
    count: int


def regions(atlas, table, radius_mm):
    """`Regions` of an atlas.

    Parameters
    ----------
    atlas : str
        Setting ``preprocess.atlas``.
    table : DataFrame
        As from `gcamccl.atlas.read_atlas`.
    radius_mm : float
        Of the balls; label images have regions of their own.

    Returns
    -------
    Regions

    Raises
    ------
    InputError
        A region lies outside the brain of MNI152: its series would be that of air.
    """
    if is_image(atlas):
        points, roi = label_points(*read_labels(atlas), table["label"].to_numpy())
    else:
        points, roi = sphere_points(table[["x", "y", "z"]].to_numpy(float), radius_mm)
    brain, affine = brain_mask(BRAIN_STEP_MM)
    there = np.bincount(roi, voxel_values(ndimage.binary_dilation(brain), affine, points), len(table)) > 0
    if not there.all():
        row = table.iloc[int(there.argmin())]
        raise InputError(
            atlas,
            f"ROI {row['roi']} at {row['x']:g}, {row['y']:g}, {row['z']:g} mm lies outside the brain of MNI152"
            + (f", and {(~there).sum() - 1} more" if (~there).sum() > 1 else ""),
            "coordinates must be in mm and in MNI152 space",
        )
    return Regions(points, roi, len(table))


def snap(xyz):
    """Nearest point of the 2 mm MNI152 grid to each coordinate (n, 3), mm."""
    return np.rint((np.asarray(xyz, float) - GRID_ORIGIN_MM) / GRID_STEP_MM) * GRID_STEP_MM + GRID_ORIGIN_MM


def sphere_points(xyz, radius_mm=5.0):
    """Grid points within closed balls around the snapped coordinates.

    Balls of 5 mm hold 81 points each, so the 264 ROIs of Power et al. give 21,384, as in the paper's section III-A.

    Parameters
    ----------
    xyz : float (R, 3)
        MNI152 coordinates, mm.
    radius_mm : float

    Returns
    -------
    points : float64 (P, 3)
        MNI mm, grouped by ROI.
    roi : int64 (P,)
        Row of `xyz` each point belongs to; ascending.
    """
    reach = int(radius_mm // GRID_STEP_MM)
    steps = np.arange(-reach, reach + 1) * GRID_STEP_MM
    ball = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    ball = ball[(ball**2).sum(axis=1) <= radius_mm**2 + 1e-9]
    centres = snap(xyz)
    points = (centres[:, None] + ball[None]).reshape(-1, 3)
    return points, np.repeat(np.arange(len(centres)), len(ball))


def label_points(labels, affine, values):
    """Points of a label image's regions on the 2 mm MNI152 grid, by the nearest voxel.

    A region too small to hold a grid point is sampled at its own voxels.

    Parameters
    ----------
    labels : int (x, y, z)
        MNI152 space.
    affine : float64 (4, 4)
    values : int (R,)
        Label of each ROI.

    Returns
    -------
    points : float64 (P, 3)
    roi : int64 (P,)
    """
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in labels.shape])).reshape(3, -1).T
    corners = corners @ affine[:3, :3].T + affine[:3, 3]
    axes = [
        np.arange(low, high + GRID_STEP_MM, GRID_STEP_MM)
        for low, high in zip(snap(corners.min(axis=0)), corners.max(axis=0), strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    found = voxel_values(labels, affine, grid)
    order = np.argsort(values)
    row = order[np.clip(np.searchsorted(values, found, sorter=order), 0, len(values) - 1)]
    kept = (values[row] == found) & (found != 0)
    points, roi = [grid[kept]], [row[kept]]
    for number in np.setdiff1d(np.arange(len(values)), roi[0]):
        own = np.argwhere(labels == values[number]) @ affine[:3, :3].T + affine[:3, 3]
        points.append(own)
        roi.append(np.full(len(own), number))
    points, roi = np.concatenate(points), np.concatenate(roi)
    order = np.argsort(roi, kind="stable")
    return points[order], roi[order]


def roi_means(values, roi, n_rois):
    """Mean over each ROI's points.

    Parameters
    ----------
    values : float32 (n_volumes, P)
    roi : int (P,)
    n_rois : int

    Returns
    -------
    float32 (n_volumes, n_rois)
        NaN for an ROI without points.
    """
    from scipy import sparse

    counts = np.bincount(roi, minlength=n_rois)
    weights = sparse.csr_array((1.0 / counts[roi], (roi, np.arange(roi.size))), shape=(n_rois, roi.size))
    means = (weights @ values.T).T.astype(np.float32)
    means[:, counts == 0] = np.nan
    return means
