"""Select connections, SNPs and genes: the paper's rule, a calibrated selection, univariate tests, permuted labels."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "threshold",
        __doc__,
        "python workflow/scripts/threshold.py --cohort DIR --connectivity DIR --loci DIR --activation DIR --out DIR",
    )
    parser.add_argument("--cohort", type=Path, required=True, metavar="DIR", help="artifact of cohort")
    parser.add_argument("--connectivity", type=Path, metavar="DIR", help="artifact of connectivity; none: no scans")
    parser.add_argument("--loci", type=Path, metavar="DIR", help="artifact of eqtl_filter; none: no genotypes")
    parser.add_argument(
        "--activation", type=Path, required=True, nargs="+", metavar="DIR", help="artifact of activation, or its shards"
    )
    parser.add_argument(
        "--nominations", type=Path, nargs="+", metavar="DIR", help="shards halvings-*; none: no calibrated selection"
    )
    parser.add_argument(
        "--permutations",
        type=int,
        default=0,
        metavar="P",
        help="label permutations of the halvings (default: 0)",
    )
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.cohort_files import for_confirmation
        from gcamccl.threshold import maps
        from gcamccl.threshold.calibrated import Halves, read_nominations, shard_files
        from gcamccl.threshold.run import input_files, read_inputs
        from gcamccl.threshold.run import run as select
        from gcamccl.threshold.tables import worth_showing
        from gcamccl.workflow.files import write_text, write_tsv

        inputs = read_inputs(args.cohort, args.connectivity, args.loci)
        run.reads(*input_files(args.cohort, args.connectivity, args.loci))
        shards = maps.read_shards(args.activation)
        tables = ["people.parquet", *(["peaks.parquet"] if run.settings["rule_maximum"] == "class" else [])]
        run.reads(*(shard.file.with_name(name) for shard in shards for name in [shard.file.name, *tables]))
        run.say(f"{sum(len(shard.labels) for shard in shards)} replicates in {len(shards)} shards")
        halves = None
        if args.nominations:
            run.reads(args.cohort / "halvings.npy", *shard_files(args.nominations))
            cohort = for_confirmation(args.cohort, inputs.cohort, args.permutations)
            halves = Halves(cohort, read_nominations(args.nominations, len(cohort.labels)))
        found = select(inputs, shards, run.settings, halves, run.say)
        of_maps = ~found["summary"]["method"].str.startswith("calibrated")
        for row in found["summary"][of_maps].to_dict("records"):
            run.say(
                "{method} {view} {class}: {n_selected} of {n_features} selected, with permuted labels"
                " {n_selected_permuted:.0f}; {n_all_zero_maps} of {n_maps} maps all zero".format(**row)
            )
        if found["edges"] is not None:
            found["edges"].to_parquet(run.path("edges_all.parquet"), index=False, compression="zstd")
            write_tsv(run.path("edges.tsv"), worth_showing(found["edges"], run.settings["fdr_q"]))
            write_tsv(run.path("network_pairs.tsv"), found["network_pairs"])
        if found["snps"] is not None:
            write_tsv(run.path("snps.tsv"), found["snps"])
            write_tsv(run.path("ld_blocks.tsv"), found["ld_blocks"])
        write_tsv(run.path("summary.tsv"), found["summary"])
        for group, genes in found["genes"].items():
            run.say(f"{len(genes)} genes selected: {group}")
            for name, lines in (("genes", genes), ("loci", found["loci"][group])):
                write_text(run.path(f"{name}_{group}.txt"), "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
