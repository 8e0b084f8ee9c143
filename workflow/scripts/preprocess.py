"""One participant's scan to ROI time series, motion and scan quality."""

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "preprocess",
        __doc__,
        "python workflow/scripts/preprocess.py --participant sub-001 --route raw "
        "--bold sub-001_task-nback_bold.nii.gz --t1w sub-001_T1w.nii.gz --out sub-001",
    )
    routes = ("raw", "fmriprep", "timeseries")
    parser.add_argument("--participant", required=True, metavar="ID")
    parser.add_argument("--route", required=True, choices=routes, help="what the files are")
    parser.add_argument("--bold", metavar="FILE", help="raw: BOLD, 4D NIfTI; its JSON sidecars are found by BIDS names")
    parser.add_argument("--t1w", metavar="FILE", help="raw: T1-weighted image, whole head or brain")
    parser.add_argument("--preproc-bold", metavar="FILE", help="fmriprep: BOLD in MNI152 space")
    parser.add_argument(
        "--confounds", metavar="FILE", help="fmriprep: confounds table; timeseries: likewise, if there is one"
    )
    parser.add_argument("--timeseries", metavar="FILE", help="timeseries: TSV, one column an ROI")
    parser.add_argument("--repetition-time", type=float, metavar="S", help="seconds, from the participants table")
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="default: %(default)s")
    args = parser.parse_args()
    job.limit_threads(1)
    from gcamccl.preprocess.run import NEEDS, preprocess
    from gcamccl.workflow.study import SCAN_FILES

    files = {kind: getattr(args, kind) for kind in SCAN_FILES if getattr(args, kind)}
    for name in NEEDS[args.route]:
        if name not in files:
            parser.error(f"--route {args.route} needs --{name.replace('_', '-')}")
    with job.run(args) as run:
        preprocess(run, args.participant, args.route, files, args.repetition_time, args.device)


if __name__ == "__main__":
    main()
