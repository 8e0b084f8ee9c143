"""Validate, harmonise and merge SNP arrays, then quality control with PLINK in the paper's order."""

from gcamccl.workflow import job


def main():
    """Read arguments, do the work, write the results."""
    parser = job.parser(
        "genotype_qc",
        __doc__,
        "python workflow/scripts/genotype_qc.py --genotypes hh610 omni --participants people.tsv --out DIR",
    )
    parser.add_argument(
        "--genotypes", nargs="+", required=True, metavar="PREFIX", help="PLINK filesets; the first sets ids and strand"
    )
    parser.add_argument("--participants", metavar="TSV", help="keep only these people (column genotype_id)")
    args = parser.parse_args()
    job.limit_threads(1)  # PLINK's linear algebra looks at nothing else
    with job.run(args) as run:
        from gcamccl.genotype_qc import plink
        from gcamccl.genotype_qc.pipeline import prepare
        from gcamccl.workflow.files import write_large_tsv, write_tsv

        account = prepare(
            args.genotypes, run.settings, run.scratch, run.prefix("qc"), participants=args.participants, say=run.say
        )
        run.reads(*args.genotypes, *([args.participants] if args.participants else []))
        run.facts["tools"] = {name: plink.version(name, "--version") for name in (plink.PLINK, plink.PLINK2)}
        write_tsv(run.path("attrition.tsv"), account.attrition)
        write_tsv(run.path("dropped.tsv"), account.dropped)
        write_tsv(run.path("harmonised.tsv"), account.harmonised)
        write_tsv(run.path("typed_twice.tsv"), account.twice)
        write_tsv(run.path("pca.tsv"), account.pca)
        write_tsv(run.path("eigenvalues.tsv"), account.eigenvalues)
        write_tsv(run.path("samples.tsv"), account.samples)
        write_tsv(run.path("relatedness.tsv"), account.relatedness)
        write_tsv(run.path("sex_check.tsv"), account.sex)
        write_tsv(run.path("hwe_summary.tsv"), account.hwe_summary)
        write_tsv(run.path("notes.tsv"), account.notes)
        write_large_tsv(run.path("hwe.tsv"), account.hwe)


if __name__ == "__main__":
    main()
