"""Registration to MNI152 with ANTs. Only points are carried over; no image is ever normalised."""

from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

FWHM_TO_SD = 1 / np.sqrt(8 * np.log(2))
# Signal of grey matter, white matter and fluid relative to each other in a T2*-weighted image.
EPI_CONTRAST = (0.80, 0.62, 1.05)
EPI_BLUR_MM = 3.5  # about a BOLD voxel
MASK_LEVEL = 0.35  # of the 98th percentile of the smoothed mean image
BRAIN_MARGIN_MM = 6.0
DICE_STEP_MM = 4
LOW_DICE = 0.75
TO_LPS = np.array([-1.0, -1.0, 1.0])  # ANTs counts x and y the other way round


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


def mni_maps(resolution_mm):
    """MNI152 maps bundled with nilearn, at a resolution.

    Returns
    -------
    dict
        ``affine`` and float32 arrays ``t1w`` (brain only), ``mask`` (0, 1), ``epi`` (T2* contrast made from the tissue
        maps).
    """
    from nilearn import datasets

    t1w = datasets.load_mni152_template(resolution=resolution_mm)
    grey = datasets.load_mni152_gm_template(resolution=resolution_mm).get_fdata(dtype=np.float32)
    white = datasets.load_mni152_wm_template(resolution=resolution_mm).get_fdata(dtype=np.float32)
    mask = datasets.load_mni152_brain_mask(resolution=resolution_mm).get_fdata(dtype=np.float32)
    fluid = np.clip(mask - grey - white, 0, 1)
    epi = EPI_CONTRAST[0] * grey + EPI_CONTRAST[1] * white + EPI_CONTRAST[2] * fluid
    epi = ndimage.gaussian_filter(epi, EPI_BLUR_MM * FWHM_TO_SD / resolution_mm)
    return {"affine": t1w.affine, "t1w": t1w.get_fdata(dtype=np.float32), "mask": mask, "epi": epi, "grey": grey}


def _ants_image(array, affine, path):
    """An ANTs image by way of a NIfTI file, which gets the orientation right."""
    import ants

    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), affine), path)
    return ants.image_read(str(path))


def _register(fixed, moving, kind, prefix, seed, **options):
    import ants

    # ants.registration takes no seed (a random_seed argument is silently dropped); ITK takes 0 for the clock.
    ants.config.set_ants_deterministic(True, seed_value=seed + 1)
    found = ants.registration(fixed, moving, type_of_transform=kind, outprefix=str(prefix), **options)
    return found["fwdtransforms"]


def register_t1w(mean, mask, affine, t1w, t1w_affine, resolution_mm, seed, scratch):
    """Mean BOLD to T1w (rigid), T1w to MNI152 (affine, then SyN on the brain alone).

    Parameters
    ----------
    mean : float32 (x, y, z)
        Mean of the realigned BOLD.
    mask : bool (x, y, z)
        Brain in it.
    affine : float64 (4, 4)
    t1w : float32 (x, y, z)
    t1w_affine : float64 (4, 4)
    resolution_mm : int
        Grid of the registration.
    seed : int
    scratch : Path
        Folder for the transforms.

    Returns
    -------
    list of str
        Files for `to_native`.
    """
    import ants

    scratch = Path(scratch)
    maps = mni_maps(resolution_mm)
    template = _ants_image(maps["t1w"], maps["affine"], scratch / "mni.nii")
    anatomy = _ants_image(t1w, t1w_affine, scratch / "t1w.nii")
    anatomy = ants.resample_image(anatomy, (resolution_mm,) * 3, False, 0)
    rough = _register(template, anatomy, "Affine", scratch / "rough_", seed)
    # The template shows the brain alone; so must the T1w, which may show the whole head.
    margin = int(np.ceil(BRAIN_MARGIN_MM / resolution_mm))
    wide = ndimage.binary_dilation(maps["mask"] > 0.5, iterations=margin).astype(np.float32)
    brain = ants.apply_transforms(
        anatomy,
        _ants_image(wide, maps["affine"], scratch / "mask.nii"),
        rough,
        whichtoinvert=[True],
        interpolator="nearestNeighbor",
    )
    anatomy = anatomy * brain
    bold = _ants_image(mean * mask, affine, scratch / "bold.nii")
    to_t1w = _register(anatomy, bold, "Rigid", scratch / "bold_", seed)
    to_mni = _register(template, anatomy, "SyN", scratch / "t1w_", seed, initial_transform=rough[0])
    return [*to_mni, *to_t1w]


def register_epi(mean, mask, affine, resolution_mm, seed, scratch):
    """Mean BOLD straight to an EPI-contrast MNI152 template, affine; for people without a T1w.

    Parameters and returns as in `register_t1w`.
    """
    scratch = Path(scratch)
    maps = mni_maps(resolution_mm)
    template = _ants_image(maps["epi"], maps["affine"], scratch / "epi.nii")
    bold = _ants_image(mean * mask, affine, scratch / "bold.nii")
    return _register(template, bold, "Affine", scratch / "epi_", seed)


def to_native(points, transforms):
    """Native place of MNI152 points.

    Parameters
    ----------
    points : float (n, 3)
        MNI mm.
    transforms : list of str
        As from `register_t1w` or `register_epi`.

    Returns
    -------
    float64 (n, 3)
        World mm of the BOLD reference space.
    """
    import ants
    import pandas as pd

    table = pd.DataFrame(np.asarray(points) * TO_LPS, columns=["x", "y", "z"])
    return ants.apply_transforms_to_points(3, table, transforms)[["x", "y", "z"]].to_numpy() * TO_LPS


def dice(mask, affine, native_points, in_mni_brain):
    """Overlap of the scan's brain mask with MNI152's, within the field of view.

    Parameters
    ----------
    mask : bool (x, y, z)
    affine : float64 (4, 4)
    native_points : float (n, 3)
        Native places of a regular MNI grid.
    in_mni_brain : bool (n,)
        Whether each of them is in MNI152's brain mask.

    Returns
    -------
    float
        2 |A and B| / (|A| + |B|).
    """
    inverse = np.linalg.inv(affine)
    voxels = np.rint(native_points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    inside = ((voxels >= 0) & (voxels < mask.shape)).all(axis=1)
    scan = mask[tuple(voxels[inside].T)]
    template = in_mni_brain[inside]
    return float(2 * (scan & template).sum() / max(1, scan.sum() + template.sum()))


def dice_grid():
    """Regular MNI grid for `dice`: points (n, 3) mm, and whether each is in the brain (n,)."""
    from nilearn import datasets

    image = datasets.load_mni152_brain_mask(resolution=DICE_STEP_MM)
    mask = image.get_fdata() > 0.5
    points = np.indices(mask.shape).reshape(3, -1).T @ image.affine[:3, :3].T + image.affine[:3, 3]
    return points, mask.ravel()
