"""Motion correction: rigid least-squares realignment of a whole series at once, in torch.

Inverse-compositional Gauss-Newton, as in SPM's realignment: the Jacobian belongs to the smoothed reference, so it is
factorised once; an iteration is one fetch of all volumes at some thousand points and one matrix product. The first
pass aligns to the first volume, the second to the mean of the realigned volumes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from gcamccl.preprocess.resample import chunk_length, fetch, interpolation_matrices, refine, to_tensor

MAX_POINTS = 20_000
PASSES = ((1, 6), (2, 4))  # (upsampling, most iterations) of the passes
TOLERANCE_MM = 2e-3  # stop when no volume moves further than this at the edge of the head
HEAD_RADIUS_MM = 65.0
MEAN_OF = 48  # at most so many volumes, evenly spaced, make the mean
# Least squares would follow a few voxels or one volume that are far too bright. No ordinary scan reaches these limits,
# so its values stay as they are.
BRIGHTEST = 4.0  # of the first volume's 98th percentile; brighter voxels count as that bright
UNEVEN = 1.5  # a volume whose 98th percentile differs from the first one's by more than this factor is scaled to it


@dataclass
class Reference:
    """Sample points of a reference picture and what Gauss-Newton needs there.

    Attributes
    ----------
    points : float32 (P, 3)
        World axes, mm from the grid's centre.
    values : float32 (P,)
    jacobian : float32 (P, 7)
        d value / d (3 translations, 3 rotations, log intensity).
    inverse : float64 (7, 7)
        Inverse of jacobian' jacobian.
    """

    points: torch.Tensor
    values: torch.Tensor
    jacobian: torch.Tensor
    inverse: torch.Tensor


@dataclass
class Grid:
    """A voxel grid as torch needs it.

    Attributes
    ----------
    shape : tuple of int
    half : float32 (3,)
        Half its length, voxels.
    axes : float32 (3, 3)
        Voxel to world axes, mm.
    to_unit : float32 (3, 3)
        World mm from the grid's centre to unit coordinates; applied from the right.
    smallest_mm : float
        Shortest edge of a voxel.
    """

    shape: tuple
    half: torch.Tensor
    axes: torch.Tensor
    to_unit: torch.Tensor
    smallest_mm: float


def _grid(shape, affine, device):
    half = torch.tensor([(n - 1) / 2 for n in shape], dtype=torch.float64, device=device)
    axes = torch.as_tensor(affine[:3, :3], dtype=torch.float64, device=device)
    to_unit = torch.linalg.inv(axes).T / half
    smallest = float(axes.norm(dim=0).min())
    return Grid(tuple(shape), half.float(), axes.float(), to_unit.float(), smallest)


def _fetch_moved(fine, transforms, points, grid):
    """Values (b, P) of refined volumes at points moved by transforms (b, 4, 4)."""
    rotation = transforms[:, :3, :3].transpose(1, 2).float() @ grid.to_unit
    shift = (transforms[:, :3, 3].float() @ grid.to_unit)[:, None]
    moved = torch.baddbmm(shift.expand(-1, len(points), -1), points.expand(len(transforms), -1, -1), rotation)
    return fetch(fine, moved)


def _candidate_points(grid, sizes, separation_mm, seed, device):
    """Jittered points every `separation_mm`, at least a voxel inside the grid: mm from the centre (P, 3)."""
    steps = [np.arange(1.0, n - 2.0, max(separation_mm / size, 0.5)) for n, size in zip(grid.shape, sizes, strict=True)]
    voxels = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    jitter = 0.9 * np.random.default_rng(seed).uniform(size=voxels.shape)
    voxels = np.clip(voxels + jitter, 1, np.array(grid.shape) - 2.01)
    return (torch.as_tensor(voxels, dtype=torch.float32, device=device) - grid.half) @ grid.axes.T


def _reference(fine, candidates, grid):
    """`Reference` at the candidate points that say most about the pose (largest leverage)."""
    here = torch.eye(4, dtype=torch.float64, device=fine.device)[None]

    def values_at(points):
        return _fetch_moved(fine, here, points, grid)[0]

    step = 0.5 * grid.smallest_mm
    offsets = torch.eye(3, device=fine.device) * step
    gradient = torch.stack(
        [(values_at(candidates + offset) - values_at(candidates - offset)) / (2 * step) for offset in offsets], dim=1
    )
    jacobian = torch.cat([gradient, torch.linalg.cross(candidates, gradient)], dim=1).double()
    leverage = ((jacobian @ torch.linalg.inv(jacobian.T @ jacobian)) * jacobian).sum(dim=1)
    chosen = torch.topk(leverage, min(MAX_POINTS, len(candidates))).indices.sort().values
    points = candidates[chosen].contiguous()
    values = values_at(points)
    jacobian = torch.cat([jacobian[chosen], (values / values.mean())[:, None].double()], dim=1)
    return Reference(points, values, jacobian.float(), torch.linalg.inv(jacobian.T @ jacobian))


def _gauss_newton(fine, transforms, reference, grid, iterations):
    """Improve transforms (b, 4, 4) of refined volumes (b, 1, X, Y, Z) towards the reference."""
    for _ in range(iterations):
        residual = _fetch_moved(fine, transforms, reference.points, grid) - reference.values
        step = ((residual @ reference.jacobian).double() @ reference.inverse)[:, :6]
        turn = step[:, 3:]
        generator = torch.zeros(len(transforms), 4, 4, dtype=torch.float64, device=fine.device)
        generator[:, 0, 1], generator[:, 0, 2], generator[:, 1, 2] = -turn[:, 2], turn[:, 1], -turn[:, 0]
        generator[:, 1, 0], generator[:, 2, 0], generator[:, 2, 1] = turn[:, 2], -turn[:, 1], turn[:, 0]
        generator[:, :3, 3] = step[:, :3]
        transforms = transforms @ torch.linalg.matrix_exp(-generator)
        if float((step[:, :3].norm(dim=1) + HEAD_RADIUS_MM * turn.norm(dim=1)).max()) < TOLERANCE_MM:
            break
    return transforms


def _levels(volumes):
    """98th percentile of each volume (n,), of every second voxel along each axis."""
    return np.array([np.percentile(volume[::2, ::2, ::2], 98) for volume in volumes], np.float64)


def _even(volumes, levels, level, device):
    """Some volumes as a tensor, none much brighter than the first volume's `level` says (`UNEVEN`, `BRIGHTEST`)."""
    values = to_tensor(volumes, device)
    if level <= 0:
        return values
    factors = level / np.where(levels > 0, levels, level)
    factors[(factors <= UNEVEN) & (factors >= 1 / UNEVEN)] = 1.0
    values = values * torch.as_tensor(factors, dtype=torch.float32, device=device)[:, None, None, None]
    return values.clamp(-BRIGHTEST * level, BRIGHTEST * level)


def realign(volumes, affine, fwhm_mm=5.0, separation_mm=4.0, seed=0, device="cpu"):
    """Estimate the rigid motion of every volume.

    Parameters
    ----------
    volumes : int16 or float32 (n_volumes, x, y, z)
    affine : float64 (4, 4)
        Voxel to world, mm.
    fwhm_mm, separation_mm : float
        Smoothing and distance of sample points (SPM's defaults).
    seed : int
        Of the points' jitter.
    device : str

    Returns
    -------
    transforms : float64 (n_volumes, 4, 4)
        World mm: a point of the reference space (about the first volume's) to its place in each volume.
    mean : float32 (x, y, z)
        Mean of realigned, unsmoothed volumes on the reference grid.
    """
    n_volumes, shape = len(volumes), volumes.shape[1:]
    grid = _grid(shape, affine, device)
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    candidates = _candidate_points(grid, sizes, separation_mm, seed, device)
    transforms = torch.eye(4, dtype=torch.float64, device=device).repeat(n_volumes, 1, 1)
    levels = _levels(volumes)

    def even(start, stop):
        return _even(volumes[start:stop], levels[start:stop], levels[0], device)

    upsampling, iterations = PASSES[0]
    matrices = interpolation_matrices(shape, affine, fwhm_mm, upsampling, device)
    reference = _reference(refine(even(0, 1), matrices), candidates, grid)
    step, last = chunk_length(shape, upsampling), transforms[0]
    for start in range(0, n_volumes, step):
        fine = refine(even(start, start + step), matrices)
        guess = last.expand(len(fine), 4, 4)  # the head stays near where it was
        transforms[start : start + step] = _gauss_newton(fine, guess, reference, grid, iterations)
        last = transforms[start + len(fine) - 1]

    mean = _mean(even, affine, transforms, grid, device)
    upsampling, iterations = PASSES[1]
    matrices = interpolation_matrices(shape, affine, fwhm_mm, upsampling, device)
    reference = _reference(refine(mean[None], matrices), candidates, grid)
    step = chunk_length(shape, upsampling)
    for start in range(0, n_volumes, step):
        fine = refine(even(start, start + step), matrices)
        transforms[start : start + step] = _gauss_newton(
            fine, transforms[start : start + step], reference, grid, iterations
        )
    return _about_origin(transforms.cpu().numpy(), affine, shape), mean.cpu().numpy()


def _mean(volumes, affine, transforms, grid, device):
    """Mean of realigned volumes, unsmoothed, on the grid of the reference; `volumes` gives those from start to stop."""
    axes = [torch.arange(n, dtype=torch.float32, device=device) for n in grid.shape]
    voxels = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    points = (voxels - grid.half) @ grid.axes.T
    matrices = interpolation_matrices(grid.shape, affine, 0.0, PASSES[1][0], device)
    chosen = range(0, len(transforms), max(1, -(-len(transforms) // MEAN_OF)))
    total = torch.zeros(len(points), device=device)
    for number in chosen:
        fine = refine(volumes(number, number + 1), matrices)
        total += _fetch_moved(fine, transforms[number : number + 1], points, grid)[0]
    return (total / len(chosen)).reshape(grid.shape)


def _about_origin(transforms, affine, shape):
    """Transforms about the grid's centre as world matrices."""
    centre = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + affine[:3, 3]
    shift, back = np.eye(4), np.eye(4)
    shift[:3, 3], back[:3, 3] = centre, -centre
    return shift @ transforms @ back


def motion_parameters(transforms, centre):
    """Motion relative to the first volume.

    Parameters
    ----------
    transforms : float64 (n_volumes, 4, 4)
        As from `realign`.
    centre : float (3,)
        Point the translations are those of and the rotations are about: the head's centre, world mm.

    Returns
    -------
    float64 (n_volumes, 6)
        Translations (mm), rotations about x, y, z (rad, in this order); first row 0.
    """
    relative = transforms @ np.linalg.inv(transforms[0])
    moved = relative[:, :3, :3] @ centre + relative[:, :3, 3]
    return np.c_[moved - centre, Rotation.from_matrix(relative[:, :3, :3]).as_euler("xyz")]
