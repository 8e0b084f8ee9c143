"""Gene sets over-represented among the selected genes: hypergeometric test, two backgrounds, BH over all sets."""

from pathlib import Path

from gcamccl.workflow import job


def main():
    parser = job.parser(
        "enrichment",
        __doc__,
        "python workflow/scripts/enrichment.py --genes genes_high.txt --gene-sets kegg.gmt reactome.gmt --out high",
    )
    parser.add_argument("--genes", type=Path, required=True, metavar="FILE", help="selected genes, one symbol a line")
    parser.add_argument(
        "--gene-sets", type=Path, required=True, nargs="*", metavar="GMT", help="gene sets, .gmt or .gmt.gz"
    )
    parser.add_argument(
        "--candidates", type=Path, metavar="FILE", help="snp_gene.tsv of eqtl_filter: the genes that have a locus"
    )
    parser.add_argument("--background", choices=("union", "candidates"), help="which p to sort by; else the setting's")
    parser.add_argument(
        "--symbol-updates", type=Path, metavar="FILE", help="outdated symbols (old, new); default: the shipped table"
    )
    args = parser.parse_args()
    with job.run(args) as run:
        from gcamccl.enrichment import gmt, overrepresentation
        from gcamccl.workflow.errors import InputError
        from gcamccl.workflow.files import write_tsv

        if not args.gene_sets:
            raise InputError("study.gene_sets", "no gene-set files", "name at least one GMT file")
        updates_file = args.symbol_updates or gmt.SYMBOL_UPDATES
        run.reads(args.genes, *args.gene_sets, updates_file)
        updates = gmt.read_updates(updates_file)
        genes = gmt.read_genes(args.genes, updates)
        sets = gmt.read_gene_sets(args.gene_sets, updates)
        candidates = gmt.read_candidates(run.reads(args.candidates), updates) if args.candidates else None
        table = overrepresentation.enrichment_table(
            genes,
            sets,
            candidates,
            background=args.background or run.settings["background"],
            min_size=run.settings["min_set_size"],
            max_size=run.settings["max_set_size"],
        )
        known = set().union(*(one.genes for one in sets))
        run.say(f"{len(genes)} genes selected, {len(genes & known)} of them in {len(sets)} sets of {len(known)} genes")
        if not genes:
            run.say("no genes selected: nothing to test, the table has no rows")
        if candidates is not None and not genes <= candidates:
            run.say(f"{len(genes - candidates)} selected genes have no locus: left out of the background candidates")
        run.facts["background"] = {
            "n_genes": len(genes),
            "n_genes_in_sets": len(genes & known),
            "n_union": len(known),
            "n_candidates": None if candidates is None else len(candidates & known),
            "n_tested": int(table["p"].notna().sum()),
            "n_tested_candidates": int(table["p_candidates"].notna().sum()),
        }
        write_tsv(run.path("enrichment.tsv"), table)


if __name__ == "__main__":
    main()
