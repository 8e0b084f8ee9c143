"""Cost and accuracy of `preprocess` on one simulated scan, beside ANTs and nilearn in the same run.

The scan: 64 x 64 x 46 x 231, 3 mm, TR 3 s (the size of the Philadelphia Neurodevelopmental Cohort's), with a 1 mm T1w,
known motion, warp and connectivity. Every step runs in a process of its own with one thread; CPU seconds are those of
the process. The peer realigns and resamples --peer-volumes volumes, evenly spaced over the scan, and its CPU seconds
are extrapolated to all of them; its smoothing and sphere means are measured on all.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

MATRIX, VOXEL_MM, TR_S, T1W_MM = (64, 64, 46), 3.0, 3.0, 1.0
LARGEST_MM = 2.0  # the paper's limit of the translation
NAME = "sub-001"
EXAMPLES = """examples:
  python benchmarks/preprocess.py                       about ten minutes
  python benchmarks/preprocess.py --keep scan           keep the scan in scan/, use it again next time
  python benchmarks/preprocess.py --device cuda         ours on a GPU; the peer stays on the CPU
"""


def simulate(folder, n_volumes, seed):
    """Write the scan, its T1w and its truth to `folder`."""
    import numpy as np

    from gcamccl.atlas import read_atlas
    from gcamccl.simulate import connectome, scan, scan_bold

    rng = np.random.default_rng(seed)
    rois = read_atlas()
    xyz = rois[["x", "y", "z"]].to_numpy(float)
    settings = {"n_volumes": n_volumes, "repetition_time_s": TR_S, "edges_per_class": 60, "edge_effect": 0.08}
    series, _ = connectome.simulate_timeseries(np.zeros(1), settings, rois, rng)
    signals = next(series)
    head = scan.make_head(MATRIX, VOXEL_MM, rng)
    motion = scan.motion_trajectory(n_volumes, LARGEST_MM, rng)
    t1w, t1w_affine = scan.t1w(head, rng, voxel_mm=T1W_MM)
    bold = scan_bold.bold(head, xyz, signals, motion, TR_S, rng)
    scan_bold.write_nifti(folder / "bold.nii.gz", bold, head.affine, TR_S)
    scan_bold.write_nifti(folder / "t1w.nii.gz", t1w, t1w_affine)
    native = scan.from_mni(head, xyz)
    np.savez(folder / "truth.npz", motion=motion, centre=head.centre, signals=signals, roi_native=native)


def _load(folder, chosen=None):
    """Volumes (n, x, y, z) of the scan, its affine."""
    from gcamccl.preprocess.scan_io import read_scan

    scan = read_scan(folder / "bold.nii.gz")
    return (scan.volumes if chosen is None else scan.volumes[chosen]), scan.affine


def _cpu():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def _chosen(n_volumes, count):
    import numpy as np

    return np.linspace(0, n_volumes - 1, count).round().astype(int)


def _motion_error(folder, transforms, chosen=None):
    import numpy as np

    from gcamccl.simulate.scan import motion_error_mm

    truth = np.load(folder / "truth.npz")
    motion = truth["motion"] if chosen is None else truth["motion"][chosen]
    return float(np.sqrt((motion_error_mm(transforms, motion, truth["centre"]) ** 2).mean()))


def ours_realign(folder, device="cpu", **_):
    """Our realignment of the whole series."""
    import numpy as np
    import torch

    from gcamccl.preprocess.realign import realign

    torch.set_num_threads(1)
    volumes, affine = _load(folder)
    start, clock = _cpu(), time.monotonic()
    transforms, _ = realign(volumes, affine, device=device)
    cpu, wall = _cpu() - start, time.monotonic() - clock
    return {
        "cpu_s": cpu,
        "wall_s": wall,
        "rms_mm": _motion_error(folder, transforms),
        "uncorrected_mm": _motion_error(folder, np.broadcast_to(np.eye(4), transforms.shape)),
    }


def peer_realign(folder, count, **_):
    """ANTs BOLDRigid on some volumes; leaves their transforms for `peer_resample`."""
    import ants
    import nibabel
    import numpy as np

    n_volumes = len(np.load(folder / "truth.npz")["motion"])
    chosen = _chosen(n_volumes, count)
    volumes, affine = _load(folder, chosen)
    path = folder / "peer.nii"
    nibabel.save(nibabel.Nifti1Image(np.moveaxis(volumes, 0, 3), affine), path)
    series = ants.image_read(str(path))
    start = _cpu()
    found = ants.motion_correction(series, type_of_transform="BOLDRigid")
    cpu = _cpu() - start
    flip = np.diag([-1.0, -1, 1, 1])  # ITK's axes point left and back
    matrices = []
    for number, files in enumerate(found["motion_parameters"]):
        files = files if isinstance(files, list | tuple) else [files]
        file = next(name for name in files if str(name).endswith(".mat"))
        (folder / f"peer_{number}.mat").write_bytes(Path(file).read_bytes())
        transform = ants.read_transform(file)
        values, centre = np.array(transform.parameters), np.array(transform.fixed_parameters)
        matrix = np.eye(4)
        matrix[:3, :3] = values[:9].reshape(3, 3)
        matrix[:3, 3] = values[9:] + centre - matrix[:3, :3] @ centre
        matrices.append(flip @ matrix @ flip)
    return {
        "cpu_s": cpu * n_volumes / count,
        "rms_mm": _motion_error(folder, np.array(matrices), chosen),
        "volumes": count,
    }


def peer_resample(folder, count, registration, **_):
    """Normalise the volumes that `peer_realign` left with ants.apply_transforms; CPU seconds for all volumes."""
    import ants
    import nibabel
    import numpy as np
    from nilearn import datasets

    n_volumes = len(np.load(folder / "truth.npz")["motion"])
    template = folder / "mni.nii"
    nibabel.save(datasets.load_mni152_template(resolution=2), template)
    template = ants.image_read(str(template))
    volumes = ants.ndimage_to_list(ants.image_read(str(folder / "peer.nii")))
    start = _cpu()
    normal = [
        ants.apply_transforms(template, volume, [*registration, str(folder / f"peer_{number}.mat")])
        for number, volume in enumerate(volumes)
    ]
    cpu = _cpu() - start
    np.save(folder / "peer_normal.npy", np.stack([image.numpy() for image in normal]))
    return {"cpu_s": cpu * n_volumes / count, "volumes": count}


def peer_spheres(folder, **_):
    """Smooth and take sphere means with nilearn, on as many volumes as the scan has (the normalised ones repeated)."""
    import nibabel
    import numpy as np
    from nilearn import datasets
    from nilearn.maskers import NiftiSpheresMasker

    from gcamccl.atlas import read_atlas
    from gcamccl.preprocess.regions import snap

    n_volumes = len(np.load(folder / "truth.npz")["motion"])
    normal = np.load(folder / "peer_normal.npy")
    repeated = np.moveaxis(normal[np.arange(n_volumes) % len(normal)], 0, 3)
    image = nibabel.Nifti1Image(repeated, datasets.load_mni152_template(resolution=2).affine)
    centres = [tuple(row) for row in snap(read_atlas()[["x", "y", "z"]].to_numpy(float))]
    masker = NiftiSpheresMasker(centres, radius=5.0, smoothing_fwhm=6.0, allow_overlap=True, standardize=None)
    start = _cpu()
    masker.fit_transform(image)
    return {"cpu_s": _cpu() - start, "volumes": n_volumes}


def peer_registration(folder, scratch, **_):
    """Transforms for `peer_resample`: ours, which are ANTs' own; not counted as the peer's time."""
    import numpy as np
    import torch

    from gcamccl.preprocess import brain, realign, register, scan_io

    torch.set_num_threads(1)
    volumes, affine = _load(folder, np.arange(0, 40))
    _, mean = realign.realign(volumes, affine)
    anatomy = scan_io.read_volume(folder / "t1w.nii.gz")
    start = _cpu()
    mask = brain.brain_mask(mean)
    found = register.register_t1w(mean, mask, affine, *anatomy, 2, 1, Path(scratch))
    cpu = _cpu() - start
    alone = register.register_epi(mean, mask, affine, True, 1, Path(scratch))
    truth, xyz = np.load(folder / "truth.npz"), _coordinates()
    errors = [
        float(np.linalg.norm(register.to_native(xyz, each.files) - truth["roi_native"], axis=1).mean())
        for each in (found, alone)
    ]
    return {"cpu_s": cpu, "files": found.files, "roi_error_mm": errors[0], "roi_error_alone_mm": errors[1]}


def _coordinates():
    from gcamccl.atlas import read_atlas

    return read_atlas()[["x", "y", "z"]].to_numpy(float)


def ours_subject(folder, out, device="cpu", t1w=True):
    """The program as the workflow starts it: (CPU s, wall s, peak MB, connectivity against the planted one)."""
    import numpy as np
    import pandas as pd

    from gcamccl.connectivity.projection import clean, correlation, nuisance_basis

    command = [sys.executable, str(ROOT / "workflow/scripts/preprocess.py"), "--participant", NAME, "--route", "raw"]
    command += ["--bold", str(folder / "bold.nii.gz"), "--out", str(out), "--device", device]
    command += ["--t1w", str(folder / "t1w.nii.gz")] if t1w else []
    clock = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    series = pd.read_csv(next(out.glob("*_stat-mean_timeseries.tsv")), sep="\t").to_numpy()
    motion = pd.read_csv(next(out.glob("*_desc-confounds_timeseries.tsv")), sep="\t").to_numpy()[:, :6]
    truth = np.load(folder / "truth.npz")
    there = ~np.isnan(series).any(axis=0)
    upper = np.triu_indices(int(there.sum()), 1)
    ours = correlation(clean(series[:, there], nuisance_basis(len(series), TR_S, 0.01, 0.1, motion)))[upper]
    planted = correlation(clean(truth["signals"][:, there], nuisance_basis(len(series), TR_S, 0.01, 0.1)))[upper]
    return {
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "wall_s": time.monotonic() - clock,
        "rss_mb": usage.ru_maxrss / 1024,
        "fc_r": float(np.corrcoef(ours, planted)[0, 1]),
        "rois": int(there.sum()),
    }


STEPS = {f.__name__: f for f in (ours_realign, peer_realign, peer_registration, peer_resample, peer_spheres)}


def step(name, folder, **options):
    """Run a step in a process of its own; its result."""
    command = [sys.executable, __file__, "--step", name, "--keep", str(folder), "--options", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def report(rows):
    """Print rows of (what, CPU s, more) as a table."""
    width = max(len(row[0]) for row in rows)
    print(f"\n{'':<{width}}{'CPU s':>9}")
    for what, seconds, more in rows:
        print(f"{what:<{width}}{seconds:>9.1f}  {more}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--volumes", type=int, default=231, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated head and scan; default: %(default)s")
    parser.add_argument("--peer-volumes", type=int, default=12, help="volumes ANTs works on; default: %(default)s")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder of the scan; made if it is not there")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--options", default="{}", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        print(json.dumps(STEPS[args.step](args.keep, **json.loads(args.options))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        folder = args.keep or scratch
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "truth.npz").exists():
            print(f"simulating {' x '.join(map(str, (*MATRIX, args.volumes)))} ...", flush=True)
            simulate(folder, args.volumes, args.seed)
        print("ours: whole subject, realignment ...", flush=True)
        subject = ours_subject(folder, scratch / "ours", args.device)
        alone = ours_subject(folder, scratch / "alone", args.device, t1w=False)
        realign = step("ours_realign", folder, device=args.device)
        print("ANTs and nilearn ...", flush=True)
        peer = step("peer_realign", folder, count=args.peer_volumes)
        registration = step("peer_registration", folder, scratch=str(scratch))
        resample = step("peer_resample", folder, count=args.peer_volumes, registration=registration["files"])
        spheres = step("peer_spheres", folder)
    peer_cpu = peer["cpu_s"] + resample["cpu_s"] + spheres["cpu_s"]
    few = f"from {args.peer_volumes} volumes"
    report(
        [
            (
                "ours: whole subject, with T1w",
                subject["cpu_s"],
                f"{subject['rss_mb']:.0f} MB, r(FC, planted) "
                f"{subject['fc_r']:.3f}, {subject['wall_s']:.0f} s wall, {args.device}",
            ),
            (
                "ours: whole subject, without T1w",
                alone["cpu_s"],
                f"{alone['rss_mb']:.0f} MB, r(FC, planted) {alone['fc_r']:.3f}",
            ),
            (
                "  realignment",
                realign["cpu_s"],
                f"RMS error {realign['rms_mm']:.4f} mm (uncorrected {realign['uncorrected_mm']:.2f}), "
                f"{realign['wall_s']:.1f} s wall",
            ),
            (
                "  registration (ANTs, as we call it)",
                registration["cpu_s"],
                f"ROI centres {registration['roi_error_mm']:.2f} mm from their true place (without T1w "
                f"{registration['roi_error_alone_mm']:.2f})",
            ),
            ("ANTs BOLDRigid", peer["cpu_s"], f"RMS error {peer['rms_mm']:.4f} mm, {few}"),
            ("ants.apply_transforms", resample["cpu_s"], few),
            ("NiftiSpheresMasker, smoothing 6 mm", spheres["cpu_s"], f"{spheres['volumes']} volumes"),
            ("peer: these three", peer_cpu, "without registration"),
        ]
    )
    print(
        f"RESULT subject_cpu_s={subject['cpu_s']:.1f} subject_ratio={peer_cpu / subject['cpu_s']:.1f} "
        f"realign_ratio={peer['cpu_s'] / realign['cpu_s']:.1f} realign_rms_mm={realign['rms_mm']:.4f} "
        f"peer_rms_mm={peer['rms_mm']:.4f} peak_rss_mb={subject['rss_mb']:.0f}"
    )


if __name__ == "__main__":
    main()
