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
    parser.add_argument("--participants", required=True, metavar="TABLE", help="participants table")
    parser.add_argument("--score", default="score", help="its score column; default: %(default)s")
    parser.add_argument("--atlas", default="power264", help="as preprocess.atlas; default: %(default)s")
    args = parser.parse_args()
    job.limit_threads(1)
    with job.run(args) as run:
        import numpy as np

        from gcamccl import bids
        from gcamccl.atlas import atlas_files, read_atlas
        from gcamccl.connectivity.group import group, sidecar
        from gcamccl.connectivity.qc_fc import qc_fc
        from gcamccl.workflow.files import write_json, write_tsv
        from gcamccl.workflow.study import read_participants, scan_folder, scan_stem

        rows = read_participants(run.reads(args.participants), args.score, check_files=False)
        folders = {
            row["participant_id"]: (args.preprocessed / scan_folder(row), bids.derivatives(scan_stem(row), args.atlas))
            if scan_folder(row)
            else None
            for row in rows
        }
        run.reads(*atlas_files(args.atlas))
        rois = read_atlas(args.atlas)
        places = [place for place in folders.values() if place]
        run.reads(
            *(folder / names[kind] for folder, names in places for kind in ("timeseries", "confounds", "quality"))
        )
        events = {row["participant_id"]: row["events"] for row in rows if row["events"]}
        if run.settings["task_regressors"] != "none":
            run.reads(*(path for name, path in events.items() if folders[name]))
        found = group(folders, len(rois), run.settings, events)
        np.save(run.path("fc.npy"), found.fc)
        write_json(run.path("fc.json"), sidecar(found, run.settings))
        write_tsv(run.path("people.tsv"), found.people)
        write_tsv(run.path("group_bold_qc.tsv"), found.quality)
        write_tsv(run.path("excluded.tsv"), found.excluded)
        write_tsv(run.path("rois.tsv"), rois)
        run.say(f"{len(found.people)} of {len(folders)} people kept")
        for reason, count in found.excluded["reason"].value_counts().items():
            run.say(f"excluded for {reason}: {count}")
        for regressors, count in found.quality["regressors"].value_counts().items():
            run.say(f"regressors removed: {regressors}: {count}")
        included = found.quality["included"].astype(bool)
        edges, summary = qc_fc(found.fc, found.quality.loc[included, "mean_fd_mm"].to_numpy(float), rois)
        edges.to_parquet(run.path("qc_fc.parquet"), index=False, compression="zstd")
        write_tsv(run.path("qc_fc.tsv"), summary)
        run.say("correlation of connectivity with motion done")


if __name__ == "__main__":
    main()
