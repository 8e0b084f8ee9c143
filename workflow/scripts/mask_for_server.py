"""Hide some observed calls before they are sent to an imputation server, so that what comes back can be scored.

The same calls are hidden as `impute` looks at with the same seed. Say so with impute.masked_for_server: true.
"""

from gcamccl.workflow import job


def main():
    """Read arguments, do the work, write the results."""
    parser = job.parser(
        "impute",
        __doc__,
        "python workflow/scripts/mask_for_server.py --genotypes results/latest/genotype_qc/qc --out to_server",
    )
    parser.add_argument("--genotypes", required=True, metavar="PREFIX", help="PLINK fileset of the genotype_qc stage")
    args = parser.parse_args()
    with job.run(args) as run:
        import numpy as np

        from gcamccl.genotype_qc import bed
        from gcamccl.genotype_qc.validate import read_fileset
        from gcamccl.impute.score import hide

        run.reads(args.genotypes)
        bim, fam = read_fileset(args.genotypes)
        calls = bed.read_bed(args.genotypes, len(fam), np.arange(len(bim)))
        n_hidden = 0
        for chromosome, rows in bim.groupby("chrom").indices.items():
            hidden = hide(calls[rows], run.settings["seed"], chromosome)
            calls[rows] = np.where(hidden, np.int8(bed.MISSING), calls[rows])
            n_hidden += int(hidden.sum())
        bed.write_fileset(run.prefix("masked"), calls, bim, fam)
        run.say(f"{n_hidden} observed calls hidden, seed {run.settings['seed']}")


if __name__ == "__main__":
    main()
