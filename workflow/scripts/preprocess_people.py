"""Several participants' scans, one after the other: what preprocess.py does, with people whose results are there and
still right left alone. Somebody whose files cannot be used does not keep the others from being done."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "preprocess",
        __doc__,
        "python workflow/scripts/preprocess_people.py --participants participants.tsv --people sub-001 sub-002 "
        "--list done.json --out preprocessed",
    )
    parser.add_argument("--participants", required=True, metavar="TABLE", help="participants table")
    parser.add_argument("--score", default="score", help="its score column; default: %(default)s")
    parser.add_argument("--people", required=True, nargs="+", metavar="ID", help="ids, or <id>/<scan key> as planned")
    parser.add_argument("--list", required=True, type=Path, metavar="FILE", help="written once all are done: JSON")
    parser.add_argument("--device", default="cpu", choices=("auto", "cpu", "cuda"), help="default: %(default)s")
    args = parser.parse_args()
    job.limit_threads(1)
    from gcamccl.atlas import atlas_files
    from gcamccl.preprocess.run import preprocess
    from gcamccl.workflow import people

    def work(run, row, route, files):
        preprocess(run, row["participant_id"], route, files, row.get("repetition_time"), args.device)

    people.one_after_the_other(args, work, lambda settings: atlas_files(settings["atlas"]))


if __name__ == "__main__":
    main()
