"""Fit and judge one classifier of Table III on the cohort's splits and label permutations."""

from pathlib import Path

from gcamccl.workflow import job

METHODS = ("gcamccl", "ccl_svm", "ccl_rf", "mlp_svm", "svm", "dt", "rf", "logist")


def main():
    parser = job.parser(
        "compare", __doc__, "python workflow/scripts/compare.py --method svm --cohort DIR --out DIR/svm"
    )
    parser.add_argument("--method", choices=METHODS, required=True, help="row of Table III")
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort")
    parser.add_argument(
        "--train",
        type=Path,
        nargs="*",
        default=[],
        metavar="DIR",
        help="folders replicates-* of train, all of them; for gcamccl, ccl_svm and ccl_rf",
    )
    parser.add_argument(
        "--views",
        nargs="+",
        choices=("connectivity", "snps"),
        default=["connectivity", "snps"],
        help="as train.views; default: both",
    )
    args = parser.parse_args()
    job.limit_threads(1)
    with job.run(args) as run:
        from gcamccl.cohort_files import input_files, read_cohort, require_views
        from gcamccl.compare.run import predictions
        from gcamccl.memory import keep_freed_memory

        keep_freed_memory()

        run.reads(*input_files(args.cohort))
        run.reads(*(folder / name for folder in args.train for name in ("predictions.parquet", "embeddings.npz")))
        run.facts["seed"] = run.settings["seed"]
        cohort = read_cohort(args.cohort)
        require_views(cohort, args.views)
        table = predictions(args.method, cohort, run.settings["seed"], args.train, run.say, args.views)
        table.to_parquet(run.path("predictions.parquet"), index=False)


if __name__ == "__main__":
    main()
