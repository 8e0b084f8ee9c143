"""Where the page samples a scan: MNI152 planes for the registration, voxels of known tissue for the carpet plot."""

from dataclasses import dataclass

import nibabel
import numpy as np

# Planes of the registration pictures, MNI mm: through cerebellum and temporal poles, basal ganglia, lateral ventricles,
# centrum semiovale and vertex; in front of, at and behind the central sulcus; midline and a lateral plane.
AXIAL_MM = (-24, -4, 14, 32, 52)
CORONAL_MM = (-62, -16, 26)
SAGITTAL_MM = (-36, 2)
BOX_MM = ((-88, 88), (-122, 88), (-68, 86))  # MNI152's brain with a margin
PLANE_STEP_MM = 2  # finer than a BOLD voxel
MAX_CARPET_VOXELS = 2400  # several voxels for each of the plot's 260 rows of pixels
TISSUES = ("grey matter", "white matter", "rest")
PROBABLE = 0.5  # of a tissue map, where the tissue is likelier than not


@dataclass
class Plane:
    """One plane through MNI152 space.

    Attributes
    ----------
    axis : int
        0 sagittal, 1 coronal, 2 axial.
    height : int
        MNI mm along `axis`.
    points : float64 (rows, columns, 3)
        MNI mm; rows upwards, columns to the right (sagittal: to the front).
    """

    axis: int
    height: int
    points: np.ndarray


def planes():
    """List of `Plane`: axial, coronal, sagittal."""
    out = []
    for axis, heights in ((2, AXIAL_MM), (1, CORONAL_MM), (0, SAGITTAL_MM)):
        rest = [other for other in range(3) if other != axis]
        across, up = (np.arange(BOX_MM[other][0], BOX_MM[other][1] + 1, PLANE_STEP_MM) for other in rest)
        for height in heights:
            points = np.empty((up.size, across.size, 3))
            points[..., axis] = height
            points[..., rest[0]], points[..., rest[1]] = across, up[:, None]
            out.append(Plane(axis, height, points))
    return out


def slice_points():
    """All points of `planes`, one below the other, MNI mm (n, 3)."""
    return np.concatenate([plane.points.reshape(-1, 3) for plane in planes()])


def mni_at(points, names=("brain", "grey", "white")):
    """MNI152 maps at points, by their nearest voxel of 1 mm.

    The bundled files are read as they are: nilearn's loaders resample them to a coarser grid, which costs ten times as
    much as the whole look-up.

    Parameters
    ----------
    points : float (..., 3)
        MNI mm.
    names : sequence of str
        ``brain`` (0 or 1), ``grey``, ``white`` (probabilities).

    Returns
    -------
    list of float32 (...)
        0 outside the maps.
    """
    from nilearn.datasets import struct

    files = {
        "brain": struct.MNI152_FILE_PATH,
        "grey": struct.GM_MNI152_FILE_PATH,
        "white": struct.WM_MNI152_FILE_PATH,
    }
    found = []
    for name in names:
        image = nibabel.load(files[name])
        values = np.asarray(image.dataobj)
        inverse = np.linalg.inv(image.affine)
        voxels = np.rint(points @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
        inside = ((voxels >= 0) & (voxels < values.shape)).all(axis=-1)
        out = np.zeros(points.shape[:-1], np.float32)
        out[inside] = values[tuple(voxels[inside].T)]
        found.append((out > 0).astype(np.float32) if name == "brain" else out / values.max())
    return found


def carpet_voxels(mni_points, usable):
    """Which of the points the carpet plot shows, in its order: by tissue, within a tissue from the top downwards.

    Parameters
    ----------
    mni_points : float (n, 3)
        Regular grid in the brain, MNI mm.
    usable : bool (n,)
        Inside the scan in every volume.

    Returns
    -------
    chosen : int (m,)
        Rows of `mni_points`; at most about `MAX_CARPET_VOXELS`.
    tissue : int (m,)
        Place in `TISSUES`.
    """
    rows = np.flatnonzero(usable)
    grey, white = mni_at(mni_points[rows], ("grey", "white"))
    tissue = np.where(grey > PROBABLE, 0, np.where(white > PROBABLE, 1, 2))
    order = np.lexsort((-mni_points[rows, 2], tissue))
    step = -(-len(order) // MAX_CARPET_VOXELS) or 1
    return rows[order[::step]], tissue[order[::step]]
