"""Whether positions of genotypes and genes are GRCh37, the build of gene bodies and of GTEx's lookup table."""

import numpy as np

from gcamccl.genotype_qc.genome_builds import LENGTHS, MAX_MOVED, STUDY_BUILD
from gcamccl.workflow.errors import InputError

# SNPs with an rsID of a placed variant; a single one may have moved. dbSNP releases disagree on far fewer than 1 %.
MIN_SNPS = 2
SAMPLE = 2000  # SNPs of the study whose place is looked up beside those of the eQTLs
LIFT_GENOTYPES = "lift the genotypes over to GRCh37 (hg19) first, and check that the lookup table is GTEx's own"
LIFT_GENES = "use gene bodies of GRCh37 (hg19), such as glist-hg19 or NCBI37.3.gene.loc"
CHROMOSOME_LENGTHS = LENGTHS[STUDY_BUILD]
# Genes whose places in hg18 and in GRCh38 do not overlap that in GRCh37: chromosome, start, end (NCBI37.3.gene.loc).
LANDMARKS = {
    "APOE": ("19", 45_409_039, 45_412_650),
    "BRCA1": ("17", 41_196_312, 41_277_500),
    "GAPDH": ("12", 6_643_585, 6_647_537),
    "HBB": ("11", 5_246_696, 5_248_301),
    "MYC": ("8", 128_748_315, 128_753_680),
    "TP53": ("17", 7_571_720, 7_590_868),
}


def check_genes(genes, path):
    """Compare gene bodies with GRCh37's chromosome lengths and with the places of `LANDMARKS`.

    Parameters
    ----------
    genes : DataFrame
        chrom, start, end, symbol.
    path : str or Path
        Their file, for the message.

    Raises
    ------
    InputError
        A gene ends beyond its chromosome, or most of the landmarks that are there lie elsewhere.
    """
    beyond = genes[genes["end"] > genes["chrom"].map(CHROMOSOME_LENGTHS).fillna(float("inf"))]
    if len(beyond):
        gene = beyond.iloc[0]
        raise InputError(
            path,
            f"{gene['symbol']} ends at {gene['chrom']}:{gene['end']}, but GRCh37's chromosome {gene['chrom']} has "
            f"{CHROMOSOME_LENGTHS[gene['chrom']]} bases: another genome build",
            LIFT_GENES,
        )
    places = {}
    for gene in genes[genes["symbol"].isin(list(LANDMARKS))].itertuples():
        chrom, start, end = LANDMARKS[gene.symbol]
        right = gene.chrom == chrom and gene.start <= end and gene.end >= start
        places.setdefault(gene.symbol, []).append((right, gene))
    moved = {name: found[0][1] for name, found in places.items() if not any(right for right, _ in found)}
    if len(moved) > len(places) / 2:
        name, gene = next(iter(moved.items()))
        chrom, start, end = LANDMARKS[name]
        raise InputError(
            path,
            f"{len(moved)} of {len(places)} well-known genes are not where GRCh37 has them, such as {name}, here "
            f"{gene.chrom}:{gene.start}-{gene.end}, in GRCh37 {chrom}:{start}-{end}: another genome build",
            LIFT_GENES,
        )


def check_lengths(snps, bims):
    """Stop if a SNP lies beyond the end of its chromosome in GRCh37.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom (text), pos, file (number of its ``.bim``).
    bims : list of str or Path
        The study's ``.bim`` files, for the message.

    Raises
    ------
    InputError
        Names the first such SNP.
    """
    beyond = snps[snps["pos"] > snps["chrom"].map(CHROMOSOME_LENGTHS).fillna(float("inf"))]
    if len(beyond):
        snp = beyond.iloc[0]
        raise InputError(
            bims[snp["file"]],
            f"positions are not GRCh37: {len(beyond)} SNPs lie beyond the end of their chromosome, such as "
            f"{snp['snp_id']} at {snp['chrom']}:{snp['pos']}",
            LIFT_GENOTYPES,
        )


def sample_names(snps):
    """rsIDs of the study to compare, evenly over the genome: at most `SAMPLE` of `snps` (snp_id), list of str."""
    names = snps["snp_id"][snps["snp_id"].str.fullmatch(r"rs\d+")]
    return names.iloc[np.unique(np.linspace(0, len(names) - 1, SAMPLE).astype(int))].tolist() if len(names) else []


def check_build(snps, variants, bims):
    """Compare positions of the study with GTEx's GRCh37 positions of the same rsIDs.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom (text), pos, file (number of its ``.bim``).
    variants : DataFrame
        From `gcamccl.eqtl_filter.variants.look_up`: rs_ids, chrom, pos; those without a GRCh37 place do not count.
    bims : list of str or Path
        The study's ``.bim`` files, for the message.

    Raises
    ------
    InputError
        At least `MIN_SNPS` SNPs can be compared and more than `MAX_MOVED` of them lie elsewhere.
    """
    places = {}
    for row in variants.itertuples():
        if row.chrom is not None:
            for name in row.rs_ids:
                places.setdefault(name, set()).add((row.chrom, row.pos))
    known = snps[snps["snp_id"].isin(list(places))]
    rows = zip(known["snp_id"], known["chrom"], known["pos"], known["file"], strict=True)
    moved = [(name, chrom, pos, file) for name, chrom, pos, file in rows if (chrom, pos) not in places[name]]
    if len(known) < MIN_SNPS or len(moved) <= MAX_MOVED * len(known):
        return
    name, chrom, pos, file = moved[0]
    true_chrom, true_pos = min(places[name])
    raise InputError(
        bims[file],
        f"positions are not GRCh37: {len(moved)} of {len(known)} SNPs with an rsID of GTEx lie elsewhere, such as"
        f" {name}, here {chrom}:{pos}, in GRCh37 {true_chrom}:{true_pos}",
        LIFT_GENOTYPES,
    )
