"""Everybody's ROI time series to one stack of correlation matrices, with exclusions and their reasons."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "connectivity",
        __doc__,
        "python workflow/scripts/connectivity.py --preprocessed preprocessed --participants participants.tsv --out fc",
    )
    parser.add_argument("--preprocessed", required=True, type=Path, metavar="DIR", help="one folder a person")
    parser.add_argument(
        "--participants", required=True, nargs="+", metavar="TABLE|ID", help="participants table, or the ids themselves"
    )
    parser.add_argument("--atlas", default="power264", help="as preprocess.atlas; default: %(default)s")
    args = parser.parse_args()
    job.limit_threads(1)
    with job.run(args) as run:
        import numpy as np

        from gcamccl import connectivity
        from gcamccl.atlas import atlas_file, read_atlas
        from gcamccl.workflow.files import read_tsv, write_tsv

        names = args.participants
        if len(names) == 1 and Path(names[0]).is_file():
            table = read_tsv(run.reads(names[0]), columns=("participant_id",), dtype=str)
            names = table["participant_id"].tolist()
        run.reads(atlas_file(args.atlas))
        rois = read_atlas(args.atlas)
        folders = [args.preprocessed / name for name in names if (args.preprocessed / name).is_dir()]
        run.reads(*(folder / file for folder in folders for file in ("timeseries.npy", "motion.tsv", "quality.json")))
        group = connectivity.group(args.preprocessed, names, len(rois), run.settings)
        np.save(run.path("fc.npy"), group.fc)
        write_tsv(run.path("people.tsv"), group.people)
        write_tsv(run.path("group_bold_qc.tsv"), group.quality)
        write_tsv(run.path("excluded.tsv"), group.excluded)
        write_tsv(run.path("rois.tsv"), rois)
        run.say(f"{len(group.people)} of {len(names)} people kept")
        for reason, count in group.excluded["reason"].value_counts().items():
            run.say(f"excluded for {reason}: {count}")


if __name__ == "__main__":
    main()
