"""Where the voxels of a NIfTI lie: the affine that is used, and headers that say no place or two."""

import itertools

import nibabel
import numpy as np

from gcamccl.workflow.errors import InputError

VOXEL_MM = (0.1, 20.0)  # edges beyond this are not in mm
# Scanners' grids have right angles; converters round the header. ITK refuses even 0.001.
MAX_SHEAR = 0.005  # cosine of the angle between two axes; at 100 mm from the centre it moves a voxel by 0.25 mm
APART_MM = 1.0  # qform and sform that place a voxel further apart disagree


def voxel_affine(image, path):
    """Affine of a NIfTI, its axes at right angles.

    The sform counts where its code is set, else the qform (as nibabel has it, and so for ANTs too, which gets images
    with this affine).

    Parameters
    ----------
    image : nibabel.Nifti1Image
    path : str or Path

    Returns
    -------
    affine : float64 (4, 4)
        Voxel to world, mm.
    warnings : list of str

    Raises
    ------
    InputError
        Neither is set; not invertible; voxel edges that cannot be mm; sheared; one the mirror image of the other.
    """
    header, affine = image.header, image.affine.astype(np.float64)
    q_code, s_code = int(header["qform_code"]), int(header["sform_code"])
    if not q_code and not s_code:
        raise InputError(
            path, "neither qform nor sform is set, so left and right are unknown", "convert the scan again"
        )
    which = "sform" if s_code else "qform"
    if not np.isfinite(affine).all():
        raise InputError(path, f"the affine in the header ({which}) is not finite", "convert the scan again")
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not s_code and not (_pixel_sizes(image) > 0).all():  # nibabel would read 0 as 1 mm
        raise InputError(path, "a voxel size (pixdim) in the header is not positive", "convert the scan again")
    if not ((sizes >= VOXEL_MM[0]) & (sizes <= VOXEL_MM[1])).all():
        raise InputError(
            path,
            f"voxels of {' x '.join(f'{size:.3g}' for size in sizes)} mm by the {which}; "
            f"{VOXEL_MM[0]:g} to {VOXEL_MM[1]:g} mm are expected",
            "convert the scan again",
        )
    axes = affine[:3, :3] / sizes
    shear = max(abs(axes[:, a] @ axes[:, b]) for a, b in itertools.combinations(range(3), 2))
    if shear > MAX_SHEAR:
        raise InputError(
            path,
            f"the {which}'s axes are not at right angles (cosine {shear:.2g})",
            "give the scan as the scanner stored it; an affine registration may have been written into the header",
        )
    warnings = _disagreement(image, path, affine, q_code, s_code) if q_code and s_code else []
    return _right_angled(affine, sizes, image.shape[:3]), warnings


def _pixel_sizes(image):
    """The first three pixdim as they are in the file (3,)."""
    holder = image.file_map["image"]
    with nibabel.openers.ImageOpener(holder.filename) as stream:
        return type(image.header).from_fileobj(stream, check=False)["pixdim"][1:4].astype(float)


def _disagreement(image, path, affine, q_code, s_code):
    """Warnings where qform and sform place voxels differently; an error where one is a mirror image."""
    try:
        other = image.header.get_qform()
    except (nibabel.spatialimages.HeaderDataError, ValueError):
        return ["the qform is not readable; the sform is used"]
    if np.linalg.det(other[:3, :3]) * np.linalg.det(affine[:3, :3]) < 0:
        raise InputError(
            path,
            f"qform (code {q_code}) and sform (code {s_code}) are mirror images of each other, "
            "so left and right are unknown",
            "convert the scan again",
        )
    corners = np.array(list(itertools.product(*((0, n - 1) for n in image.shape[:3]), (1,))))
    apart = np.linalg.norm((corners @ (other - affine).T)[:, :3], axis=1).max()
    if np.isfinite(apart) and apart <= APART_MM:
        return []
    return [f"qform (code {q_code}) and sform (code {s_code}) are up to {apart:.1f} mm apart; the sform is used"]


def _right_angled(affine, sizes, shape):
    """The nearest affine whose axes are at right angles; the grid's centre and the voxel sizes stay."""
    left, _, right = np.linalg.svd(affine[:3, :3] / sizes)
    result, middle = affine.copy(), (np.array(shape) - 1) / 2
    result[:3, :3] = (left @ right) * sizes
    result[:3, 3] += (affine[:3, :3] - result[:3, :3]) @ middle
    return result
