"""MNI152 maps to register to and to compare with, made from those that nilearn ships (ICBM 2009a, symmetric)."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

FWHM_TO_SD = 1 / np.sqrt(8 * np.log(2))
# Signal of grey matter, white matter and fluid relative to each other in a T2*-weighted image.
EPI_CONTRAST = (0.80, 0.62, 1.05)
EPI_BLUR_MM = 3.5  # about a BOLD voxel


@dataclass
class Template:
    """One map on its grid.

    Attributes
    ----------
    data : float32 (x, y, z)
    mask : bool (x, y, z)
        Brain.
    affine : float64 (4, 4)
    """

    data: np.ndarray
    mask: np.ndarray
    affine: np.ndarray


def brain_mask(resolution_mm):
    """Brain of MNI152: bool (x, y, z), and its affine."""
    from nilearn import datasets

    image = datasets.load_mni152_brain_mask(resolution=resolution_mm)
    return image.get_fdata(dtype=np.float32) > 0.5, image.affine


def t1w_template(resolution_mm):
    """T1-weighted `Template`, brain only."""
    from nilearn import datasets

    mask, affine = brain_mask(resolution_mm)
    return Template(datasets.load_mni152_template(resolution=resolution_mm).get_fdata(dtype=np.float32), mask, affine)


def epi_template(resolution_mm):
    """`Template` with the contrast of a T2*-weighted image, made of the tissue maps, as blurred as BOLD is."""
    from nilearn import datasets

    mask, affine = brain_mask(resolution_mm)
    grey = datasets.load_mni152_gm_template(resolution=resolution_mm).get_fdata(dtype=np.float32)
    white = datasets.load_mni152_wm_template(resolution=resolution_mm).get_fdata(dtype=np.float32)
    fluid = np.clip(mask - grey - white, 0, 1)
    data = EPI_CONTRAST[0] * grey + EPI_CONTRAST[1] * white + EPI_CONTRAST[2] * fluid
    return Template(ndimage.gaussian_filter(data, EPI_BLUR_MM * FWHM_TO_SD / resolution_mm), mask, affine)


def brain_grid(step_mm):
    """Regular MNI grid: points (n, 3) mm, and whether each is in the brain (n,)."""
    mask, affine = brain_mask(step_mm)
    return np.indices(mask.shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3], mask.ravel()
