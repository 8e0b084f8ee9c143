"""Fill the missing calls of one chromosome; observed calls never change."""

from gcamccl.workflow import job


def main():
    """Read arguments, do the work, write the results."""
    parser = job.parser(
        "impute",
        __doc__,
        "python workflow/scripts/impute.py --genotypes qc --chromosome 22 --reference panel.vcf.gz --out DIR",
    )
    parser.add_argument("--genotypes", required=True, metavar="PREFIX", help="PLINK fileset of the genotype_qc stage")
    parser.add_argument("--chromosome", required=True, type=int, help="which autosome")
    parser.add_argument("--reference", metavar="VCF", help="phased panel of this chromosome")
    parser.add_argument("--map", metavar="MAP", help="genetic map of this chromosome, PLINK format")
    parser.add_argument("--memory-mb", type=int, default=2000, help="memory the job may use (default: 2000)")
    args = parser.parse_args()
    with job.run(args) as run:
        import numpy as np

        from gcamccl import impute
        from gcamccl.genotype_qc import bed
        from gcamccl.genotype_qc.plink import version
        from gcamccl.genotype_qc.validate import read_fileset
        from gcamccl.workflow.files import write_json, write_tsv

        run.reads(args.genotypes, *filter(None, [args.reference, args.map]))
        run.facts.update(seed=run.settings["seed"], tools={"beagle": version("beagle")})
        bim, fam = read_fileset(args.genotypes)
        rows = np.flatnonzero(bim["chrom"] == str(args.chromosome))
        bim, calls = bim.iloc[rows], bed.read_bed(args.genotypes, len(fam), rows)
        run.say(f"chromosome {args.chromosome}: {len(bim)} SNPs, {len(fam)} people, {(calls < 0).sum()} calls missing")
        panel = None
        if args.reference and run.settings["method"] == "beagle" and len(bim):
            panel = impute.read_panel(args.reference, args.chromosome)
        filled, summary, snps = impute.impute(
            calls,
            bim,
            fam,
            run.settings,
            run.scratch,
            panel=panel,
            genetic_map=args.map,
            memory_mb=args.memory_mb,
            say=run.say,
        )
        bed.write_fileset(run.prefix("imputed"), filled, bim, fam)
        write_tsv(run.path("imputed.snps.tsv"), snps)
        write_json(run.path("summary.json"), {"chromosome": args.chromosome, **summary})
        run.say(
            "share of masked calls recovered: {masked_concordance}; by mode {masked_concordance_mode}".format(**summary)
        )


if __name__ == "__main__":
    main()
