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
    parser.add_argument(
        "--confounds", metavar="FILE", help="fmriprep: confounds table; timeseries: likewise, if there is one"
    )
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
        from gcamccl.atlas import atlas_files, read_atlas
        from gcamccl.preprocess import person, quality, results

        settings, name, repetition_time = run.settings, args.participant, args.repetition_time
        run.reads(*atlas_files(settings["atlas"]))
        atlas = read_atlas(settings["atlas"])
        files = [kind for kind in ("bold", "t1w", "preproc_bold", "confounds", "timeseries") if getattr(args, kind)]
        run.reads(*(getattr(args, kind) for kind in files))
        source = args.bold or args.preproc_bold or args.timeseries
        names = bids.derivatives(bids.stem(name, source), settings["atlas"])
        if args.route == "timeseries":
            result = person.from_timeseries(name, source, len(atlas), repetition_time, args.confounds)
        else:
            import torch

            from gcamccl.device import choose_device, device_facts
            from gcamccl.preprocess import extract
            from gcamccl.preprocess.figures.page import page
            from gcamccl.preprocess.regions import regions

            run.reads(*bids.sidecars(source))
            torch.set_num_threads(1)
            device = choose_device(args.device)
            run.facts.update(device_facts(device), seed=settings["seed"])
            where = regions(settings["atlas"], atlas, settings["sphere_radius_mm"])
            if args.route == "raw":
                scans = (args.bold, args.t1w)
                result = person.from_raw(name, *scans, where, settings, run.scratch, repetition_time, run.say, device)
            else:
                scans = (args.preproc_bold, args.confounds)
                result = person.from_fmriprep(name, *scans, where, settings, repetition_time, device)
            if settings["write_normalised"]:
                extract.write_normalised(run.path(names["normalised"]), result.located, settings, device)
                run.say("normalised series written")
            page(run.path(names["page"]), result, atlas)
        results.write(run.path, names, result, atlas, settings, source)
        for warning in result.quality["warnings"]:
            run.say(f"WARNING: {warning}")
        run.say(quality.one_line(result.quality))


if __name__ == "__main__":
    main()
