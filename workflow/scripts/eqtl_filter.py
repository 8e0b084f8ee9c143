"""The loci: SNPs in gene bodies that are brain eQTLs or lie in top brain-expressed genes, and their dosages."""

from gcamccl.workflow import job


def main():
    """Read arguments, do the work, write the results."""
    parser = job.parser(
        "eqtl_filter",
        __doc__,
        "python workflow/scripts/eqtl_filter.py --genotypes chr1/imputed chr2/imputed --gene-bodies glist-hg19"
        " --gtex-eqtl GTEx_Analysis_v8_eQTL --gtex-lookup lookup.txt.gz --gtex-expression median_tpm.gct.gz --out DIR",
    )
    parser.add_argument("--genotypes", nargs="+", required=True, metavar="PREFIX", help="imputed, one a chromosome")
    parser.add_argument("--gene-bodies", required=True, metavar="FILE", help="PLINK gene list (GRCh37)")
    parser.add_argument("--gtex-eqtl", required=True, metavar="DIR", help="folder of significant variant-gene pairs")
    parser.add_argument("--gtex-lookup", metavar="FILE", help="GTEx lookup table; not needed for v7")
    parser.add_argument("--gtex-expression", required=True, metavar="FILE", help="GTEx median TPM by tissue, GCT")
    args = parser.parse_args()
    with job.run(args) as run:
        import numpy as np

        from gcamccl.eqtl_filter import gtex
        from gcamccl.eqtl_filter.loci import find_loci
        from gcamccl.workflow.files import write_tsv

        run.reads(*args.genotypes, args.gene_bodies, args.gtex_expression)
        run.reads(*gtex.find_pairs_files(args.gtex_eqtl, run.settings["tissues"]).values())
        if args.gtex_lookup:
            run.reads(args.gtex_lookup)
        loci = find_loci(
            args.genotypes,
            run.settings,
            args.gene_bodies,
            args.gtex_eqtl,
            args.gtex_expression,
            gtex_lookup=args.gtex_lookup,
            say=run.say,
        )
        np.save(run.path("dosage.npy"), loci.dosage)
        write_tsv(run.path("snps.tsv"), loci.snps)
        write_tsv(run.path("samples.tsv"), loci.samples)
        write_tsv(run.path("snp_gene.tsv"), loci.snp_gene)
        write_tsv(run.path("gene_body_snps.tsv"), loci.gene_body_snps)
        write_tsv(run.path("attrition.tsv"), loci.attrition)
        run.say(f"{len(loci.snps)} loci in {loci.snp_gene['gene'].nunique()} genes, {len(loci.samples)} people")


if __name__ == "__main__":
    main()
