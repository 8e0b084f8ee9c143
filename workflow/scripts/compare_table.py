"""Put all classifiers' test predictions into metrics.tsv and table3.tsv, the paper's values beside them."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "compare",
        __doc__,
        "python workflow/scripts/compare_table.py --predictions DIR/*/predictions.parquet --out DIR",
    )
    parser.add_argument(
        "--predictions", type=Path, nargs="+", required=True, metavar="FILE", help="predictions.parquet of each method"
    )
    args = parser.parse_args()
    with job.run(args) as run:
        import pandas as pd

        from gcamccl.compare.table import metrics_table, table3
        from gcamccl.workflow.files import write_tsv

        run.reads(*args.predictions)
        figures = metrics_table(pd.concat([pd.read_parquet(path) for path in args.predictions], ignore_index=True))
        summary = table3(figures)
        write_tsv(run.path("metrics.tsv"), figures)
        write_tsv(run.path("table3.tsv"), summary)
        for row in summary.itertuples():
            run.say(f"{row.label}: accuracy {row.accuracy_mean:.3f} (paper {row.paper_accuracy:.3f})")


if __name__ == "__main__":
    main()
