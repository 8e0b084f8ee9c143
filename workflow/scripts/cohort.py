"""Join connectivity and loci; find the low and the high group; make splits and permuted labels."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "cohort",
        __doc__,
        "python workflow/scripts/cohort.py --connectivity DIR --genotype-qc DIR --loci DIR"
        " --participants participants.tsv --out DIR",
    )
    parser.add_argument("--connectivity", type=Path, required=True, metavar="DIR", help="artifact of connectivity")
    parser.add_argument("--genotype-qc", type=Path, required=True, metavar="DIR", help="artifact of genotype_qc")
    parser.add_argument("--loci", type=Path, required=True, metavar="DIR", help="artifact of eqtl_filter")
    parser.add_argument("--participants", type=Path, required=True, metavar="TSV", help="participants table")
    parser.add_argument("--score", default="score", metavar="COLUMN", help="its score column (default: score)")
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.cohort import join
        from gcamccl.cohort_files import read_connectivity, read_loci, summary, write_cohort
        from gcamccl.workflow.study import read_participants

        participants = read_participants(run.reads(args.participants), args.score, check_files=False)
        connectivity, excluded, files = read_connectivity(args.connectivity)
        run.reads(*files)
        loci, dropped, files = read_loci(args.loci, args.genotype_qc)
        run.reads(*files)
        cohort = join(participants, connectivity, loci, run.settings, excluded, dropped)
        write_cohort(cohort, run.path)
        run.facts["seed"] = run.settings["seed"]
        for group, count in summary(cohort.people).items():
            run.say(f"{count} people: {group}")
        run.say(f"{len(cohort.splits)} splits, {len(cohort.labels) - 1} label permutations")


if __name__ == "__main__":
    main()
