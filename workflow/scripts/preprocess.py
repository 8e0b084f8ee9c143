"""One participant's scan to ROI time series, motion and scan quality."""

from gcamccl.workflow import job

NEEDS = {"raw": ("bold",), "fmriprep": ("preproc_bold", "confounds"), "timeseries": ("timeseries",)}


def main():
    parser = job.parser(
        "preprocess",
        __doc__,
        "python workflow/scripts/preprocess.py --participant sub-001 --route raw "
        "--bold sub-001_task-nback_bold.nii.gz --t1w sub-001_T1w.nii.gz --out sub-001",
    )
    parser.add_argument("--participant", required=True, metavar="ID")
    parser.add_argument("--route", required=True, choices=list(NEEDS), help="what the files are")
    parser.add_argument("--bold", metavar="FILE", help="raw: BOLD, 4D NIfTI; its JSON sidecars are found by BIDS names")
    parser.add_argument("--t1w", metavar="FILE", help="raw: T1-weighted image, whole head or brain")
    parser.add_argument("--preproc-bold", metavar="FILE", help="fmriprep: BOLD in MNI152 space")
    parser.add_argument("--confounds", metavar="FILE", help="fmriprep: confounds table")
    parser.add_argument("--timeseries", metavar="FILE", help="timeseries: TSV, one column an ROI")
    parser.add_argument("--repetition-time", type=float, metavar="S", help="seconds, from the participants table")
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="default: %(default)s")
    args = parser.parse_args()
    for name in NEEDS[args.route]:
        if getattr(args, name) is None:
            parser.error(f"--route {args.route} needs --{name.replace('_', '-')}")
    job.limit_threads(1)
    with job.run(args) as run:
        from gcamccl import bids
        from gcamccl.atlas import atlas_file, read_atlas
        from gcamccl.preprocess import person, quality, results

        run.reads(atlas_file(run.settings["atlas"]))
        atlas = read_atlas(run.settings["atlas"])
        xyz = atlas[["x", "y", "z"]].to_numpy(float)
        files = [name for name in ("bold", "t1w", "preproc_bold", "confounds", "timeseries") if getattr(args, name)]
        run.reads(*(getattr(args, name) for name in files))
        if scan := args.bold or args.preproc_bold:
            run.reads(*bids.sidecars(scan))
        name, repetition_time = args.participant, args.repetition_time
        if args.route == "timeseries":
            result = person.from_timeseries(name, args.timeseries, xyz, repetition_time)
        else:
            import torch

            from gcamccl.device import choose_device, device_facts

            torch.set_num_threads(1)
            device = choose_device(args.device)
            run.facts.update(device_facts(device), seed=run.settings["seed"])
            if args.route == "raw":
                result = person.from_raw(
                    name, args.bold, args.t1w, xyz, run.settings, run.scratch, repetition_time, run.say, device
                )
            else:
                result = person.from_fmriprep(
                    name, args.preproc_bold, args.confounds, xyz, run.settings, repetition_time, device
                )
        source = args.bold or args.preproc_bold or args.timeseries
        names = bids.derivatives(bids.stem(name, source), run.settings["atlas"])
        results.write(run.path, names, result, atlas, run.settings, source)
        for warning in result.quality["warnings"]:
            run.say(f"WARNING: {warning}")
        if result.pictures:
            from gcamccl.preprocess.figures.page import page

            page(run.path(names["page"]), result, atlas)
            run.say(quality.one_line(result.quality))


if __name__ == "__main__":
    main()
