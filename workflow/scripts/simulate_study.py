"""Simulate a study with planted truth: participants, three SNP arrays, reference panel, GTEx files, ROI time series."""

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "simulate", __doc__, "python workflow/scripts/simulate_study.py --chromosomes 5 17 22 --out my_study"
    )
    parser.add_argument("--chromosomes", type=int, nargs="+", required=True, metavar="N", help="autosomes to simulate")
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.simulate.study import simulate_study

        run.facts["seed"] = run.settings["seed"]
        for name in simulate_study(run.settings, args.chromosomes, run.staging, run.say):
            run.path(name)


if __name__ == "__main__":
    main()
