"""Verdict on every kind of map: does it depend on what was learned, on the labels, on the class, and does it matter?"""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "activation",
        __doc__,
        "python workflow/scripts/activation_checks.py --activation DIR --out DIR",
    )
    parser.add_argument(
        "--activation", type=Path, required=True, nargs="+", metavar="DIR", help="shards of activation, or their folder"
    )
    args = parser.parse_args()
    job.limit_threads(1)
    with job.run(args) as run:
        from gcamccl.activation import means, verdicts
        from gcamccl.workflow.files import write_tsv

        shards = means.read_shards(args.activation)
        run.reads(*(path for shard in shards for path in means.shard_files(shard)))
        maps, checks = means.read_means(shards, run.say) if run.settings["checks"] else means.unchecked()
        write_tsv(run.path("checks.tsv"), verdicts.table(maps, checks, run.settings["max_shared"]))
        write_tsv(run.path("curves.tsv"), verdicts.summarise(checks))


if __name__ == "__main__":
    main()
