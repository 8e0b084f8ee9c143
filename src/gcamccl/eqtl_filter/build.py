"""Whether the study's positions are GRCh37, the build of gene bodies and of GTEx's lookup table."""

from gcamccl.workflow.errors import InputError

MIN_SNPS = 5  # SNPs with an rsID of a placed variant; fewer tell nothing
MAX_MOVED = 0.5  # share of them at another position; single rsIDs do move between dbSNP releases


def check_build(snps, variants, bims):
    """Compare positions of the study with GTEx's GRCh37 positions of the same rsIDs.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom (text), pos, file (number of its ``.bim``).
    variants : DataFrame
        From `gtex.look_up`: rs_ids, chrom, pos; those without a GRCh37 place do not count.
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
        "lift the genotypes over to GRCh37 (hg19) first, and check that the lookup table is GTEx's own",
    )
