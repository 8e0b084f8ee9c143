"""Gene bodies from the files people have: PLINK gene list, MAGMA gene.loc, GENCODE or Ensembl GTF, BED.

The format is told from the content. Positions become 1-based with both ends in.
"""

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from gcamccl.workflow.errors import InputError

# PLINK's numbers; pseudo-autosomal genes are XY there.
CHROMOSOME_NAMES = {"X": "23", "Y": "24", "XY": "25", "MT": "26", "M": "26"}
CHROMOSOMES = {*map(str, range(1, 27))}
ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}")
ATTRIBUTE = re.compile(r'(\w+) "([^"]*)"')
FORMATS = {
    "list": "PLINK gene list or BED, starts 0-based",
    "bed": "BED, starts 0-based",
    "magma": "MAGMA gene.loc, starts 1-based",
    "gtf": "GTF, starts 1-based",
}
FIELDS = {
    "list": "'chromosome start end symbol'",
    "bed": "'chromosome start end symbol ...'",
    "magma": "'id chromosome start end strand symbol'",
    "gtf": 'nine fields between tabs, the last with gene_id "..."',
}
KNOWN = "use a PLINK gene list (glist-hg19), MAGMA's NCBI37.3.gene.loc, a GENCODE GTF or a BED file, all GRCh37"
OTHER_BUILD = re.compile(r"(?:GRCh|hg|NCBI)(?:38|36|18|17|35)(?!\d)", re.IGNORECASE)
THIS_BUILD = re.compile(r"(?:GRCh37|hg19|NCBI37|lift37)", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One gene body as its file has it: positions 1-based with both ends in, `chrom` unchanged."""

    chrom: str
    start: int
    end: int
    symbol: str
    gene_id: str = ""
    gene_type: str = ""


def chromosome(name):
    """A chromosome's number in PLINK's way, as text: chr1 -> 1, chrX -> 23; other names unchanged."""
    name = re.sub("^chr", "", name, flags=re.IGNORECASE)
    return CHROMOSOME_NAMES.get(name.upper(), name)


def without_version(gene_id):
    """An Ensembl gene id without its version: ENSG00000130203.5 -> ENSG00000130203."""
    return gene_id.partition(".")[0]


def read_gene_bodies(path, gene_types=(), say=print):
    """Read gene bodies.

    A four-column list is taken as 0-based, half-open (BED), which ``glist-hg19`` is: of the genes it shares with
    MAGMA's 1-based table, most start one less and end at the same base.

    Parameters
    ----------
    path : str or Path
        Gzipped if it ends in ``.gz``. Lines that begin with ``#``, ``track`` or ``browser`` do not count.
    gene_types : sequence of str
        Of a GTF, only genes with this gene_type (gene_biotype); () for all.
    say : callable
        Told the format, the counts, and what was left out.

    Returns
    -------
    DataFrame
        chrom (text, PLINK's number), start, end (int64, bp, 1-based, both in), symbol, gene_id (Ensembl's without
        version, else ""). A symbol may have several lines.

    Raises
    ------
    InputError
        Not a file of these formats, a mixture of them, a line that is wrong (its number is named), of another genome
        build, or `gene_types` with a format that has none or matching no gene.
    """
    path = Path(path)
    kind, lines, n_others = None, [], 0
    _check_build(path, path.name)
    for number, text in _lines(path):
        if text.startswith(("#", "track ", "browser ")):
            _check_build(path, text if number <= 20 else "")
            continue
        if not text.strip():
            continue
        if kind is None:
            kind = _recognise(path, number, text)
        elif kind == "gtf" and "\tgene\t" not in text and text.count("\t") == 8:
            continue
        line = _parse(kind, text)
        if line is None:
            if kind == "gtf" and text.count("\t") == 8 and 'gene_id "' in text:
                continue  # the first line was not a gene's
            raise InputError(
                path,
                f"line {number} is not {FIELDS[kind]}, as the lines before ({FORMATS[kind]}): {text.strip()[:60]!r}",
                "one file, one format",
            )
        if line.start < 1 or line.end < line.start:
            what = f"line {number}: {line.symbol} ends ({line.end}) before it starts ({line.start}, 1-based)"
            raise InputError(path, what if line.end < line.start else f"line {number}: {line.symbol} starts before 1")
        lines.append(line)
    if not lines:
        raise InputError(path, "no genes in it", KNOWN)
    if gene_types:
        lines, n_others = _of_types(path, lines, gene_types)
    return _table(path, kind, lines, n_others, gene_types, say)


def _table(path, kind, lines, n_others, gene_types, say):
    """Lines as a table, with what there is to tell about them."""
    table = pd.DataFrame([vars(line) for line in lines]).drop(columns="gene_type")
    table["chrom"] = table["chrom"].map({name: chromosome(name) for name in table["chrom"].unique()})
    elsewhere = ~table["chrom"].isin(CHROMOSOMES)
    if elsewhere.all():
        raise InputError(
            path, f"no gene on a known chromosome, such as {lines[0].chrom!r}", "use 1-22, X, Y or chr1 ..."
        )
    left_out = table.loc[elsewhere, "chrom"]
    table = table[~elsewhere].reset_index(drop=True)
    say(
        f"{path.name}: {FORMATS[kind]}; {len(table)} gene bodies, {table['symbol'].nunique()} symbols on "
        f"{table['chrom'].nunique()} chromosomes"
        + (f"; {n_others} of other types than {', '.join(gene_types)} left out" if gene_types else "")
        + (f"; {len(left_out)} on other sequences left out, such as {left_out.iloc[0]}" if len(left_out) else "")
    )
    autosomal = table[table["chrom"].isin([str(number) for number in range(1, 23)])]
    places = autosomal.groupby("symbol")["chrom"].nunique()
    several = sorted(places.index[places > 1])
    if several:
        say(f"{len(several)} symbols lie on several autosomes; a SNP in any counts: {', '.join(several[:5])}")
    if table["symbol"].str.fullmatch(ENSEMBL.pattern + r"(\.\d+)?").mean() > 0.5:
        say(f"WARNING: {path.name} names genes by Ensembl id, which gene sets do not know; give one with symbols")
    return table


def _lines(path):
    """(number, line) of a text file, gzipped or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as handle:
            yield from enumerate(handle, start=1)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except IsADirectoryError:
        raise InputError(path, "a folder, not a file", KNOWN) from None
    except (gzip.BadGzipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read: {error}", "get the file again") from None


def _check_build(path, text):
    """Refuse a file whose name or heading says that it is of another build."""
    found = OTHER_BUILD.search(text)
    if found and not THIS_BUILD.search(text):
        raise InputError(path, f"its name or heading says {found[0]}: {text.strip()[:80]!r}", KNOWN)


def _recognise(path, number, text):
    """The format of a file by its first line: a key of `FORMATS`."""
    fields, columns = text.split(), text.rstrip("\n").split("\t")
    if len(columns) == 9:
        if 'gene_id "' in columns[8]:
            return "gtf"
        if "=" in columns[8]:
            raise InputError(path, f"line {number} is of a GFF3 file", "use the GTF of the same release")
    if len(fields) == 6 and _parse("magma", text):
        return "magma"
    # A known chromosome tells these from MAGMA tables without symbols, whose first column is an id.
    line = _parse("bed", text)
    if line and (chromosome(line.chrom) in CHROMOSOMES or not line.symbol.isdigit()):
        return "list" if len(fields) == 4 else "bed"
    raise InputError(path, f"line {number} is of no format known here: {text.strip()[:60]!r}", KNOWN)


def _parse(kind, text):
    """The gene of a line, or None where it is none of this format."""
    fields = text.split()
    try:
        if kind == "gtf":
            columns = text.rstrip("\n").split("\t")
            if len(columns) != 9 or columns[2] != "gene":
                return None
            notes = dict(ATTRIBUTE.findall(columns[8]))
            gene_id = without_version(notes["gene_id"])
            return Line(
                columns[0],
                int(columns[3]),
                int(columns[4]),
                notes.get("gene_name", gene_id),
                gene_id,
                notes.get("gene_type", notes.get("gene_biotype", "")),
            )
        if kind == "magma":
            if len(fields) != 6 or fields[4] not in "+-":
                return None
            return Line(fields[1], int(fields[2]), int(fields[3]), fields[5])
        if (len(fields) != 4 if kind == "list" else len(fields) < 4) or fields[3].isdecimal():
            return None
        gene_id = without_version(fields[3]) if ENSEMBL.match(fields[3]) else ""
        return Line(fields[0], int(fields[1]) + 1, int(fields[2]), fields[3], gene_id)
    except (KeyError, ValueError):
        return None


def _of_types(path, lines, gene_types):
    """The genes of some types, and the number of others."""
    known = sorted({line.gene_type for line in lines} - {""})
    if not known:
        raise InputError(
            "eqtl_filter.gene_types", f"{path} does not say the genes' types", "leave it [], or give a GENCODE GTF"
        )
    kept = [line for line in lines if line.gene_type in set(gene_types)]
    if not kept:
        raise InputError(
            "eqtl_filter.gene_types", f"no gene of {path} is of {', '.join(gene_types)}", f"it has {', '.join(known)}"
        )
    return kept, len(lines) - len(kept)
