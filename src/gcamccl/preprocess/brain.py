"""Brain mask of a BOLD scan and how well it overlaps with MNI152's."""

import numpy as np
from scipy import ndimage

from gcamccl.preprocess.resample import voxel_values
from gcamccl.workflow.errors import InputError

MASK_LEVEL = 0.35  # of the 98th percentile of the smoothed mean image
SMALLEST_ML = 100  # also of a thin slab


def brain_mask(mean):
    """Brain in a mean BOLD image: threshold, largest component, closed and filled.

    Parameters
    ----------
    mean : float32 (x, y, z)

    Returns
    -------
    bool (x, y, z)
        Nowhere true if nothing is bright enough.
    """
    smooth = ndimage.gaussian_filter(mean, 1)
    mask = ndimage.binary_opening(smooth > MASK_LEVEL * np.percentile(smooth, 98), iterations=2)
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ndimage.binary_fill_holes(ndimage.binary_closing(mask, iterations=2))


def checked_mask(mean, affine, path):
    """`brain_mask` of the scan `path`; InputError if there is nothing like a brain."""
    mask = brain_mask(mean)
    millilitres = mask.sum() * abs(np.linalg.det(affine[:3, :3])) / 1000
    if millilitres < SMALLEST_ML:
        raise InputError(
            path, f"no brain found in the mean image (largest bright part: {millilitres:.0f} ml)", "look at the scan"
        )
    return mask


def dice(mask, affine, native_points, in_mni_brain):
    """Overlap of the scan's brain mask with MNI152's, within the field of view.

    Parameters
    ----------
    mask : bool (x, y, z)
    affine : float64 (4, 4)
    native_points : float (n, 3)
        Native places of a regular MNI grid (`gcamccl.preprocess.templates.brain_grid`).
    in_mni_brain : bool (n,)
        Whether each of them is in MNI152's brain mask.

    Returns
    -------
    float
        2 |A and B| / (|A| + |B|).
    """
    inside = voxel_values(np.ones_like(mask), affine, native_points)
    scan = voxel_values(mask, affine, native_points[inside])
    template = in_mni_brain[inside]
    return float(2 * (scan & template).sum() / max(1, scan.sum() + template.sum()))
