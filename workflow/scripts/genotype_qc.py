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
        "--genotypes",
        nargs="+",
        required=True,
        metavar="ARRAY",
        help="prefixes of PLINK 1 or 2 filesets, VCF or BCF files; {chrom} stands for each of --chromosomes; the first"
        " sets ids and strand",
    )
    parser.add_argument(
        "--chromosomes", nargs="+", type=int, default=range(1, 23), metavar="N", help="default: 1 to 22"
    )
    parser.add_argument("--participants", metavar="TSV", help="keep only these people (column genotype_id)")
    parser.add_argument(
        "--known-positions",
        metavar="FILE",
        help="VCF, BCF, .bim or TSV (id, chrom, pos) with GRCh37 positions of rsIDs; may hold {chrom}",
    )
    parser.add_argument(
        "--reference-panel", metavar="VCF", help="compared with instead, a sample of it; may hold {chrom}"
    )
    args = parser.parse_args()
    job.limit_threads(1)  # PLINK's linear algebra looks at nothing else
    with job.run(args) as run:
        from gcamccl.genotype_qc import plink, sources
        from gcamccl.genotype_qc.pipeline import prepare
        from gcamccl.workflow.files import write_large_tsv, write_tsv

        known = sources.per_chromosome(args.known_positions, args.chromosomes)
        panel = [] if known else sources.per_chromosome(args.reference_panel, args.chromosomes)
        account = prepare(
            args.genotypes,
            run.settings,
            run.scratch,
            run.prefix("qc"),
            participants=args.participants,
            chromosomes=args.chromosomes,
            known_positions=known,
            reference_panel=panel,
            say=run.say,
        )
        run.reads(*[file for source in sources.find(args.genotypes, args.chromosomes) for file in source.files])
        run.reads(*known, *([args.participants] if args.participants else []))
        run.facts["tools"] = {
            name: plink.version(name, "--version") for name in (plink.PLINK, plink.PLINK2, "bcftools")
        }
        write_tsv(run.path("attrition.tsv"), account.attrition)
        write_tsv(run.path("dropped.tsv"), account.dropped)
        write_tsv(run.path("harmonised.tsv"), account.harmonised)
        write_tsv(run.path("strand.tsv"), account.strand)
        write_tsv(run.path("typed_twice.tsv"), account.twice)
        write_tsv(run.path("pca.tsv"), account.pca)
        write_tsv(run.path("positions.tsv"), account.positions)
        write_tsv(run.path("people_matching.tsv"), account.matching)
        write_tsv(run.path("eigenvalues.tsv"), account.eigenvalues)
        write_tsv(run.path("samples.tsv"), account.samples)
        write_tsv(run.path("relatedness.tsv"), account.relatedness)
        write_tsv(run.path("sex_check.tsv"), account.sex)
        write_tsv(run.path("hwe_summary.tsv"), account.hwe_summary)
        write_tsv(run.path("notes.tsv"), account.notes)
        write_large_tsv(run.path("hwe.tsv"), account.hwe)


if __name__ == "__main__":
    main()
