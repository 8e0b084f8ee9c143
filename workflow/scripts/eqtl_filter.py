"""The loci: SNPs in gene bodies that are brain eQTLs or lie in top brain-expressed genes, and their dosages."""

from gcamccl.workflow import job

TABLES = (
    *("snps", "samples", "snp_gene", "genes", "gene_body_snps", "attrition"),
    *("eqtl", "eqtl_tissues", "top_genes"),
)


def main():
    """Read arguments, do the work, write the results."""
    parser = job.parser(
        "eqtl_filter",
        __doc__,
        "python workflow/scripts/eqtl_filter.py --genotypes chr1/imputed chr2/imputed --gene-bodies glist-hg19"
        " --gtex-eqtl GTEx_Analysis_v8_eQTL --gtex-lookup lookup.txt.gz --gtex-expression median_tpm.gct.gz --out DIR",
    )
    parser.add_argument("--genotypes", nargs="+", required=True, metavar="PREFIX", help="imputed, one a chromosome")
    parser.add_argument("--gene-bodies", required=True, metavar="FILE", help="PLINK list, MAGMA, GTF or BED")
    parser.add_argument("--gtex-eqtl", required=True, metavar="DIR", help="folder of significant variant-gene pairs")
    parser.add_argument("--gtex-lookup", metavar="FILE", help="GTEx lookup table; not needed for v7")
    parser.add_argument("--gtex-expression", required=True, metavar="FILE", help="GTEx median TPM by tissue, GCT")
    args = parser.parse_args()
    with job.run(args) as run:
        import numpy as np

        from gcamccl.eqtl_filter.loci import find_loci
        from gcamccl.eqtl_filter.pairs import find_pairs_files
        from gcamccl.genotype_qc import bed
        from gcamccl.workflow.files import write_tsv

        run.reads(*args.genotypes, args.gene_bodies, args.gtex_expression)
        extra = [bed.path(prefix, suffix) for prefix in args.genotypes for suffix in (".snps.tsv", ".dosage.npz")]
        run.reads(*(path for path in extra if path.exists()))
        run.reads(*find_pairs_files(args.gtex_eqtl, run.settings["tissues"]).values())
        if args.gtex_lookup:
            run.reads(args.gtex_lookup)
        names = ("gene_bodies", "gtex_eqtl", "gtex_expression", "gtex_lookup")
        sources = {name: getattr(args, name) for name in names}
        loci = find_loci(args.genotypes, run.settings, sources, run.prefix("loci"), run.say)
        np.save(run.path("dosage.npy"), loci.dosage)
        for name in TABLES:
            write_tsv(run.path(f"{name}.tsv"), getattr(loci, name))
        run.say(f"{len(loci.snps)} loci in {loci.snp_gene['gene'].nunique()} genes, {len(loci.samples)} people")


if __name__ == "__main__":
    main()
