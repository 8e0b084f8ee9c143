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
    parser.add_argument("--connectivity", type=Path, metavar="DIR", help="artifact of connectivity; none: no scans")
    parser.add_argument("--genotype-qc", type=Path, metavar="DIR", help="artifact of genotype_qc; with --loci")
    parser.add_argument("--loci", type=Path, metavar="DIR", help="artifact of eqtl_filter; none: no genotypes")
    parser.add_argument("--participants", type=Path, required=True, metavar="TSV", help="participants table")
    parser.add_argument("--score", default="score", metavar="COLUMN", help="its score column (default: score)")
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.cohort import join
        from gcamccl.cohort_files import read_connectivity, read_loci, read_relatives, summary, write_cohort
        from gcamccl.cohort_remarks import remarks
        from gcamccl.workflow.errors import InputError
        from gcamccl.workflow.study import read_participants

        if (args.genotype_qc is None) != (args.loci is None):
            raise InputError("--genotype-qc and --loci", "only one of them is given", "give both or neither")
        if args.connectivity is None and args.loci is None:
            raise InputError("cohort", "neither --connectivity nor --loci is given", "give what the study has")
        participants = read_participants(run.reads(args.participants), args.score, check_files=False)
        connectivity = loci = excluded = dropped = pairs = flags = None
        if args.connectivity:
            connectivity, excluded, files = read_connectivity(args.connectivity)
            run.reads(*files)
        if args.loci:
            loci, dropped, files = read_loci(args.loci, args.genotype_qc)
            run.reads(*files)
            pairs, flags, files = read_relatives(args.genotype_qc)
            run.reads(*files)
        cohort = join(participants, connectivity, loci, run.settings, excluded, dropped, pairs)
        write_cohort(cohort, run.path)
        run.facts["seed"] = run.settings["seed"]
        for group, count in summary(cohort.people).items():
            run.say(f"{count} people: {group}")
        for remark in remarks(cohort, pairs, flags):
            run.say(remark)
        run.say(f"{len(cohort.splits)} splits, {len(cohort.labels) - 1} label permutations")


if __name__ == "__main__":
    main()
