"""Put all classifiers' test predictions into Table III: means, intervals, permutation p, differences, calibration."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "compare",
        __doc__,
        "python workflow/scripts/compare_table.py --predictions DIR/*/predictions.parquet --cohort DIR --out DIR",
    )
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, metavar="FILE", help="predictions.parquet of each method"
    )
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort (splits.npy)")
    args = parser.parse_args()
    job.limit_threads(1)
    with job.run(args) as run:
        import pandas as pd

        from gcamccl.compare import table
        from gcamccl.workflow.errors import InputError
        from gcamccl.workflow.files import write_tsv

        run.reads(*args.predictions, args.cohort / "splits.npy")
        ratio = table.test_train_ratio(args.cohort / "splits.npy")
        confidence = run.settings["confidence"]
        figures, true = [], []
        for path in args.predictions:  # one at a time: permuted labels make many rows
            predictions = table.read_predictions(path)
            if predictions.empty:
                run.say(f"{path}: no predictions")
                continue
            figures.append(table.metrics_table(predictions))
            true.append(table.true_labels(predictions))
        if not figures:
            raise InputError(args.predictions[0], "no predictions", "name a classifier in compare.methods")
        figures, true = table.in_order(pd.concat(figures, ignore_index=True)), pd.concat(true, ignore_index=True)
        table.check_same_people(true)
        summary = table.table3(figures, true, ratio, confidence)
        write_tsv(run.path("metrics.tsv"), figures)
        write_tsv(run.path("table3.tsv"), summary)
        write_tsv(run.path("differences.tsv"), table.differences(figures, true, ratio, confidence))
        write_tsv(run.path("calibration.tsv"), table.calibration_table(true, confidence))
        for row in summary.itertuples():
            paper = f" (paper {row.paper_accuracy:.3f})" if row.paper_accuracy == row.paper_accuracy else ""
            run.say(
                f"{row.label}: accuracy {row.accuracy_mean:.3f}, {confidence:.0%} interval "
                f"{row.accuracy_low:.3f} to {row.accuracy_high:.3f}{paper}"
            )


if __name__ == "__main__":
    main()
