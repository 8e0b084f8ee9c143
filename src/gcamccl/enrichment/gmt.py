"""Gene sets from GMT files, gene lists, and updates of outdated gene symbols."""

import gzip
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gcamccl.workflow.artifacts import ROOT
from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv

SYMBOL_UPDATES = ROOT / "resources" / "symbol_updates.tsv"

# Identifiers that some files put in column 1, with the name in column 2 (pathwayPCA's WikiPathways: "WP23").
IDENTIFIER = re.compile(r"WP\d+(_r?\d+)?|R-[A-Z]{3}-\d+|hsa\d+|path:hsa\d+|GO:\d{7}")


@dataclass(frozen=True)
class GeneSet:
    """One gene set.

    Attributes
    ----------
    source : str
        Name of the file it came from, up to the first dot.
    name : str
        Unique within its source.
    genes : frozenset of str
        Symbols, updated.
    """

    source: str
    name: str
    genes: frozenset


def read_updates(path=SYMBOL_UPDATES):
    """Outdated symbol -> current symbol.

    Parameters
    ----------
    path : str or Path
        TSV with the columns ``old`` and ``new``; or HGNC's complete set (``symbol``, ``prev_symbol``), of which
        previous symbols count that are no current one and were only one gene's.

    Raises
    ------
    InputError
        A symbol is updated twice, or to one that is itself outdated.
    """
    table = read_tsv(path, dtype=str)
    if {"symbol", "prev_symbol"} <= set(table.columns):
        return _of_hgnc(table)
    table = read_tsv(path, columns=("old", "new"), dtype=str)
    updates = dict(zip(table["old"], table["new"], strict=True))
    if len(updates) < len(table):
        twice = table["old"][table["old"].duplicated()].iloc[0]
        raise InputError(path, f"{twice} is updated on two lines", "keep one of them")
    chained = sorted(set(updates.values()) & set(updates))
    if chained:
        raise InputError(path, f"{chained[0]} is both a new and an old symbol", "update straight to the current one")
    return updates


def read_all_updates(paths=None):
    """Updates of several tables, those of earlier ones first, and their files.

    Parameters
    ----------
    paths : list of Path, optional
        None: `SYMBOL_UPDATES` alone.

    Returns
    -------
    dict of str to str
    list of Path
    """
    paths = [SYMBOL_UPDATES] if paths is None else list(paths)
    updates = {}
    for path in paths:
        # Where two tables contradict each other, old and new the other way round, the earlier one is right.
        taken = set(updates) | set(updates.values()) if path != paths[0] else set()
        own = {old: new for old, new in read_updates(path).items() if old not in updates}
        updates |= {old: new for old, new in own.items() if old not in taken or new not in updates}
    # One table's new symbol may be another's old one: to the current one.
    return {old: updates.get(new, new) for old, new in updates.items()}, paths


def _of_hgnc(table):
    """Previous -> current symbol, from HGNC's table: several previous ones stand in one cell, separated by ``|``."""
    rows = table[["symbol", "prev_symbol"]].dropna()
    pairs = [(old.strip(), new) for new, olds in rows.itertuples(index=False) for old in olds.strip('"').split("|")]
    current, times = set(table["symbol"].dropna()), Counter(old for old, _ in pairs)
    return {old: new for old, new in pairs if old not in current and times[old] == 1}


def unmatched(genes, sets):
    """Genes that no set has, with what they may be.

    Returns
    -------
    DataFrame
        ``gene``, ``maybe``: a symbol of the sets that differs in case or in dots and dashes only, else missing.
    """
    foreign = set(genes)
    for one in sets:
        foreign -= one.genes
    known = set().union(*(one.genes for one in sets)) if foreign and sets else set()
    plain = {re.sub(r"[^A-Z0-9]", "", gene.upper()): gene for gene in sorted(known, reverse=True)}
    rows = [(gene, plain.get(re.sub(r"[^A-Z0-9]", "", gene.upper()))) for gene in sorted(foreign)]
    return pd.DataFrame(rows, columns=["gene", "maybe"])


def read_genes(path, updates=None):
    """Read a gene list: one symbol a line; empty lines and repeats do not count.

    Returns
    -------
    set of str

    Raises
    ------
    InputError
        A line holds more than one word (a table was given instead of a list).
    """
    genes = set()
    for number, line in enumerate(_lines(path), start=1):
        words = line.split()
        if len(words) > 1:
            raise InputError(path, f"line {number}: {line.strip()[:60]!r} is not one gene", "give one symbol a line")
        genes.update(words)
    return {(updates or {}).get(gene, gene) for gene in genes}


def read_loci(path, updates=None):
    """`eqtl_filter`'s ``snp_gene.tsv``, symbols updated: DataFrame ``snp_id``, ``gene``."""
    table = read_tsv(path, columns=("snp_id", "gene"), dtype=str)[["snp_id", "gene"]].dropna()
    return table.assign(gene=table["gene"].replace(updates or {})).drop_duplicates(ignore_index=True)


def read_lengths(path, updates=None):
    """`eqtl_filter`'s ``genes.tsv``, symbols updated: dict of gene to length (bp)."""
    table = read_tsv(path, columns=("gene", "length"), dtype={"gene": str})
    table = table.assign(gene=table["gene"].replace(updates or {}), length=table["length"].astype(float))
    return table.groupby("gene")["length"].max().to_dict()  # an update may make two symbols one gene


def read_gmt(path, updates=None):
    """Read the gene sets of one GMT file, plain or gzipped.

    A line is: name, description, gene, gene, ..., separated by tabs. The set's name is column 1, unless that is an
    identifier (``WP23``) and column 2 a name; names that then occur more than once get their identifier in brackets.
    Words with blanks in them are no symbols and are left out (pathfindR's Reactome has "Reactome Pathway" in its sets).

    Parameters
    ----------
    path : str or Path
        ``.gmt`` or ``.gmt.gz``.
    updates : dict of str to str, optional
        Outdated -> current symbol, as from `read_updates`.

    Returns
    -------
    list of GeneSet
        In the file's order.

    Raises
    ------
    InputError
        Names the line: fewer than three columns, no name, a name on two lines. Also where column 2 holds genes: then
        the file lacks the description column and every set would silently lose its first gene.
    """
    path, updates = Path(path), updates or {}
    source = path.name.split(".")[0]
    rows, first = [], {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        columns = [word.strip() for word in line.split("\t", 2)]
        if len(columns) < 3 or not columns[2]:
            raise InputError(path, f"line {number}: not name, description, genes, separated by tabs", "give a GMT file")
        if not columns[0]:
            raise InputError(path, f"line {number}: the set has no name")
        if first.setdefault(columns[0], number) != number:
            raise InputError(path, f"line {number}: {columns[0]!r} is on line {first[columns[0]]} too", "rename one")
        genes = _symbols(columns[2], updates)
        rows.append((columns[0], columns[1], genes))
    if not rows:
        raise InputError(path, "no gene sets in the file")
    _check_descriptions(path, rows)
    names = [text if IDENTIFIER.fullmatch(key) and _is_name(text) else key for key, text, _ in rows]
    times = Counter(names)
    return [
        GeneSet(source, name if times[name] == 1 else f"{name} ({key})", genes)
        for name, (key, _, genes) in zip(names, rows, strict=True)
    ]


def _symbols(text, updates):
    """Genes of a line's third column and those after it, updated."""
    words = text.split("\t")
    if " " in text:
        words = [word for word in map(str.strip, words) if " " not in word]
    genes = frozenset(words) - {""}
    # Few sets hold an outdated symbol: asking is cheaper than a look at every gene.
    return genes if genes.isdisjoint(updates) else frozenset(updates.get(gene, gene) for gene in genes)


def read_gene_sets(paths, updates=None):
    """All sets of several GMT files; see `read_gmt`.

    Raises
    ------
    InputError
        Two files would have the same source name.
    """
    sets, seen = [], {}
    for path in map(Path, paths):
        source = path.name.split(".")[0]
        if source in seen:
            raise InputError(path, f"source {source} is also the name of {seen[source]}", "rename one file")
        seen[source] = path
        sets += read_gmt(path, updates)
    return sets


def _is_name(text):
    """Whether a description can serve as a name: not empty, no link, no identifier."""
    return bool(text) and text.lower() not in ("na", "n/a") and "://" not in text and not IDENTIFIER.fullmatch(text)


def _check_descriptions(path, rows):
    """Refuse a file without a description column: most of its second columns are genes of other sets."""
    descriptions = {text for _, text, _ in rows if text}
    genes = frozenset().union(*(genes for _, _, genes in rows))
    # Descriptions are ids, links or sentences; a gene symbol among them is the exception, more than half is a shift.
    if len(descriptions) > 1 and len(descriptions & genes) > len(descriptions) / 2:
        raise InputError(path, "column 2 holds genes", "a GMT line is name, description (may be empty), genes")


def _lines(path):
    """Lines of a text file, unzipped where needed; an unreadable file is an InputError."""
    path = Path(path)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as handle:
            return handle.readlines()
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (gzip.BadGzipFile, EOFError):
        raise InputError(path, "not a complete gzip file") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start} is not UTF-8 text") from None
