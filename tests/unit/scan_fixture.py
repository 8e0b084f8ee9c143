"""One small simulated raw scan with its truth, made once a test process."""

from functools import cache
from types import SimpleNamespace

import numpy as np

from gcamccl.atlas import read_atlas
from gcamccl.preprocess import regions
from gcamccl.preprocess.brain import brain_mask
from gcamccl.preprocess.realign import realign
from gcamccl.simulate import connectome, scan, scan_bold

MATRIX, VOXEL_MM, REPETITION_TIME_S, VOLUMES = (44, 50, 36), 4.0, 3.0, 40


def roi_coordinates():
    """Power 264, MNI mm (264, 3)."""
    return read_atlas()[["x", "y", "z"]].to_numpy(float)


def spheres(xyz=None):
    """`Regions` of 5 mm around coordinates; Power's by default."""
    xyz = roi_coordinates() if xyz is None else xyz
    return regions.Regions(*regions.sphere_points(xyz), len(xyz))


@cache
def simulated_scan():
    """Namespace of head, signals, motion, bold (x, y, z, volumes), t1w, t1w_affine, roi_native."""
    rng = scan.participant_rng(1, "sub-001")
    settings = {
        "n_volumes": VOLUMES,
        "repetition_time_s": REPETITION_TIME_S,
        "edges_per_class": 20,
        "edge_effect": 0.08,
    }
    series, _ = connectome.simulate_timeseries(np.array([0.5]), settings, read_atlas(), rng)
    signals = next(series)
    head = scan.make_head(MATRIX, VOXEL_MM, rng)
    motion = scan.motion_trajectory(VOLUMES, 1.0, rng)
    t1w, t1w_affine = scan.t1w(head, rng)
    bold = scan_bold.bold(head, roi_coordinates(), signals, motion, REPETITION_TIME_S, rng)
    return SimpleNamespace(
        head=head,
        signals=signals,
        motion=motion,
        bold=bold,
        t1w=t1w,
        t1w_affine=t1w_affine,
        roi_native=scan.from_mni(head, roi_coordinates()),
    )


@cache
def realigned():
    """Volumes (n, x, y, z) of `simulated_scan`, their estimated transforms, the mean image and the brain in it."""
    simulated = simulated_scan()
    volumes = np.ascontiguousarray(np.moveaxis(simulated.bold, 3, 0))
    transforms, mean = realign(volumes, simulated.head.affine)
    return SimpleNamespace(volumes=volumes, transforms=transforms, mean=mean, mask=brain_mask(mean))
