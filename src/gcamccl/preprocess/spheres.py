"""Spheres of voxels around ROI coordinates, and means over them."""

import numpy as np

# The 2 mm MNI152 grid (FSL, SPM, fMRIPrep's res-2): world place of voxel 0 and step, mm. Only the parity of the
# origin matters for snapping.
GRID_ORIGIN_MM = np.array([-90.0, -126.0, -72.0])
GRID_STEP_MM = 2.0


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
