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
    parser.add_argument("--chromosome", required=True, type=int, choices=range(1, 23), metavar="1...22", help="which")
    parser.add_argument("--reference", metavar="VCF", help="phased panel of this chromosome; for minimac4 also .msav")
    parser.add_argument("--map", metavar="MAP", help="genetic map of this chromosome: PLINK, SHAPEIT or Eagle format")
    parser.add_argument("--imputed", metavar="VCF", help="an imputation server's file of this chromosome")
    parser.add_argument("--memory-mb", type=int, default=2000, help="memory the job may use (default: 2000)")
    parser.add_argument("--threads", type=job.positive_integer, default=1, help="threads the job may use (default: 1)")
    parser.add_argument("--limit-minutes", type=float, help="longest time a program it runs may take (default: none)")
    args = parser.parse_args()
    with job.run(args) as run:
        job.limit_threads(args.threads)
        import numpy as np

        from gcamccl import impute
        from gcamccl.genotype_qc import bed
        from gcamccl.genotype_qc.validate import read_fileset
        from gcamccl.workflow.files import write_json, write_tsv

        run.reads(args.genotypes, *filter(None, [args.reference, args.map, args.imputed]))
        run.facts.update(seed=run.settings["seed"], tools=impute.versions(run.settings))
        bim, fam = read_fileset(args.genotypes)
        rows = np.flatnonzero(bim["chrom"] == str(args.chromosome))
        study = impute.Study(args.chromosome, bed.read_bed(args.genotypes, len(fam), rows), bim.iloc[rows], fam)
        missing = int((study.calls < 0).sum())
        run.say(f"chromosome {args.chromosome}: {len(rows)} SNPs, {len(fam)} people, {missing} calls missing")
        if not len(rows):
            there = ", ".join(sorted(set(bim["chrom"]), key=int)) or "no SNP at all"
            run.say(
                f"WARNING: {args.genotypes}.bim has no SNP of chromosome {args.chromosome} ({there}): nothing to fill"
            )
        result = impute.impute(
            study,
            run.settings,
            run.scratch,
            reference=args.reference,
            genetic_map=args.map,
            imputed=args.imputed,
            memory_mb=args.memory_mb,
            threads=args.threads,
            say=run.say,
            limit_s=args.limit_minutes and 60 * args.limit_minutes,
        )
        bed.write_fileset(run.prefix("imputed"), result.calls, study.bim, fam)
        np.savez_compressed(run.path("imputed.dosage.npz"), row=result.row, person=result.person, dosage=result.dosage)
        write_tsv(run.path("imputed.snps.tsv"), result.snps)
        write_tsv(run.path("concordance.tsv"), result.concordance)
        write_json(run.path("summary.json"), {"chromosome": args.chromosome, **result.summary})
        run.say(impute.in_words(result.summary))


if __name__ == "__main__":
    main()
