"""Gene sets over-represented among the selected genes: hypergeometric tests, BH over all sets, matched draws.

With --out FILE.tsv the table alone is written, without a folder of its own.
"""

import shutil
import tempfile
from pathlib import Path

from gcamccl.enrichment import options
from gcamccl.workflow import job


def main():
    parser = job.parser(
        "enrichment",
        __doc__,
        "python workflow/scripts/enrichment.py --genes genes_high.txt --gene-sets kegg.gmt reactome.gmt"
        " --background union --out high.tsv",
    )
    parser.add_argument("--genes", type=Path, required=True, metavar="FILE", help="selected genes, one symbol a line")
    options.add_to(parser)
    parser.add_argument(
        "--candidates", type=Path, metavar="FILE", help="snp_gene.tsv of eqtl_filter: the genes that have a locus"
    )
    parser.add_argument(
        "--background",
        metavar="WHICH",
        help="union, per_source, candidates, or a file with one symbol a line; else the setting's",
    )
    parser.add_argument("--loci", type=Path, metavar="FILE", help="ids of the selected SNPs, one a line: matched draws")
    parser.add_argument("--lengths", type=Path, metavar="FILE", help="genes.tsv of eqtl_filter, for the matched draws")
    args = parser.parse_args()
    if args.out.suffix == ".tsv":  # the table alone, without a folder of its own
        table = args.out
        table.parent.mkdir(parents=True, exist_ok=True)
        args.out = Path(tempfile.mkdtemp(prefix=f".{table.name}-", dir=table.parent))
        try:
            enrich(args)
            (args.out / "enrichment.tsv").replace(table)
        finally:
            shutil.rmtree(args.out, ignore_errors=True)
    else:
        enrich(args)


def enrich(args):
    """Read, test, write."""
    with job.run(args) as run:
        from gcamccl.enrichment import gmt
        from gcamccl.enrichment import run as stage
        from gcamccl.workflow.files import write_tsv

        background = args.background or run.settings["background"]
        updates, files = gmt.read_all_updates(args.symbol_updates)
        optional = [args.candidates, args.loci, args.lengths]
        inputs = stage.read_inputs(args.genes, args.gene_sets, updates, *optional, background)
        run.reads(args.genes, *args.gene_sets, *files, *(path for path in optional if path))
        if inputs.background == "file":
            run.reads(background)
        table, run.facts["background"] = stage.enrich(inputs, run.settings, run.say)
        write_tsv(run.path("enrichment.tsv"), table)
        write_tsv(run.path("unmatched.tsv"), gmt.unmatched(inputs.genes, inputs.sets))


if __name__ == "__main__":
    main()
