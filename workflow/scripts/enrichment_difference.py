"""Gene sets that the genes of one group favour over those of the other: Fisher's exact test, BH over all sets."""

from pathlib import Path

from gcamccl.enrichment import options
from gcamccl.workflow import job


def main():
    parser = job.parser(
        "enrichment",
        __doc__,
        "python workflow/scripts/enrichment_difference.py --low genes_low.txt --high genes_high.txt"
        " --gene-sets kegg.gmt reactome.gmt --out DIR",
    )
    for group in ("low", "high"):
        parser.add_argument(f"--{group}", type=Path, required=True, metavar="FILE", help=f"genes of the {group} group")
    options.add_to(parser)
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.enrichment import gmt
        from gcamccl.enrichment.difference import difference_table
        from gcamccl.workflow.errors import InputError
        from gcamccl.workflow.files import write_tsv

        if not args.gene_sets:
            raise InputError("study.gene_sets", "no gene-set files", "name at least one GMT file")
        updates, files = gmt.read_all_updates(args.symbol_updates)
        run.reads(args.low, args.high, *args.gene_sets, *files)
        low, high = (gmt.read_genes(path, updates) for path in (args.low, args.high))
        sets = gmt.read_gene_sets(args.gene_sets, updates)
        table = difference_table(low, high, sets, run.settings["min_set_size"], run.settings["max_set_size"])
        run.say(f"{len(low - high)} genes of low alone, {len(high - low)} of high alone, {len(low & high)} of both")
        run.say(f"{len(table)} sets have one of them, {int((table['q'].astype(float) < 0.05).sum())} with q < 0.05")
        write_tsv(run.path("difference.tsv"), table)


if __name__ == "__main__":
    main()
