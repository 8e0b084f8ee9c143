"""Simulated raw scans, part 2: the BOLD series of a moving head, with noise, drift and planted ROI signals."""

import gzip

import numpy as np
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

from gcamccl.simulate.scan import grid_points, point_spread_sd, rigid, smooth_field

ROI_RADIUS_MM = 7.0  # the signal fades out over the next 1.5 mm, beyond the 5 mm that are analysed
BOLD_SD = 0.016  # of the ROI signals, share of the local signal in grey matter
THERMAL_NOISE = 10.0  # SD in scanner units; the brain's signal is about 800
# Physiological noise, share of the local signal: smooth modes, whole brain, cardiac in fluid (aliased, so white).
MODES, MODE_SD, GLOBAL_SD, CARDIAC_SD = 10, 0.002, 0.001, 0.006
DRIFT = 0.015
OUT_OF_BAND = 0.15


def pink_noise(n_volumes, repetition_time_s, n_series, rng, highest_hz=0.1):
    """1/f noise of unit SD, mostly below `highest_hz`; float64 (n_volumes, n_series)."""
    frequency = np.fft.rfftfreq(n_volumes, repetition_time_s)
    amplitude = np.zeros_like(frequency)
    amplitude[1:] = frequency[1:] ** -0.5
    amplitude[frequency > highest_hz] *= OUT_OF_BAND
    phases = rng.normal(size=(frequency.size, n_series)) + 1j * rng.normal(size=(frequency.size, n_series))
    noise = np.fft.irfft(amplitude[:, None] * phases, n_volumes, axis=0)
    return noise / noise.std(0)


def roi_coefficients(head, xyz):
    """Where and how strongly each ROI's signal appears, as cubic-spline coefficients on the fine grid.

    Parameters
    ----------
    head : gcamccl.simulate.scan.Head
    xyz : float (R, 3)
        MNI mm.

    Returns
    -------
    scipy.sparse.csr_array, float32 (fine voxels, R)
        Scanner units per unit of the ROI signal.
    """
    shape, sd = np.array(head.fine_shape), point_spread_sd(head)
    tree = cKDTree(head.mni.reshape(3, -1).T)
    rows, columns, values = [], [], []
    for number, centre in enumerate(xyz):
        near = tree.query_ball_point(centre, ROI_RADIUS_MM + 2)
        if not near:
            continue  # outside the field of view
        index = np.array(np.unravel_index(near, shape))
        low, high = np.maximum(index.min(1) - 6, 0), np.minimum(index.max(1) + 7, shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        distance = np.sqrt(sum((head.mni[axis][box] - centre[axis]) ** 2 for axis in range(3)))
        weight = np.clip((ROI_RADIUS_MM + 1.5 - distance) / 3, 0, 1) * (0.35 + 0.65 * head.grey[box])
        weight = ndimage.gaussian_filter(BOLD_SD * weight * head.epi[box], sd / 2)
        weight = ndimage.spline_filter(weight, order=3, mode="mirror")
        kept = np.abs(weight) > 1e-3 * np.abs(weight).max()
        places = np.array(np.nonzero(kept)) + low[:, None]
        rows.append(np.ravel_multi_index(tuple(places), shape))
        columns.append(np.full(kept.sum(), number))
        values.append(weight[kept].astype(np.float32))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_array(sparse.coo_array(entries, shape=(int(shape.prod()), len(xyz))))


def nuisance(head, n_volumes, repetition_time_s, rng):
    """Everything in the signal that is neither ROI activity, motion nor thermal noise.

    Returns
    -------
    coefficients : float32 (modes, fine voxels)
        Cubic-spline coefficients of the modes' pictures, scanner units.
    courses : float32 (n_volumes, modes)
    """
    time = np.linspace(-1, 1, n_volumes)[:, None]
    pictures = [smooth_field(head.fine_shape, head.fine_mm, 40, rng) for _ in range(MODES)]
    courses = [pink_noise(n_volumes, repetition_time_s, MODES, rng) * MODE_SD / np.sqrt(MODES)]
    pictures.append(np.ones(head.fine_shape, np.float32))
    courses.append(pink_noise(n_volumes, repetition_time_s, 1, rng) * GLOBAL_SD)
    pictures.append(np.clip(head.epi / 1000 - 0.75, 0, 1) * 2)
    courses.append(rng.normal(size=(n_volumes, 1)) * CARDIAC_SD)
    for course in (time, time**2 - 1 / 3):
        pictures.append(smooth_field(head.fine_shape, head.fine_mm, 90, rng) + np.float32(0.5))
        courses.append(course * DRIFT / 2)
    coefficients = [
        ndimage.spline_filter(head.epi * picture, order=3, mode="mirror", output=np.float32).ravel()
        for picture in pictures
    ]
    return np.stack(coefficients), np.concatenate(courses, axis=1).astype(np.float32)


def bold(head, xyz, signals, motion, repetition_time_s, rng):
    """BOLD series of a moving head.

    Each volume is sampled afresh from the fine head (cubic splines), so it is a true resampling under its motion.

    Parameters
    ----------
    head : gcamccl.simulate.scan.Head
    xyz : float (R, 3)
        MNI places of the ROIs, mm.
    signals : float (n_volumes, R)
        ROI signals of unit variance.
    motion : float (n_volumes, 6)
        mm, rad, about ``head.centre``.
    repetition_time_s : float
    rng : numpy.random.Generator

    Returns
    -------
    int16 (x, y, z, n_volumes), Fortran order
        Rician noise included.
    """
    n_volumes = len(signals)
    activity = roi_coefficients(head, xyz)
    modes, courses = nuisance(head, n_volumes, repetition_time_s, rng)
    rest = ndimage.spline_filter(head.epi, order=3, mode="mirror", output=np.float32).ravel()
    world = grid_points(head.shape, head.affine)
    to_fine = np.linalg.inv(head.fine_affine)
    out = np.empty((*head.shape, n_volumes), np.int16, order="F")
    for volume in range(n_volumes):
        picture = rest + courses[volume] @ modes + activity @ signals[volume].astype(np.float32)
        where = to_fine @ np.linalg.inv(rigid(motion[volume], head.centre))
        voxels = where[:3, :3] @ world + where[:3, 3:]
        values = ndimage.map_coordinates(picture.reshape(head.fine_shape), voxels, order=3, prefilter=False)
        real, imaginary = THERMAL_NOISE * rng.standard_normal((2, values.size), dtype=np.float32)
        values = np.hypot(values + real, imaginary)
        out[..., volume] = np.clip(np.rint(values), 0, 32767).reshape(head.shape)
    return out


def write_nifti(path, data, affine, repetition_time_s=None):
    """Write a compressed NIfTI whose bytes depend on nothing but the data (no time stamp in the gzip header)."""
    import nibabel

    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    if repetition_time_s is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], repetition_time_s))
    path.write_bytes(gzip.compress(image.to_bytes(), compresslevel=3, mtime=0))
