"""Known positions of an array's rsIDs: from a table, a .bim or a VCF, or a sample of a large reference panel."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.genotype_qc import bed
from gcamccl.genotype_qc.plink import ToolError, lines, run
from gcamccl.genotype_qc.sources import VCF
from gcamccl.genotype_qc.validate import chromosome_names
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

COLUMNS = ["id", "chrom", "pos"]
SAMPLED = 100  # SNPs of each array and chromosome that are looked up in a panel
MIN_CONFIRMED = 0.5  # share of them found at their place; fewer: a chromosome is read in full
FIRST_RECORDS = 200_000  # of a panel without an index
PEEK = 1000  # records that tell whether a VCF has rsIDs at all
MSAV = ".msav"  # a panel compressed by minimac4
QUERY = "%CHROM\t%POS\t%ID\n"


def with_rs(bim):
    """Rows of a ``.bim`` that can be compared by id: placed, with an rsID that occurs once."""
    rs = bim["id"].str.match(r"rs\d") & (bim["pos"] > 0) & (bim["chrom"] != "0")
    return bim[rs & ~bim["id"].duplicated(keep=False)]


def read_known(files, bims, scratch, say=print):
    """Positions of the arrays' rsIDs in files that are read in full.

    Parameters
    ----------
    files : list of Path
        VCF or BCF; ``.bim``; or TSV with columns id, chrom, pos.
    bims : list of DataFrame
    scratch : Path
    say : callable

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, one row a place; chrom in PLINK's numbers, text.

    Raises
    ------
    InputError
        A file cannot be read or lacks a column.
    """
    wanted = set().union(*(with_rs(bim)["id"] for bim in bims))
    tables = []
    for file in map(Path, files):
        if file.name.lower().endswith(VCF):
            tables.append(_scan(file, wanted, scratch))
        elif file.suffix == ".bim":
            tables.append(bed.read_bim(str(file)[: -len(".bim")])[COLUMNS])
        else:
            tables.append(read_tsv(file, columns=COLUMNS, dtype={"id": str, "chrom": str})[COLUMNS])
    table = pd.concat(tables, ignore_index=True)
    table = table[table["id"].isin(wanted)]
    position = pd.to_numeric(table["pos"], errors="coerce")
    if position.isna().any():
        raise InputError(files[0], f"position {table['pos'][position.isna()].iloc[0]!r} is not a number")
    return table.assign(chrom=chromosome_names(table["chrom"]), pos=position.astype(np.int64)).drop_duplicates()


def sample_panel(files, bims, scratch, say=print):
    """Positions of some of the arrays' rsIDs in a reference panel, without reading all of it.

    `SAMPLED` SNPs of each array and chromosome are looked up at their place through the panel's index. If fewer than
    `MIN_CONFIRMED` of an array's are there, one chromosome, the smallest, is read for the ids, wherever they are. Of a
    panel without an index the first `FIRST_RECORDS` records of each file are read.

    Parameters
    ----------
    files : list of Path
    bims : list of DataFrame
    scratch : Path
    say : callable

    Returns
    -------
    DataFrame
        As `read_known`; empty where the panel has no rsIDs.
    """
    bims = [with_rs(bim) for bim in bims]
    tables, indexed = [_table([])], []
    for file in map(Path, files):
        if file.name.endswith(MSAV):
            say(f"{file.name}: only minimac4 reads it; positions are not compared with it (study.known_positions can)")
            continue
        peeked = _table(itertools.islice(_query(file), PEEK))
        if not peeked["id"].str.match(r"rs\d").any():
            say(f"{file.name}: no rsIDs in it; positions are not compared with it")
        elif (names := _contigs(file)) is None:
            say(f"{file.name}: no index (bcftools index); its first {FIRST_RECORDS} records are compared")
            tables.append(_table(itertools.islice(_query(file), FIRST_RECORDS)))
        else:
            indexed.append((file, names))
    asked = [[] for _ in bims]
    for file, names in indexed:
        for number, bim in enumerate(bims):
            here = bim[bim["chrom"].isin(names["chrom"])]
            for _, rows in here.groupby("chrom"):
                asked[number].append(rows.iloc[np.unique(np.linspace(0, len(rows) - 1, SAMPLED).astype(int))])
        places = pd.concat([table for tables_ in asked for table in tables_] or [pd.DataFrame(columns=bed.BIM)])
        places = places[places["chrom"].isin(names["chrom"])].drop_duplicates(["chrom", "pos"])
        if len(places):
            tables.append(_look_up(file, places, names, scratch))
    known = pd.concat(tables, ignore_index=True)
    for bim, parts in zip(bims, asked, strict=True):
        mine = pd.concat(parts) if parts else bim.iloc[:0]
        there = mine.merge(known, on=COLUMNS)
        if len(mine) and there["id"].nunique() < MIN_CONFIRMED * len(mine):
            file, chrom = _smallest(indexed, set(mine["chrom"]))
            ids = set(bim["id"][bim["chrom"] == chrom["chrom"]])
            say(
                f"{file.name}: only {there['id'].nunique()} of {len(mine)} SNPs looked up are at their place; its"
                f" chromosome {chrom['chrom']} is read in full"
            )
            known = pd.concat([known, _scan(file, ids, scratch, chrom["name"])], ignore_index=True)
    wanted = set().union(*(bim["id"] for bim in bims))
    return known[known["id"].isin(wanted)].drop_duplicates()


def _smallest(indexed, chromosomes):
    """File and contig, of some chromosomes, with the fewest records; the smallest of several files."""
    have = [(file, names[names["chrom"].isin(chromosomes)]) for file, names in indexed]
    file, names = min([item for item in have if len(item[1])], key=lambda item: item[0].stat().st_size)
    return file, names.sort_values("records").iloc[0]


def _table(rows):
    """Lines of `QUERY` as a table; of several ids of a record each counts."""
    table = pd.DataFrame([row.split("\t") for row in rows], columns=["chrom", "pos", "id"])
    table = table.assign(id=table["id"].str.split(";")).explode("id", ignore_index=True)
    return table.assign(chrom=chromosome_names(table["chrom"].astype(str)), pos=table["pos"].astype(np.int64))[COLUMNS]


def _query(file, *options):
    """Lines of `QUERY` of a VCF."""
    try:
        yield from lines(["bcftools", "query", *options, "-f", QUERY, file])
    except ToolError as error:
        raise InputError(file, f"not a readable VCF: {error}") from None


def _contigs(file):
    """Contigs of an indexed VCF: DataFrame name, records, chrom; None without an index."""
    try:
        text = run(["bcftools", "index", "--stats", file])
    except ToolError:
        return None
    rows = [line.split("\t") for line in text.splitlines() if line.count("\t") == 2]
    table = pd.DataFrame(rows, columns=["name", "length", "records"])
    table["records"] = pd.to_numeric(table["records"], errors="coerce").fillna(0)
    return table.assign(chrom=chromosome_names(table["name"]))


def _look_up(file, places, names, scratch):
    """Records at some places, through the index."""
    contig = dict(zip(names["chrom"], names["name"], strict=True))
    regions = Path(scratch) / "regions.tsv"
    places = places.assign(order=places["chrom"].astype(int)).sort_values(["order", "pos"])
    rows = zip(places["chrom"], places["pos"], strict=True)
    regions.write_text("".join(f"{contig[chrom]}\t{pos}\n" for chrom, pos in rows), encoding="utf-8")
    return _table(_query(file, "-R", regions))


def _scan(file, ids, scratch, contig=None):
    """Records with certain ids, of one contig or of the whole file."""
    wanted = Path(scratch) / "ids.txt"
    wanted.write_text("".join(f"{name}\n" for name in sorted(ids)), encoding="utf-8")
    if not ids:
        return _table([])
    return _table(_query(file, *(["-r", contig] if contig else []), "-i", f"ID=@{wanted}"))
