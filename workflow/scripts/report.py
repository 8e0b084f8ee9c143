"""One HTML page with the run's tables and figures, what to believe of them and what not."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "report",
        __doc__,
        "python workflow/scripts/report.py --preprocess DIR --connectivity DIR --genotype-qc DIR --impute DIR\n"
        "    --eqtl-filter DIR --cohort DIR --train DIR --compare DIR --activation DIR --threshold DIR\n"
        "    --enrichment DIR --out report",
    )
    stages = (
        *("preprocess", "connectivity", "genotype_qc", "impute", "eqtl_filter", "cohort"),
        *("train", "compare", "activation", "threshold", "enrichment"),
    )
    for stage in stages:
        option = "--" + stage.replace("_", "-")
        parser.add_argument(option, type=Path, required=True, metavar="DIR", help=f"folder of the stage {stage}")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="truth.json of a simulated study")
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.report.build import build
        from gcamccl.report.collect import collect, inputs

        results = collect({stage: getattr(args, stage) for stage in stages}, args.truth)
        run.reads(*inputs(results), *([args.truth] if args.truth else []))
        run.say("artifacts read")
        build(results, run.settings["title"], run.path, run.say)


if __name__ == "__main__":
    main()
