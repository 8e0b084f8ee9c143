"""Registration to MNI152 with ANTs. Points are carried over, not images: nothing is normalised.

Every registration starts from the best of several rigid poses, found on a coarse grid: one start alone ends in a wrong
pose for a head tilted by 15 degrees, a T1w with a neck, or a BOLD scan that leaves the lower brain out
(docs/decisions/imaging.md has the measurements).
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from gcamccl.preprocess.resample import voxel_sizes
from gcamccl.preprocess.templates import epi_template, t1w_template

START_GRID_MM = 4
START_PITCHES_DEG = (0, -20, 20)  # nodding is how heads differ most between scanner and template
START_LIFT_MM = 4  # tops of the heads further apart than this after centring: try with the tops aligned as well
START_ITERATIONS = {"aff_iterations": (100, 0), "aff_shrink_factors": (2, 1), "aff_smoothing_sigmas": (1, 0)}
HEAD_LEVEL = 0.2  # of the 98th percentile: what belongs to the head in a T1w
HEAD_BRIGHTEST = 4.0  # times that percentile; brighter voxels count as that bright, lest they fill the histograms
BRAIN_MARGIN_MM = 6.0
EPI_GRID_MM = 3  # BOLD holds nothing finer
EPI_MARGIN_MM = 7.0  # around the BOLD's brain, so that its edge counts, but not the scalp
# Deformation without a T1w: smooth, since an EPI's contrast and distortion would be fitted otherwise.
EPI_SYN = {"flow_sigma": 8, "total_sigma": 2, "reg_iterations": (40, 20, 0)}
INFORMATION_BINS = 32
TO_LPS = np.array([-1.0, -1.0, 1.0])  # ANTs counts x and y the other way round


@dataclass
class Registration:
    """Where a scan is in MNI152.

    Attributes
    ----------
    files : list of str
        Transforms of ANTs, for `to_native`.
    t1w_gain : float or None
        Mutual information (nats) of the mean BOLD and an EPI-contrast template, by way of the T1w minus by a straight
        affine registration. Negative: the T1w makes it worse, so it is hardly the same person's. None: no T1w.
    """

    files: list
    t1w_gain: float | None = None


def ants_image(array, affine, path):
    """An ANTs image by way of a NIfTI file, which gets the orientation right."""
    import ants

    nibabel.save(nibabel.Nifti1Image(array.astype(np.float32), affine), path)
    return ants.image_read(str(path))


def _register(fixed, moving, kind, scratch, seed, start, **options):
    """Transforms of ants.registration that begins at the transform file `start`."""
    import ants

    # ants.registration takes no seed (a random_seed argument is silently dropped); ITK takes 0 for the clock.
    ants.config.set_ants_deterministic(True, seed_value=seed + 1)
    # It returns whatever files begin with its prefix, so each registration has a folder of its own.
    prefix = tempfile.mkdtemp(prefix=f"{kind}-", dir=scratch) + "/"
    found = ants.registration(
        fixed, moving, type_of_transform=kind, outprefix=prefix, initial_transform=start, **options
    )
    return found["fwdtransforms"]


def _seen(fixed, extent, transforms):
    """Which of `fixed`'s voxels the moving scan covers, as an image."""
    import ants

    return ants.apply_transforms(fixed, extent, transforms, interpolator="nearestNeighbor")


def information(first, second):
    """Mutual information of two arrays of values, nats, from a joint histogram."""
    from sklearn.metrics import mutual_info_score

    counts = np.histogram2d(first, second, bins=INFORMATION_BINS)[0]
    return float(mutual_info_score(None, None, contingency=counts))


def _head(image, level=0.0):
    """Places (n, 3) of an ANTs image's voxels above a share of its 98th percentile, ANTs' world."""
    values = image.numpy()
    index = np.argwhere(values > level * np.percentile(values[values > 0], 98))
    return index * np.array(image.spacing) @ np.array(image.direction).T + np.array(image.origin)


def _poses(fixed, moving):
    """Rigid poses to try: rotation, shift (fixed world to moving world about `fixed`'s centre)."""
    centre, other = fixed.mean(axis=0), moving.mean(axis=0)
    top = np.percentile(fixed[:, 2] - centre[2], 99.5)
    for pitch in START_PITCHES_DEG:
        turn = Rotation.from_euler("x", pitch, degrees=True).as_matrix()
        shift = other - centre
        yield turn, shift
        lift = np.percentile((moving - other) @ turn[:, 2], 99.5) - top
        if abs(lift) > START_LIFT_MM:
            yield turn, shift + turn @ np.array([0, 0, lift])


def rigid_start(fixed, moving, seed, scratch, extent=None, level=0.0, same_space=False):
    """The best of several rigid registrations on a coarse grid.

    Parameters
    ----------
    fixed, moving : ANTs images
        Zero outside the brain (`moving` may be a whole head).
    seed : int
    scratch : Path
    extent : ANTs image, optional
        1 where `moving` was acquired; only what it covers is compared.
    level : float
        Voxels of `moving` above this share of its 98th percentile are the head.
    same_space : bool
        Whether both were scanned in one session, so that leaving the pose as it is is worth a try.

    Returns
    -------
    str
        Transform file.
    """
    import ants

    fixed, moving = (ants.resample_image(image, (START_GRID_MM,) * 3, False, 0) for image in (fixed, moving))
    places = _head(fixed)
    centre, poses = places.mean(axis=0), list(_poses(places, _head(moving, level)))
    if same_space:
        poses.insert(0, (np.eye(3), np.zeros(3)))
    best, found = -np.inf, None
    for number, (turn, shift) in enumerate(poses):
        pose = ants.create_ants_transform("AffineTransform", dimension=3, matrix=turn, center=centre, translation=shift)
        start = str(scratch / f"pose{number}.mat")
        ants.write_transform(pose, start)
        options = {} if extent is None else {"mask": _seen(fixed, extent, [start]), "mask_all_stages": True}
        files = _register(fixed, moving, "Rigid", scratch, seed, start, **START_ITERATIONS, **options)
        compared = _brain_of(fixed) if extent is None else _seen(fixed, extent, files).numpy() > 0.5
        moved = ants.apply_transforms(fixed, moving, files).numpy()
        score = information(moved[compared], fixed.numpy()[compared])
        if score > best:
            best, found = score, files[0]
    return found


def _brain_of(image):
    """Voxels of a brain-only ANTs image with a margin, bool."""
    return ndimage.binary_dilation(image.numpy() > 0, iterations=2)


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
        Whole head or brain alone.
    t1w_affine : float64 (4, 4)
    resolution_mm : int
        Grid of the registration.
    seed : int
    scratch : Path
        Folder for the transforms.

    Returns
    -------
    Registration
    """
    import ants

    scratch = Path(scratch)
    maps = t1w_template(resolution_mm)
    template = ants_image(maps.data, maps.affine, scratch / "mni.nii")
    t1w = np.minimum(t1w, HEAD_BRIGHTEST * np.percentile(t1w[t1w > 0], 98))
    head = ants_image(t1w, t1w_affine, scratch / "t1w.nii")
    head = ants.resample_image(head, (resolution_mm,) * 3, False, 0)
    start = rigid_start(template, head, seed, scratch, level=HEAD_LEVEL)
    rough = _register(template, head, "Affine", scratch, seed, start)[0]
    # The template shows the brain alone; so must the T1w, which may show the whole head.
    wide = ndimage.binary_dilation(maps.mask, iterations=int(np.ceil(BRAIN_MARGIN_MM / resolution_mm)))
    wide = ants_image(wide, maps.affine, scratch / "mask.nii")
    brain = head * ants.apply_transforms(head, wide, [rough], whichtoinvert=[True], interpolator="nearestNeighbor")
    bold, extent = _bold(mean, mask, affine, scratch)
    start = rigid_start(brain, bold, seed, scratch, extent, same_space=True)
    to_t1w = _register(brain, bold, "Rigid", scratch, seed, start)
    to_mni = _register(template, brain, "SyN", scratch, seed, rough)
    files = [*to_mni, *to_t1w]
    bold, extent = _bold(mean, mask, affine, scratch, EPI_MARGIN_MM)
    return Registration(files, _gain(bold, extent, files, [rough, *to_t1w], seed, scratch))


def register_epi(mean, mask, affine, deform, seed, scratch):
    """Mean BOLD straight to an EPI-contrast MNI152 template, within the field of view; for people without a T1w.

    Parameters
    ----------
    mean, mask, affine, seed, scratch
        As in `register_t1w`.
    deform : bool
        Whether a strongly regularised SyN follows the affine registration.

    Returns
    -------
    Registration
    """
    scratch = Path(scratch)
    maps = epi_template(EPI_GRID_MM)
    template = ants_image(maps.data, maps.affine, scratch / "epi.nii")
    bold, extent = _bold(mean, mask, affine, scratch, EPI_MARGIN_MM)
    start = rigid_start(template, bold, seed, scratch, extent)
    seen = _seen(template, extent, [start])
    files = _register(template, bold, "Affine", scratch, seed, start, mask=seen, mask_all_stages=True)
    if deform:
        files = _register(template, bold, "SyNOnly", scratch, seed, files[0], mask=seen, **EPI_SYN)
    return Registration(files)


def _bold(mean, mask, affine, scratch, margin_mm=0.0):
    """The brain of a mean BOLD image with a margin, and 1 wherever it was acquired, as ANTs images."""
    steps = round(margin_mm / voxel_sizes(affine).mean())
    mask = ndimage.binary_dilation(mask, iterations=steps) if steps else mask
    bold = ants_image(mean * mask, affine, scratch / "bold.nii")
    return bold, ants_image(np.ones_like(mean), affine, scratch / "extent.nii")


def _gain(bold, extent, files, affine_files, seed, scratch):
    """`Registration.t1w_gain`. The straight registration starts at `affine_files`, the way by the T1w without SyN."""
    import ants

    maps = epi_template(START_GRID_MM)
    template = ants_image(maps.data, maps.affine, scratch / "epi.nii")
    start = _one_affine(affine_files, _head(template), scratch / "by_t1w.mat")
    within = {"mask": _seen(template, extent, [start]), "mask_all_stages": True}
    straight = _register(template, bold, "Affine", scratch, seed, start, **within)

    def match(transforms):
        moved = ants.apply_transforms(template, bold, transforms).numpy()
        compared = maps.mask & (_seen(template, extent, transforms).numpy() > 0.5)
        return information(moved[compared], maps.data[compared])

    return match(files) - match(straight)


def _one_affine(files, places, path):
    """Several affine transforms as one file: the affine map that carries `places` (n, 3), ANTs' world, as they do."""
    import ants

    centre = places.mean(axis=0)
    moved = to_native(places * TO_LPS, files) * TO_LPS
    fitted = np.linalg.lstsq(np.c_[places - centre, np.ones(len(places))], moved, rcond=None)[0]
    options = {"matrix": fitted[:3].T, "center": centre, "translation": fitted[3] - centre}
    ants.write_transform(ants.create_ants_transform("AffineTransform", dimension=3, **options), str(path))
    return str(path)


def to_native(points, transforms):
    """Native place of MNI152 points.

    Parameters
    ----------
    points : float (n, 3)
        MNI mm.
    transforms : list of str
        `Registration.files`.

    Returns
    -------
    float64 (n, 3)
        World mm of the BOLD reference space.
    """
    import ants
    import pandas as pd

    table = pd.DataFrame(np.asarray(points) * TO_LPS, columns=["x", "y", "z"])
    return ants.apply_transforms_to_points(3, table, transforms)[["x", "y", "z"]].to_numpy() * TO_LPS
