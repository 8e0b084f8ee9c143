"""Simulated raw scans, part 1: a head with known anatomy, pose, warp and motion, and its T1-weighted image.

Geometry: a native world point x (mm, head at rest) maps to y = pose^-1 x and on to MNI152 m = y + u(y), where u is a
smooth random field. At volume t the head is displaced by a rigid motion about its centre.
"""

import hashlib
import re
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

FWHM_TO_SD = 1 / np.sqrt(8 * np.log(2))
# Signal of the tissues relative to each other in a T2*-weighted image: grey, white, cerebrospinal fluid.
EPI_CONTRAST = (0.80, 0.62, 1.05)
# Susceptibility drop-out: MNI centre (mm), SD (mm), share of the signal lost. Orbitofrontal and inferior temporal.
DROP_OUT = (((0, 38, -22), 14, 0.7), ((48, -22, -32), 11, 0.5), ((-48, -22, -32), 11, 0.5))
EYES = ((33, 62, -38), (-33, 62, -38))
WARP_ORIGIN, WARP_SHAPE, WARP_STEP_MM = np.array([-110.0, -145.0, -85.0]), (56, 62, 56), 4.0
WARP_RMS_MM = 3.0
T1W_VOXEL_MM, T1W_MM = 2.0, (176, 208, 192)
# Every 12th participant moves too much, so that a small study shows an exclusion.
HIGH_MOTION_EVERY = 12
STILL_MM, MOVING_MM = (0.4, 1.2), (3.0, 4.0)  # largest translation of the head centre


@dataclass
class Head:
    """One simulated head. World coordinates are scanner millimetres, RAS+.

    Attributes
    ----------
    affine : float64 (4, 4)
        Voxel to world of the BOLD grid; oblique, stored LAS.
    shape : tuple of int
        BOLD grid.
    fine_affine, fine_shape
        The same for the finer grid on which the head is defined.
    pose : float64 (4, 4)
        y to native world.
    warp : float32 (3, *WARP_SHAPE)
        u, mm, on a grid over y.
    centre : float64 (3,)
        Head centre, native world mm.
    epi : float32 (*fine_shape)
        T2*-weighted signal, blurred by the voxel's point spread; about 1000.
    grey : float32 (*fine_shape)
    mni : float32 (3, *fine_shape)
        MNI place of every fine grid point.
    """

    affine: np.ndarray
    shape: tuple
    voxel_mm: float
    fine_affine: np.ndarray
    fine_shape: tuple
    fine_mm: float
    pose: np.ndarray
    warp: np.ndarray
    centre: np.ndarray = None
    epi: np.ndarray = None
    grey: np.ndarray = None
    mni: np.ndarray = None


def participant_rng(seed, participant):
    """Random generator of one participant: the same on every machine and in any order of people."""
    digest = hashlib.sha256(f"{seed}:{participant}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def moves_too_much(participant):
    """Whether this participant is one of those planted with high motion: number in the id divisible by 12."""
    digits = re.findall(r"\d+", participant)
    return bool(digits) and int(digits[-1]) % HIGH_MOTION_EVERY == 0


def rigid(parameters, centre):
    """Rigid motion about `centre` as a world matrix.

    Parameters
    ----------
    parameters : float (6,)
        Translation of the centre (mm), rotations about x, y, z (rad, applied in this order).
    centre : float (3,)

    Returns
    -------
    float64 (4, 4)
        Maps a point of the head at rest to where it is after the motion.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", parameters[3:]).as_matrix()
    matrix[:3, 3] = np.asarray(parameters[:3]) + centre - matrix[:3, :3] @ centre
    return matrix


def motion_error_mm(transforms, motion, centre, radius_mm=80.0):
    """How far estimated motion is from the truth, over a sphere about the size of a head.

    The pose of the reference space is free (registration follows), so the best constant rigid displacement is taken
    out: mean rotation, median shift of the centre.

    Parameters
    ----------
    transforms : float (n_volumes, 4, 4)
        Estimated, reference to place in each volume, world mm.
    motion : float (n_volumes, 6)
        Planted: mm, rad about `centre`.
    centre : float (3,)
    radius_mm : float

    Returns
    -------
    float64 (n_volumes,)
        Root mean square over the ball (Jenkinson 1999), mm.
    """
    centre = np.asarray(centre, float)
    error = np.linalg.inv(transforms) @ np.stack([rigid(row, centre) for row in motion])
    constant = np.eye(4)
    constant[:3, :3] = Rotation.from_matrix(error[:, :3, :3]).mean().as_matrix()
    constant[:3, 3] = np.median(error[:, :3, :3] @ centre + error[:, :3, 3], axis=0) - constant[:3, :3] @ centre
    error = error @ np.linalg.inv(constant)
    turn = error[:, :3, :3] - np.eye(3)
    shift = error[:, :3, :3] @ centre + error[:, :3, 3] - centre
    return np.sqrt(radius_mm**2 / 5 * (turn**2).sum(axis=(1, 2)) + (shift**2).sum(axis=1))


def motion_trajectory(n_volumes, largest_mm, rng, spikes=4):
    """Slow wandering, breathing-like nodding, brief spikes and small lasting steps.

    Returns
    -------
    float64 (n_volumes, 6)
        mm and rad, relative to the first volume; the longest translation is `largest_mm`.
    """
    walk = ndimage.gaussian_filter1d(np.cumsum(rng.normal(size=(n_volumes, 6)), 0), 6, axis=0, mode="nearest")
    walk -= walk[0]
    walk /= np.abs(walk).max(0) + 1e-9
    motion = walk * [0.3, 0.35, 0.6, 0.009, 0.005, 0.005] * rng.uniform(0.6, 1.4, 6)
    motion[:, 3] += 0.0006 * np.sin(2 * np.pi * 0.11 * np.arange(n_volumes))
    motion += rng.normal(size=motion.shape) * [0.015, 0.015, 0.02, 2e-4, 2e-4, 2e-4]
    for _ in range(spikes):
        start = rng.integers(5, max(n_volumes - 3, 6))
        jump = rng.normal(size=6) * [0.2, 0.2, 0.4, 0.006, 0.004, 0.004]
        motion[start : start + rng.integers(1, 3)] += jump
        motion[start + 2 :] += 0.15 * jump
    motion -= motion[0]
    factor = largest_mm / np.linalg.norm(motion[:, :3], axis=1).max()
    motion[:, :3] *= factor
    motion[:, 3:] *= min(factor, 4.0)  # a still head's rotations stay as small as they are
    return motion


def smooth_field(shape, voxel_mm, fwhm_mm, rng):
    """Gaussian random field of unit SD, float32."""
    sd = fwhm_mm * FWHM_TO_SD / voxel_mm
    field = ndimage.gaussian_filter(rng.normal(size=[int(np.ceil(n / 4)) for n in shape]), sd / 4)
    field = ndimage.zoom(field, np.array(shape) / field.shape, order=1)
    return (field / field.std()).astype(np.float32)


def _displacement(head, y):
    """u at points y (3, n), mm."""
    grid = (y - WARP_ORIGIN[:, None]) / WARP_STEP_MM
    return np.stack([ndimage.map_coordinates(axis, grid, order=1, mode="nearest") for axis in head.warp])


def to_mni(head, world):
    """MNI place (3, n) of native world points (3, n), mm."""
    back = np.linalg.inv(head.pose)
    y = back[:3, :3] @ world + back[:3, 3:]
    return y + _displacement(head, y)


def from_mni(head, points, iterations=60):
    """Native world place (n, 3) of MNI points (n, 3), mm, by fixed-point iteration."""
    target = np.asarray(points, float).T
    y = target.copy()
    for _ in range(iterations):
        y = target - _displacement(head, y)
    return (head.pose[:3, :3] @ y + head.pose[:3, 3:]).T


def grid_points(shape, affine):
    """World place (3, n) of every voxel centre, C order."""
    index = np.indices(shape, dtype=np.float32).reshape(3, -1)
    return affine[:3, :3] @ index + affine[:3, 3:]


def _tissue_maps():
    """MNI152 affine and 1 mm maps bundled with nilearn: T1w, grey matter, white matter, brain mask."""
    from nilearn import datasets

    images = [
        datasets.load_mni152_template(resolution=1),
        datasets.load_mni152_gm_template(resolution=1),
        datasets.load_mni152_wm_template(resolution=1),
        datasets.load_mni152_brain_mask(resolution=1),
    ]
    return images[0].affine, [image.get_fdata(dtype=np.float32) for image in images]


def _centred(affine, shape, centre):
    affine = affine.copy()
    affine[:3, 3] = centre - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def make_head(shape, voxel_mm, rng):
    """Draw a head: pose, size, warp, and its T2*-weighted signal on a grid half as coarse as the scan's.

    Parameters
    ----------
    shape : sequence of 3 int
        BOLD matrix.
    voxel_mm : float
        Edge of the cubic BOLD voxels.
    rng : numpy.random.Generator

    Returns
    -------
    Head
    """
    shape = tuple(shape)
    tilt = Rotation.from_euler("xyz", np.deg2rad(rng.uniform(-10, 10, 3) * [1, 0.3, 0.3])).as_matrix()
    fine_mm = voxel_mm / 2
    fine_shape = tuple(2 * n + 8 for n in shape)
    affine, fine_affine = np.eye(4), np.eye(4)
    affine[:3, :3] = tilt @ np.diag([-voxel_mm, voxel_mm, voxel_mm])
    fine_affine[:3, :3] = tilt @ np.diag([-fine_mm, fine_mm, fine_mm])
    pose = np.eye(4)
    size = np.diag(rng.uniform(0.93, 1.05, 3)) + np.triu(rng.normal(size=(3, 3)), 1) * 0.02
    pose[:3, :3] = Rotation.from_euler("xyz", np.deg2rad(rng.normal(size=3) * [6, 3, 3])).as_matrix() @ size
    pose[:3, 3] = pose[:3, :3] @ -np.array([0, -18, 8.0]) + rng.uniform(-6, 6, 3)
    field = [
        0.8 * smooth_field(WARP_SHAPE, WARP_STEP_MM, 45, rng) + 0.45 * smooth_field(WARP_SHAPE, WARP_STEP_MM, 25, rng)
        for _ in range(3)
    ]
    warp = np.stack(field)
    warp *= WARP_RMS_MM / np.sqrt((warp**2).sum(0).mean())
    head = Head(
        affine=_centred(affine, shape, np.zeros(3)),
        shape=shape,
        voxel_mm=voxel_mm,
        fine_affine=_centred(fine_affine, fine_shape, np.zeros(3)),
        fine_shape=fine_shape,
        fine_mm=fine_mm,
        pose=pose,
        warp=warp,
    )
    _paint(head, rng)
    return head


def _paint(head, rng):
    """Fill in a head's anatomy: place of each fine voxel in MNI152, grey matter, T2*-weighted signal, centre."""
    mni_affine, (_, grey, white, mask) = _tissue_maps()
    world = grid_points(head.fine_shape, head.fine_affine)
    places = to_mni(head, world).astype(np.float32)
    to_voxel = np.linalg.inv(mni_affine)
    voxels = to_voxel[:3, :3] @ places + to_voxel[:3, 3:]
    grey, white, mask = (
        ndimage.map_coordinates(image.astype(np.float32), voxels, order=1).reshape(head.fine_shape)
        for image in (grey, white, mask)
    )
    fluid = np.clip(mask - grey - white, 0, 1)
    tissue = EPI_CONTRAST[0] * grey + EPI_CONTRAST[1] * white + EPI_CONTRAST[2] * fluid
    head.mni = places.reshape(3, *head.fine_shape)
    keep = np.ones(head.fine_shape, np.float32)
    for centre, sd, share in DROP_OUT:
        keep *= 1 - share * np.exp(-_squared_distance(head.mni, centre) / (2 * sd**2))
    outside_mm = ndimage.distance_transform_edt(mask < 0.5) * head.fine_mm
    scalp = 0.22 * np.exp(-(((outside_mm - 11) / 3) ** 2))  # what fat suppression leaves
    eyes = sum(0.9 * np.exp(-_squared_distance(head.mni, eye) / (2 * 9**2)) for eye in EYES)
    bias = np.exp(0.12 * smooth_field(head.fine_shape, head.fine_mm, 120, rng))
    signal = (tissue * keep + (scalp + eyes) * (mask < 0.5)) * bias
    head.epi = 1000 * ndimage.gaussian_filter(signal, point_spread_sd(head)).astype(np.float32)
    head.grey = grey
    head.centre = world[:, mask.ravel() > 0.5].mean(axis=1)


def _squared_distance(points, centre):
    return sum((points[axis] - centre[axis]) ** 2 for axis in range(3))


def point_spread_sd(head):
    """SD of the voxels' Gaussian point spread (FWHM of one voxel), in fine voxels."""
    return head.voxel_mm * FWHM_TO_SD / head.fine_mm


def t1w(head, rng, noise=0.03, voxel_mm=T1W_VOXEL_MM):
    """T1-weighted image of the head at rest, brain only, on its own grid.

    Returns
    -------
    data : int16, 176 x 208 x 192 mm
    affine : float64 (4, 4)
    """
    mni_affine, (template, *_) = _tissue_maps()
    shape = tuple(round(edge / voxel_mm) for edge in T1W_MM)
    affine = _centred(np.diag([voxel_mm] * 3 + [1.0]), shape, head.centre)
    places = to_mni(head, grid_points(shape, affine))
    to_voxel = np.linalg.inv(mni_affine)
    data = ndimage.map_coordinates(template, to_voxel[:3, :3] @ places + to_voxel[:3, 3:], order=1).reshape(shape)
    data = np.abs(data + noise * rng.standard_normal(shape, dtype=np.float32))
    return np.rint(1000 * data).astype(np.int16), affine
