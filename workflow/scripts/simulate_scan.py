"""Simulate one participant's raw scans: BOLD and T1w with known motion, warp, drift and noise."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "simulate",
        __doc__,
        "python workflow/scripts/simulate_scan.py --participant sub-001 "
        "--scan-truth study/scan_truth/sub-001.npz --out scans/sub-001",
    )
    parser.add_argument("--participant", required=True, metavar="ID")
    parser.add_argument(
        "--scan-truth", required=True, type=Path, metavar="FILE", help=".npz with roi_signals (volumes, R)"
    )
    args = parser.parse_args()
    job.limit_threads(1)
    with job.run(args) as run:
        import numpy as np

        from gcamccl.atlas import read_atlas
        from gcamccl.simulate import scan, scan_bold
        from gcamccl.workflow.files import write_json

        signals = np.load(run.reads(args.scan_truth))["roi_signals"]
        settings, name = run.settings, args.participant
        rng = scan.participant_rng(settings["seed"], name)
        xyz = read_atlas()[["x", "y", "z"]].to_numpy(float)
        head = scan.make_head(settings["matrix"], settings["voxel_mm"], rng)
        high_motion = scan.moves_too_much(name)
        largest_mm = rng.uniform(*(scan.MOVING_MM if high_motion else scan.STILL_MM))
        motion = scan.motion_trajectory(len(signals), largest_mm, rng)
        run.say(f"{name}: largest translation {largest_mm:.2f} mm")
        t1w, t1w_affine = scan.t1w(head, rng)
        scan_bold.write_nifti(run.path(f"anat/{name}_T1w.nii.gz"), t1w, t1w_affine)
        repetition_time = settings["repetition_time_s"]
        bold = scan_bold.bold(head, xyz, signals, motion, repetition_time, rng)
        scan_bold.write_nifti(run.path(f"func/{name}_task-nback_bold.nii.gz"), bold, head.affine, repetition_time)
        write_json(
            run.path(f"func/{name}_task-nback_bold.json"), {"RepetitionTime": repetition_time, "TaskName": "nback"}
        )
        np.savez(
            run.path("truth.npz"),
            motion=motion,
            head_centre=head.centre,
            roi_native=scan.from_mni(head, xyz),
            high_motion=high_motion,
        )
        run.say(f"{len(signals)} volumes of {' x '.join(map(str, head.shape))} voxels")


if __name__ == "__main__":
    main()
