"""GTEx's significant variant-gene pairs: variants that are eQTLs in every tissue.

Files are read by column name, so that releases v7 (GRCh37 ids), v8 and v10 (GRCh38 ids; v10 Parquet) all do.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gcamccl.eqtl_filter.streams import batches, column_names
from gcamccl.workflow.errors import InputError

COLUMNS = {"variant_id": pa.string(), "gene_id": pa.string(), "pval_nominal": pa.float64()}
EXPECTED = (
    "expected <tissue>.v7.signif_variant_gene_pairs.txt.gz, <tissue>.v8.signif_variant_gene_pairs.txt.gz or "
    "<tissue>.v10.eQTLs.signif_pairs.parquet; or take the tissue out of eqtl_filter.tissues"
)
FIRST_GRCH38 = 8  # release of GTEx whose variant ids are of that build
OTHER_KINDS = re.compile(r"sqtl|apaqtl", re.IGNORECASE)  # GTEx's files of splicing and polyadenylation QTLs
SEPARATOR = "\t"  # between variant and gene in a key


@dataclass(frozen=True)
class Eqtls:
    """Variants that are eQTLs in every tissue.

    Attributes
    ----------
    variants : list of str
        GTEx variant ids, sorted.
    pairs : DataFrame
        All their pairs below the limit: variant_id, gene_id, n_tissues, min_p, max_p (over those tissues).
    worst_p : dict of str to float
        By variant: the largest over tissues of the smallest p of a gene that counts.
    tissues : DataFrame
        tissue, file, n_pairs (lines), n_variants (below the limit), n_left (below it in this tissue and all before),
        n_only_here_lacking (below it in all other tissues: what leaving the tissue out would add).
    """

    variants: list
    pairs: pd.DataFrame
    worst_p: dict
    tissues: pd.DataFrame


def release(path):
    """GTEx's release from a file's name, such as ``v8``; None where it has none."""
    found = re.search(r"\.(v\d+[a-z]?\d*)\.", Path(path).name)
    return found and found[1]


def require_lookup(files, lookup):
    """Check, by the files' names, that there is a lookup table where ids are GRCh38.

    Parameters
    ----------
    files : dict of str to Path
        `find_pairs_files`.
    lookup : str or None
        ``study.gtex_lookup``.

    Raises
    ------
    InputError
        Release 8 or later and no table.
    """
    for path in files.values():
        number = re.match(r"v(\d+)", release(path) or "")
        if number and int(number[1]) >= FIRST_GRCH38 and not lookup:
            raise InputError("study.gtex_lookup", f"missing, and {path.name} has GRCh38 ids", "name the lookup table")


def find_pairs_files(folder, tissues):
    """File of significant variant-gene pairs of each tissue.

    Parameters
    ----------
    folder : str or Path
    tissues : list of str
        As in the names of GTEx's files: ``<tissue>.<release>.signif_variant_gene_pairs.txt.gz`` (v7, v8) or
        ``<tissue>.<release>.eQTLs.signif_pairs.parquet`` (v10). Files of other QTLs do not count.

    Returns
    -------
    dict of str to Path

    Raises
    ------
    InputError
        Names the tissues that have no file, or several, or the releases that are mixed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "no such folder")
    everything = [
        path
        for path in sorted(folder.iterdir())
        if re.search(r"signif.*pairs", path.name, re.IGNORECASE) and not OTHER_KINDS.search(path.name)
    ]
    files = {tissue: [path for path in everything if path.name.startswith(f"{tissue}.")] for tissue in tissues}
    absent = [tissue for tissue, found in files.items() if not found]
    if absent:
        raise InputError(folder, f"no file of significant pairs for {', '.join(absent)}", EXPECTED)
    several = [tissue for tissue, found in files.items() if len(found) > 1]
    if several:
        names = ", ".join(path.name for path in files[several[0]])
        more = f" and {len(several) - 1} other tissues" if len(several) > 1 else ""
        raise InputError(folder, f"several files for {several[0]}{more}: {names}", "keep those of one release")
    chosen = {tissue: found[0] for tissue, found in files.items()}
    releases = {release(path): path.name for path in chosen.values()}
    if len(releases) > 1:
        raise InputError(
            folder, f"files of several GTEx releases: {', '.join(releases.values())}", "keep those of one release"
        )
    return chosen


def eqtls_in_all_tissues(files, max_p, same_gene=False, say=print):
    """Variants with a nominal eQTL p below `max_p` in every tissue (paper, section III-B).

    Parameters
    ----------
    files : dict of str to Path
        From `find_pairs_files`; each is read once, a batch at a time.
    max_p : float
    same_gene : bool
        Whether it must be for the same gene everywhere, rather than for some gene.
    say : callable

    Returns
    -------
    Eqtls

    Raises
    ------
    InputError
        A file lacks a column, is damaged, holds a p that is none, or is of another release than the others.
    """
    left = lacking = evidence = build = None
    rows = []
    for number, (tissue, path) in enumerate(files.items()):
        found, n_pairs, own_build = _read_tissue(path, max_p)
        build = build or own_build
        if own_build and own_build != build:
            raise InputError(
                path, f"variant ids end in {own_build}, those of the other tissues in {build}", "use one GTEx release"
            )
        keys = pc.unique(_keys(found, same_gene))
        left, lacking = _next(left, lacking, keys, number)
        alive = _variants(left, same_gene)
        found = found.append_column("tissue", pa.array(np.full(len(found), number, np.int16)))
        evidence = found if evidence is None else pa.concat_tables([evidence, found])
        evidence = evidence.filter(pc.is_in(evidence["variant_id"], alive))
        rows.append((tissue, Path(path).name, n_pairs, pc.count_distinct(found["variant_id"]).as_py(), len(alive)))
        say(f"{tissue}: {rows[-1][3]} of its variants have p < {max_p:g}; {len(alive)} are left")
    tissues = pd.DataFrame(rows, columns=["tissue", "file", "n_pairs", "n_variants", "n_left"])
    tissues["n_only_here_lacking"] = _only_here(lacking, alive, same_gene, len(tissues))
    if not len(alive):
        most = tissues.loc[tissues["n_only_here_lacking"].idxmax()]
        say(
            f"WARNING: no variant has p < {max_p:g} in all {len(tissues)} tissues; without {most['tissue']}, which has "
            f"{most['n_variants']}, {most['n_only_here_lacking']} would be left (eqtl_tissues.tsv)"
        )
    pairs, worst = _summary(evidence, same_gene, len(tissues))
    return Eqtls(sorted(alive.to_pylist()), pairs, worst, tissues)


def _read_tissue(path, max_p):
    """Pairs below `max_p` (table: variant_id, gene_id, pval_nominal), the number of all pairs, the build of the ids."""
    names = column_names(path)
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", "use GTEx's own file of significant pairs")
    kept, n_rows, build = [], 0, None
    for batch in batches(path, COLUMNS):
        p = batch["pval_nominal"]
        # A comparison with null or NaN is not true: what is no p-value must not pass for one that is too large.
        good = pc.fill_null(pc.and_(pc.greater_equal(p, 0), pc.less_equal(p, 1)), False)
        if not pc.all(good).as_py() and len(batch):
            row = pc.index(good, False).as_py()
            raise InputError(
                path,
                f"pair {n_rows + row + 1}, of {batch['variant_id'][row]}: pval_nominal is {p[row]}, not within 0 to 1",
                "use GTEx's own file of significant pairs",
            )
        if build is None and len(batch):
            build = batch["variant_id"][0].as_py().rpartition("_")[2]
        n_rows += len(batch)
        kept.append(batch.filter(pc.less(p, max_p)))
    if not n_rows:
        raise InputError(path, "no pairs in it", "get the file again")
    return pa.Table.from_batches(kept), n_rows, build


def _keys(table, same_gene):
    """What must be found in every tissue: variants, or variant and gene."""
    if not same_gene:
        return table["variant_id"].combine_chunks()
    return pc.binary_join_element_wise(table["variant_id"], table["gene_id"], SEPARATOR).combine_chunks()


def _variants(keys, same_gene):
    """The variants of some keys, each once."""
    if not same_gene:
        return keys
    return pc.unique(pc.list_element(pc.split_pattern(keys, SEPARATOR), 0)) if len(keys) else keys


def _next(left, lacking, keys, number):
    """Take in one more tissue.

    Parameters
    ----------
    left : pyarrow.Array or None
        Keys found in all tissues before.
    lacking : pyarrow.Table or None
        key, tissue: keys found in all tissues before but one, and that one's number.
    keys : pyarrow.Array
        Keys found in this one, each once.
    number : int

    Returns
    -------
    left, lacking
        With this tissue.
    """
    if left is None:
        return keys, None
    here = pc.is_in(left, keys)
    gone = left.filter(pc.invert(here))
    parts = [_lacking(gone, number)]
    if number == 1:
        parts.append(_lacking(keys.filter(pc.invert(pc.is_in(keys, left))), 0))
    else:
        parts.append(lacking.filter(pc.is_in(lacking["key"], keys)))
    return left.filter(here), pa.concat_tables(parts)


def _lacking(keys, number):
    return pa.table({"key": keys, "tissue": np.full(len(keys), number, np.int16)})


def _only_here(lacking, alive, same_gene, n_tissues):
    """Variants that each tissue alone rules out, int64 (tissues,)."""
    counts = np.zeros(n_tissues, np.int64)
    if lacking is None:
        return counts
    for number in range(n_tissues):
        keys = lacking.filter(pc.equal(lacking["tissue"], number))["key"].combine_chunks()
        variants = _variants(keys, same_gene)
        counts[number] = len(variants) - pc.sum(pc.is_in(variants, alive)).as_py() if len(variants) else 0
    return counts


def _summary(evidence, same_gene, n_tissues):
    """`Eqtls.pairs` and `Eqtls.worst_p` from the pairs of the variants that are left."""
    table = evidence.to_pandas()
    groups = table.groupby(["variant_id", "gene_id"], sort=True)
    pairs = groups.agg(
        n_tissues=("tissue", "nunique"), min_p=("pval_nominal", "min"), max_p=("pval_nominal", "max")
    ).reset_index()
    if same_gene:
        worst = pairs[pairs["n_tissues"] == n_tissues].groupby("variant_id")["max_p"].min()
    else:
        worst = table.groupby(["variant_id", "tissue"])["pval_nominal"].min().groupby("variant_id").max()
    return pairs, worst.to_dict()
