"""GTEx: variants that are eQTLs in every tissue, and each tissue's most expressed genes.

Files are read by column name, so that releases v7 (GRCh37 ids), v8 and v10 (GRCh38 ids; v10 Parquet) all do.
"""

import gzip
import re
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from gcamccl.workflow.errors import InputError

MEMORY = "1500MB"
PAIR_COLUMNS = ("variant_id", "gene_id", "pval_nominal")
MITOCHONDRIAL = "MT-"  # symbols of the 37 genes of the mitochondrial genome


def find_pairs_files(folder, tissues):
    """File of significant variant-gene pairs of each tissue.

    Parameters
    ----------
    folder : str or Path
    tissues : list of str
        As in the names of GTEx's files: ``<tissue>.<release>.signif_variant_gene_pairs.txt.gz`` (v7, v8) or
        ``<tissue>.<release>.eQTLs.signif_pairs.parquet`` (v10).

    Returns
    -------
    dict of str to Path

    Raises
    ------
    InputError
        Names the tissues that have no file, or several.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "no such folder")
    files = {tissue: sorted(folder.glob(f"{tissue}.*signif*pairs*")) for tissue in tissues}
    absent = [tissue for tissue, found in files.items() if not found]
    if absent:
        raise InputError(
            folder,
            f"no file of significant pairs for {', '.join(absent)}",
            "expected <tissue>.v8.signif_variant_gene_pairs.txt.gz; or take the tissue out of eqtl_filter.tissues",
        )
    several = [tissue for tissue, found in files.items() if len(found) > 1]
    if several:
        raise InputError(folder, f"several files for {', '.join(several)}", "keep those of one release")
    return {tissue: found[0] for tissue, found in files.items()}


def _connect():
    connection = duckdb.connect()
    connection.execute(f"SET threads = 1; SET memory_limit = '{MEMORY}'")
    return connection


def _scan(path):
    """SQL that reads a Parquet or tab-separated file, every column as text in the latter."""
    name = str(path).replace("'", "''")
    if str(path).endswith(".parquet"):
        return f"read_parquet('{name}')"
    return f"read_csv('{name}', delim = '\t', header = true, all_varchar = true, quote = '')"


def _columns(connection, path):
    """Names of a table's columns."""
    try:
        return [row[0] for row in connection.sql(f"FROM {_scan(path)}").limit(0).description]
    except duckdb.Error as error:
        raise InputError(path, f"cannot be read: {str(error).splitlines()[0]}") from None


def _query(connection, path, sql):
    """Run a query on a file; a damaged file is an InputError."""
    try:
        return connection.execute(sql)
    except duckdb.Error as error:
        raise InputError(path, f"cannot be read: {str(error).splitlines()[0]}") from None


def variants_in_all_tissues(files, max_p, same_gene=False, say=print):
    """Variants with a nominal eQTL p below `max_p` in every tissue (paper, section III-B).

    Parameters
    ----------
    files : dict of str to Path
        From `find_pairs_files`.
    max_p : float
    same_gene : bool
        Whether it must be for the same gene everywhere, rather than for some gene.

    Returns
    -------
    list of str
        GTEx variant ids, sorted.

    Raises
    ------
    InputError
        A file lacks a column or cannot be read.
    """
    what = "variant_id, gene_id" if same_gene else "variant_id"
    connection = _connect()
    left = None
    for tissue, path in files.items():
        missing = [column for column in PAIR_COLUMNS if column not in _columns(connection, path)]
        if missing:
            raise InputError(path, f"no column {', '.join(missing)}", "use GTEx's own file of significant pairs")
        found = (
            f"SELECT DISTINCT {what} FROM {_scan(path)} "  # noqa: S608 - a path and fixed names
            f"WHERE CAST(pval_nominal AS DOUBLE) < {float(max_p)!r}"
        )
        if left is None:
            _query(connection, path, f"CREATE TABLE survivors AS {found}")
        else:
            _query(connection, path, f"CREATE TABLE found AS {found}")
            connection.execute("CREATE TABLE common AS FROM survivors INTERSECT FROM found")
            connection.execute("DROP TABLE survivors; DROP TABLE found; ALTER TABLE common RENAME TO survivors")
        left = connection.execute("SELECT count(DISTINCT variant_id) FROM survivors").fetchone()[0]
        say(f"{tissue}: {left} variants are eQTLs up to here")
    rows = connection.execute("SELECT DISTINCT variant_id FROM survivors ORDER BY variant_id").fetchall()
    return [row[0] for row in rows]


def look_up(variant_ids, lookup=None, say=print):
    """rsIDs and GRCh37 places of GTEx variants.

    A place is taken only from an id that ends in ``_b37``; variants without one can be matched by rsID only.

    Parameters
    ----------
    variant_ids : list of str
        ``chr1_64764_C_T_b38`` or ``1_64764_C_T_b37``.
    lookup : str or Path, optional
        GTEx's lookup table; it is read once, in a stream. Not needed for GRCh37 ids.
    say : callable
        Told how many variants have no GRCh37 place.

    Returns
    -------
    DataFrame
        variant_id, rs_ids (list of str), chrom (text or None), pos (GRCh37; -1 where unknown), ref, alt.

    Raises
    ------
    InputError
        The table lacks a column, or ids are GRCh38 and there is no table.
    """
    table = pd.DataFrame({"variant_id": variant_ids}, dtype=object)
    if lookup is None:
        if any(not name.endswith("_b37") for name in variant_ids):
            raise InputError(
                "study.gtex_lookup",
                f"missing, and GTEx's variant ids are not GRCh37: {variant_ids[0]}",
                "name the table",
            )
        table["rs"], table["b37"] = "", table["variant_id"]
    else:
        connection = _connect()
        columns = _columns(connection, lookup)
        rs = next((column for column in columns if column.startswith("rs_id_dbSNP")), None)
        if "variant_id" not in columns or rs is None:
            raise InputError(lookup, "no column variant_id or rs_id_dbSNP...", f"found {', '.join(columns)}")
        b37 = "l.variant_id_b37" if "variant_id_b37" in columns else "l.variant_id"
        connection.register("wanted", table)
        found = _query(
            connection,
            lookup,
            f"SELECT l.variant_id, l.{rs} AS rs, {b37} AS b37 FROM {_scan(lookup)} l "  # noqa: S608
            "SEMI JOIN wanted ON l.variant_id = wanted.variant_id",
        ).df()
        table = table.merge(found.drop_duplicates("variant_id"), on="variant_id", how="left")
    table["rs_ids"] = [re.findall(r"rs\d+", text) if isinstance(text, str) else [] for text in table["rs"]]
    places = [_parse(text, "b37") for text in table["b37"]]
    unplaced = sum(place is None for place in places)
    if unplaced:
        source = lookup or "their ids"
        say(f"{unplaced} of {len(table)} GTEx variants have no GRCh37 position in {source}: matched by rsID only")
    own = [_parse(text) for text in table["variant_id"]]
    table["chrom"] = [place[0] if place else None for place in places]
    table["pos"] = [place[1] if place else -1 for place in places]
    # Without a GRCh37 place the alleles of the id itself serve to check a match by rsID.
    table["ref"] = [(place or other or (None,) * 4)[2] for place, other in zip(places, own, strict=True)]
    table["alt"] = [(place or other or (None,) * 4)[3] for place, other in zip(places, own, strict=True)]
    return table[["variant_id", "rs_ids", "chrom", "pos", "ref", "alt"]]


def _parse(text, build="b3[78]"):
    """(chrom, pos, ref, alt) of a GTEx variant id of this genome build (a pattern), or None."""
    if not isinstance(text, str):
        return None
    found = re.fullmatch(rf"(?:chr)?(\w+?)_(\d+)_([ACGT]+)_([ACGT]+)_{build}", text)
    return (found[1], int(found[2]), found[3], found[4]) if found else None


def match_snps(snps, variants):
    """Which SNPs of the study are these variants: same rsID or same GRCh37 position, and the same alleles.

    Parameters
    ----------
    snps : DataFrame
        snp_id, chrom, pos, a1, a2.
    variants : DataFrame
        From `look_up`.

    Returns
    -------
    bool array (SNPs,)
        Alleles may be on either strand; one unknown (0) fits any.
    """
    by_name, by_place = {}, {}
    for row in variants.itertuples():
        for name in row.rs_ids:
            by_name.setdefault(name, []).append((row.ref, row.alt))
        if row.chrom is not None:
            by_place.setdefault((row.chrom, row.pos), []).append((row.ref, row.alt))
    flip = str.maketrans("ACGT", "TGCA")
    result = np.zeros(len(snps), bool)
    rows = zip(snps["snp_id"], snps["chrom"], snps["pos"], snps["a1"], snps["a2"], strict=True)
    for number, (name, chrom, pos, a1, a2) in enumerate(rows):
        for pair in by_name.get(name, []) + by_place.get((chrom, pos), []):
            own = {a1, a2} - {"0"}
            if own <= set(pair) or {allele.translate(flip) for allele in own} <= set(pair):
                result[number] = True
    return result


def tissue_key(name):
    """Letters and digits of a tissue's name: ``Brain - Cortex`` and ``Brain_Cortex`` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_expression(path, tissues):
    """Read GTEx's median TPM per gene (GCT).

    Returns
    -------
    DataFrame
        Index: gene symbol, unique (the highest value of a repeated one); columns: `tissues`; float64.

    Raises
    ------
    InputError
        The file is missing, not a GCT, or lacks a tissue.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, "no such file")
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as handle:
            first = handle.readline()
        if not first.startswith("#1."):
            raise InputError(path, f"line 1 is {first.strip()[:40]!r}, not #1.2", "use GTEx's gene_median_tpm.gct.gz")
        table = pd.read_csv(path, sep="\t", skiprows=2)
    except (OSError, EOFError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise InputError(path, f"cannot be read: {error}") from None
    if "Description" not in table:
        raise InputError(path, "no column Description (gene symbol)", f"found {', '.join(map(str, table.columns[:5]))}")
    columns = {tissue_key(str(column)): column for column in table.columns}
    absent = [tissue for tissue in tissues if tissue_key(tissue) not in columns]
    if absent:
        raise InputError(path, f"no column for {', '.join(absent)}", "use GTEx's median TPM by tissue")
    values = table[[columns[tissue_key(tissue)] for tissue in tissues]].astype(float)
    values.columns = list(tissues)
    return values.groupby(table["Description"].astype(str)).max()


def top_expressed(expression, number, rule="union"):
    """The most expressed genes; mitochondrial genes never count.

    Parameters
    ----------
    expression : DataFrame
        From `read_expression`.
    number : int
    rule : {"union", "mean"}
        union: of the top `number` of each tissue. mean: the top `number` by mean over the tissues.

    Returns
    -------
    list of str
        Symbols, sorted. Of equally expressed genes the first by symbol is taken.
    """
    expression = expression[~expression.index.str.upper().str.startswith(MITOCHONDRIAL)].sort_index()
    columns = [expression[tissue] for tissue in expression] if rule == "union" else [expression.mean(axis=1)]
    tops = [column.sort_values(ascending=False, kind="stable").index[:number] for column in columns]
    return sorted({symbol for top in tops for symbol in top})
