"""rsIDs and GRCh37 places of GTEx variants, and which SNPs of the study they are."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gcamccl.eqtl_filter.gene_files import chromosome
from gcamccl.eqtl_filter.streams import batches, column_names
from gcamccl.workflow.errors import InputError

COMPLEMENT = str.maketrans("ACGT", "TGCA")
# How a SNP was recognised, the surest first.
MATCHES = ("rsid+position", "rsid", "rsid_moved", "position", "position_renamed")


def look_up(variant_ids, lookup=None, say=print):
    """rsIDs and GRCh37 places of GTEx variants.

    A place is taken only from an id that ends in ``_b37``; variants without one can be matched by rsID only.

    Parameters
    ----------
    variant_ids : list of str
        ``chr1_64764_C_T_b38`` or ``1_64764_C_T_b37``.
    lookup : str or Path, optional
        GTEx's lookup table; it is read once, a batch at a time. Not needed for GRCh37 ids. Columns variant_id,
        rs_id_dbSNP..., and in v8 variant_id_b37 (in v7 variant_id itself is GRCh37).
    say : callable
        Told how many variants have no GRCh37 place.

    Returns
    -------
    DataFrame
        variant_id, rs_ids (list of str), chrom (text or None), pos (GRCh37; -1 where unknown), ref, alt.

    Raises
    ------
    InputError
        The table lacks a column, is damaged or knows none of the variants, or ids are GRCh38 and there is no table.
    """
    return look_up_also(variant_ids, (), lookup, say)[0]


def look_up_also(variant_ids, names, lookup=None, say=print):
    """As `look_up`, and in the same pass the places of the lookup table's variants with some rsIDs.

    Parameters
    ----------
    variant_ids, lookup, say
        As of `look_up`.
    names : sequence of str
        rsIDs; not looked for where there is no table or no variant.

    Returns
    -------
    variants : DataFrame
        From `look_up`.
    known : DataFrame
        The same columns: variants with one of these rsIDs and a GRCh37 place.
    """
    table, known = pd.DataFrame({"variant_id": variant_ids}, dtype=object), None
    if not variant_ids:
        table["rs"], table["b37"] = "", ""
    elif lookup is None:
        if any(not name.endswith("_b37") for name in variant_ids):
            raise InputError(
                "study.gtex_lookup",
                f"missing, and GTEx's variant ids are not GRCh37: {variant_ids[0]}",
                "name the table",
            )
        table["rs"], table["b37"] = "", table["variant_id"]
    else:
        rows = _rows(variant_ids, names, lookup)
        known = rows[rows["rs"].isin(set(names))]
        table = table.merge(rows, on="variant_id", how="left")
        absent = int(table["rs"].isna().sum())
        if absent == len(table):
            raise InputError(
                lookup,
                f"none of {len(table)} GTEx variants is in it, such as {variant_ids[0]}",
                "name the lookup table of the same GTEx release as the eQTLs",
            )
        if absent:
            say(f"WARNING: {absent} of {len(table)} GTEx variants are not in {lookup}; it may be of another release")
    variants = _placed(table)
    unplaced = int((variants["pos"] < 0).sum())
    if unplaced:
        source = lookup or "their ids"
        say(f"{unplaced} of {len(table)} GTEx variants have no GRCh37 position in {source}: matched by rsID only")
    known = _placed(table[:0] if known is None else known)
    return variants, known[known["pos"] >= 0]


def _placed(table):
    """Rows of the lookup table (variant_id, rs, b37) with rsIDs and places taken apart."""
    table = table.copy()
    table["rs_ids"] = [re.findall(r"rs\d+", text) if isinstance(text, str) else [] for text in table["rs"]]
    places = [_parse(text, "b37") for text in table["b37"]]
    own = [_parse(text) for text in table["variant_id"]]
    table["chrom"] = [place[0] if place else None for place in places]
    table["pos"] = [place[1] if place else -1 for place in places]
    # Without a GRCh37 place the alleles of the id itself serve to check a match by rsID.
    table["ref"] = [(place or other or (None,) * 4)[2] for place, other in zip(places, own, strict=True)]
    table["alt"] = [(place or other or (None,) * 4)[3] for place, other in zip(places, own, strict=True)]
    return table[["variant_id", "rs_ids", "chrom", "pos", "ref", "alt"]]


def _rows(variant_ids, names, lookup):
    """Rows of the lookup table with one of these variants or rsIDs: variant_id, rs, b37; each variant once."""
    columns = column_names(lookup)
    rs = next((column for column in columns if column.startswith("rs_id_dbSNP")), None)
    if "variant_id" not in columns or rs is None:
        raise InputError(lookup, "no column variant_id or rs_id_dbSNP...", f"found {', '.join(columns)}")
    b37 = "variant_id_b37" if "variant_id_b37" in columns else "variant_id"
    wanted, named = pa.array(variant_ids, pa.string()), pa.array(names, pa.string())
    kinds = dict.fromkeys(["variant_id", rs, b37], pa.string())
    found = [
        batch.filter(pc.or_(pc.is_in(batch["variant_id"], wanted), pc.is_in(batch[rs], named)))
        for batch in batches(lookup, kinds)
    ]
    frame = pa.Table.from_batches(found, pa.schema(kinds)).to_pandas()
    return pd.DataFrame({"variant_id": frame["variant_id"], "rs": frame[rs], "b37": frame[b37]}).drop_duplicates(
        "variant_id"
    )


def _parse(text, build="b3[78]"):
    """(chrom, pos, ref, alt) of a GTEx variant id of this genome build (a pattern), or None."""
    if not isinstance(text, str):
        return None
    found = re.fullmatch(rf"(\w+?)_(\d+)_([ACGT]+)_([ACGT]+)_{build}", text)
    return (chromosome(found[1]), int(found[2]), found[3], found[4]) if found else None


def match_snps(snps, variants, say=print):
    """Which SNPs of the study are these variants: same rsID or same GRCh37 position, and the same alleles.

    GTEx's alleles are on the reference's + strand, those of the study may be on either: alleles fit if they are the
    same or their complements. For A/T and C/G SNPs this tells nothing; they match by rsID or position alone.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom, pos, a1, a2; an unknown allele (0) fits any.
    variants : DataFrame
        From `look_up`.
    say : callable
        Told how many SNPs have other alleles, and where rsID and position disagree.

    Returns
    -------
    DataFrame
        snp_id, variant_id, match (one of `MATCHES`): ``rsid+position``, ``rsid`` (GTEx gives no GRCh37 position),
        ``rsid_moved`` (GTEx has the rsID elsewhere), ``position`` (no rsID here or there) or ``position_renamed``
        (another rsID). In the order of `snps`, the surest match of a SNP first.
    """
    snps = snps.reset_index(drop=True).assign(row=range(len(snps)))
    names = variants.explode("rs_ids").rename(columns={"rs_ids": "snp_id"}).dropna(subset="snp_id")
    by_name = snps.merge(names, on="snp_id", suffixes=("", "_gtex"))
    by_place = snps.merge(variants[variants["chrom"].notna()], on=["chrom", "pos"])
    by_name["match"] = [
        "rsid" if there is None else "rsid+position" if (here, at) == (there, place) else "rsid_moved"
        for here, at, there, place in zip(
            by_name["chrom"],
            by_name["pos"],
            by_name["chrom_gtex"].astype(object).where(by_name["chrom_gtex"].notna(), None),
            by_name["pos_gtex"],
            strict=True,
        )
    ]
    by_place["match"] = [
        "position_renamed" if name.startswith("rs") and others else "position"
        for name, others in zip(by_place["snp_id"], by_place["rs_ids"], strict=True)
    ]
    columns = ["row", "snp_id", "a1", "a2", "variant_id", "ref", "alt", "match"]
    found = pd.concat([by_name[columns], by_place[columns]], ignore_index=True)
    fits = [
        _same_alleles(*alleles) for alleles in zip(found["a1"], found["a2"], found["ref"], found["alt"], strict=True)
    ]
    found["rank"] = found["match"].map(MATCHES.index).astype(int)
    good = found[np.array(fits, bool)].sort_values(["row", "rank", "variant_id"], kind="stable")
    good = good.drop_duplicates(["row", "variant_id"])
    others = set(found["row"]) - set(good["row"])
    if others:
        shown = ", ".join(snps["snp_id"][sorted(others)[:5]])
        say(f"{len(others)} SNPs have a GTEx variant's rsID or position but other alleles, so are not it: {shown}")
    best = good.drop_duplicates("row")["match"].value_counts()
    for kind, what in (("rsid_moved", "by rsID although their positions differ"), ("position_renamed", "by position")):
        if best.get(kind, 0):
            shown = ", ".join(good.loc[good["match"] == kind, "snp_id"].drop_duplicates().iloc[:5])
            more = " and alleles although their rsIDs differ" if kind == "position_renamed" else ""
            say(f"{best[kind]} SNPs are GTEx variants {what}{more}: {shown}")
    return good[["snp_id", "variant_id", "match"]].reset_index(drop=True)


def _same_alleles(a1, a2, ref, alt):
    """Whether a SNP's alleles are a variant's, on either strand."""
    own = {a1, a2} - {"0"}
    return own <= {ref, alt} or {allele.translate(COMPLEMENT)[::-1] for allele in own} <= {ref, alt}
