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
    optional = {
        **dict.fromkeys(("preprocess", "connectivity"), "; none: a study without scans"),
        **dict.fromkeys(("genotype_qc", "impute", "eqtl_filter", "enrichment"), "; none: a study without genotypes"),
    }
    for stage in stages:
        option, more = "--" + stage.replace("_", "-"), optional.get(stage, "")
        parser.add_argument(
            option, type=Path, required=not more, metavar="DIR", help=f"folder of the stage {stage}{more}"
        )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="truth.json of a simulated study")
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.report.build import build
        from gcamccl.report.collect import collect, inputs
        from gcamccl.report.pseudonyms import pseudonymise

        results = collect({stage: getattr(args, stage) for stage in stages}, args.truth)
        run.reads(*inputs(results), *([args.truth] if args.truth else []))
        if run.settings["pseudonyms"]:
            pseudonymise(results, run.settings["pseudonyms"])
            run.say(f"ids are replaced; {run.settings['pseudonyms']} says by what")
        run.say("artifacts read")
        build(results, run.settings["title"], run.path, run.say)


if __name__ == "__main__":
    main()
