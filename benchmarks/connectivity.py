"""Cost of `connectivity` on a whole study, beside nilearn in the same run.

The study: --people people with 231 volumes of 264 ROIs, TR 3 s (the size of the Philadelphia Neurodevelopmental
Cohort's n-back scans), motion known, written as `preprocess` leaves it. Ours is the whole program: imports, reading,
digests of the inputs, cleaning, correlation, exclusions, QC-FC and writing. The peer reads the same tables with pandas,
cleans with nilearn.signal.clean (Butterworth filter, detrending, the same regressors and volumes) and correlates with
ConnectivityMeasure: --peer-people people; its CPU seconds, imports left out, are extrapolated to all. Both with one
thread.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from gcamccl.workflow.job import limit_threads  # noqa: E402

limit_threads(1)

N_VOLUMES, TR_S = 231, 3.0
EXAMPLES = """examples:
  python benchmarks/connectivity.py                                   some three minutes
  python benchmarks/connectivity.py --people 100                      quicker
  python benchmarks/connectivity.py --motion-parameters 24 --scrub-fd-mm 0.5
"""


def make_study(folder, n_people, n_rois):
    """Write a participants table and everybody's preprocess folder; returns the table's path."""
    import numpy as np
    import pandas as pd

    from gcamccl import bids
    from gcamccl.preprocess.quality import confounds_table, summary
    from gcamccl.workflow.files import write_json, write_tsv
    from gcamccl.workflow.study import read_participants, scan_folder, scan_stem

    rng = np.random.default_rng(1)
    ids = [f"p{number:04d}" for number in range(n_people)]
    table = folder / "participants.tsv"
    write_tsv(
        table, pd.DataFrame({"participant_id": ids, "score": 1.0, "bold": [f"{name}_bold.nii.gz" for name in ids]})
    )
    columns = [f"roi_{number:03d}" for number in range(1, n_rois + 1)]
    mixing = 0.2 * rng.standard_normal((n_rois, n_rois)) + np.eye(n_rois)
    for row in read_participants(table, check_files=False):
        place, names = folder / "preprocessed" / scan_folder(row), bids.derivatives(scan_stem(row), "power264")
        place.mkdir(parents=True)
        series = 1000 + 3 * rng.standard_normal((N_VOLUMES, n_rois)) @ mixing
        # Steps that give a mean framewise displacement of some 0.12 mm, and a jump in one volume in fifty
        steps = rng.standard_normal((N_VOLUMES, 6)) * [*[0.025] * 3, *[0.0005] * 3]
        steps[rng.random(N_VOLUMES) < 0.02] *= 8
        motion = np.cumsum(steps, axis=0)
        motion -= motion[0]
        motion[:, :3] /= max(1.0, np.linalg.norm(motion[:, :3], axis=1).max())
        pd.DataFrame(series.astype(np.float32), columns=columns).to_csv(
            place / names["timeseries"], sep="\t", index=False, float_format="%.9g"
        )
        write_tsv(place / names["confounds"], confounds_table(N_VOLUMES, motion, series.mean(axis=1)))
        facts = {
            "sfnr_global": 400.0,
            "sfnr_roi_median": 100.0,
            "roi_coverage": np.ones(n_rois),
            "registration_dice": 0.9,
        }
        write_json(
            place / names["quality"], summary(row["participant_id"], "raw", TR_S, N_VOLUMES, [], motion, **facts)
        )
    return table


def run_ours(folder, table, settings):
    """CPU s, wall s, peak RSS (MB) of the program in a process of its own, and the folder of its results."""
    (folder / "settings.json").write_text(json.dumps(settings))
    out = folder / "fc"
    command = [
        *(sys.executable, ROOT / "workflow/scripts/connectivity.py", "--preprocessed", folder / "preprocessed"),
        *("--participants", table, "--settings", folder / "settings.json", "--out", out),
    ]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, after.ru_maxrss / 1024, out


def run_peer(folder, n_people, settings):
    """CPU s a person of nilearn, and its correlation matrices by participant_id."""
    import numpy as np
    import pandas as pd
    from nilearn import signal
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import EmpiricalCovariance

    from gcamccl.connectivity.regressors import MOTION_COLUMNS, censored, expand_motion

    paths = sorted((folder / "preprocessed").rglob("*_stat-mean_timeseries.tsv"))[:n_people]
    measure = ConnectivityMeasure(EmpiricalCovariance(), kind="correlation", standardize=False)
    warnings.simplefilter("ignore", DeprecationWarning)  # about defaults of nilearn's later versions
    matrices, started = {}, time.process_time()
    for path in paths:
        series = pd.read_csv(path, sep="\t").to_numpy()
        confounds = pd.read_csv(next(path.parent.glob("*_desc-confounds_timeseries.tsv")), sep="\t", na_values="n/a")
        removed = expand_motion(confounds[list(MOTION_COLUMNS)].to_numpy(), settings["motion_parameters"])
        kept = None
        if settings["scrub_fd_mm"] is not None:
            displacement = confounds["framewise_displacement"].to_numpy()
            kept = np.flatnonzero(~censored(displacement, settings["scrub_fd_mm"], 1, 2))
        cleaned = signal.clean(
            series,
            confounds=removed if removed.shape[1] else None,
            sample_mask=kept,
            t_r=TR_S,
            low_pass=0.1,
            high_pass=0.01,
            detrend=True,
            standardize=None,
        )
        matrices[path.parents[1].name] = measure.fit_transform([cleaned])[0]
    return (time.process_time() - started) / len(paths), matrices


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--people", type=int, default=854, metavar="N", help="default: %(default)s, the paper's number")
    parser.add_argument("--peer-people", type=int, default=20, metavar="N", help="default: %(default)s")
    parser.add_argument("--motion-parameters", type=int, default=6, choices=(0, 6, 24), help="default: %(default)s")
    parser.add_argument("--scrub-fd-mm", type=float, metavar="MM", help="default: no scrubbing")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the study is made; default: a temporary one")
    args = parser.parse_args()

    import numpy as np

    from gcamccl.atlas import read_atlas

    settings = {"motion_parameters": args.motion_parameters, "scrub_fd_mm": args.scrub_fd_mm, "min_residual_dof": 1}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        table = make_study(folder, args.people, len(read_atlas()))
        n_peer = min(args.peer_people, args.people)
        cpu, wall, rss, out = run_ours(folder, table, settings)
        peer, matrices = run_peer(folder, n_peer, settings)
        ours = np.load(out / "fc.npy", mmap_mode="r")
        row_of = {name: row for row, name in enumerate(json.loads((out / "fc.json").read_text())["participant_id"])}
        pairs = [(ours[row_of[name]], matrix) for name, matrix in matrices.items() if name in row_of]
        upper = np.triu_indices(ours.shape[1], 1)
        agreement = np.median([np.corrcoef(one[upper], other[upper])[0, 1] for one, other in pairs])
        n_kept = len(ours)
    total = peer * args.people
    print(f"{args.people} people ({n_kept} kept), {N_VOLUMES} volumes, {args.motion_parameters} motion parameters")
    print(f"{'':34}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}")
    print(f"{'connectivity, whole program':34}{cpu:9.1f}{wall:9.1f}{rss:9.0f}")
    print(f"{f'nilearn, {n_peer} people, extrapolated':34}{total:9.1f}")
    print(f"median correlation with nilearn's matrices (another band-pass filter): {agreement:.3f}")
    print(f"RESULT connectivity_cpu_s={cpu:.1f} connectivity_ratio={total / cpu:.2f} connectivity_rss_mb={rss:.0f}")


if __name__ == "__main__":
    main()
