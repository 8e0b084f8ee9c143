"""Asks Enrichr's web service about a list of genes, which leaves the machine. Not part of the workflow."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "enrichment",
        __doc__,
        "python workflow/scripts/enrichment_enrichr.py --genes genes_high.txt --libraries KEGG_2021_Human --out DIR",
    )
    parser.add_argument("--genes", type=Path, required=True, metavar="FILE", help="selected genes, one symbol a line")
    parser.add_argument("--libraries", nargs="+", required=True, metavar="NAME", help="as on Enrichr's page")
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.enrichment import gmt
        from gcamccl.enrichment.online import enrichr
        from gcamccl.workflow.files import write_tsv

        run.reads(args.genes)
        genes = gmt.read_genes(args.genes, gmt.read_updates())
        run.say(f"sending {len(genes)} genes to Enrichr")
        table = enrichr(genes, args.libraries)
        run.say(f"{len(table)} sets hold one of them; q is over these alone, p against all genes of Enrichr")
        write_tsv(run.path("enrichr.tsv"), table)


if __name__ == "__main__":
    main()
