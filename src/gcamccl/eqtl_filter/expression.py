"""GTEx's median expression by tissue, and the genes most expressed in the brain."""

import csv
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gcamccl.eqtl_filter.gene_files import without_version
from gcamccl.workflow.errors import InputError

MITOCHONDRIAL = "MT-"  # symbols of the 37 genes of the mitochondrial genome
NAMELESS = ("", "NA", "n/a", "-")  # what stands where a gene has no symbol; no gene is called so
LOG_LIKE = 50.0  # a largest value below this is no TPM: they add up to 1e6, some gene of a tissue has thousands


@dataclass(frozen=True)
class Expression:
    """Expression by gene and tissue.

    Attributes
    ----------
    tpm : DataFrame
        Index: gene symbol, sorted, unique (the highest value of a repeated one); columns: tissues; float64.
    gene_ids : dict of str to tuple of str
        Ensembl ids without version, by symbol.
    """

    tpm: pd.DataFrame
    gene_ids: dict

    def symbol_of(self):
        """Symbol of each Ensembl id."""
        return {gene_id: symbol for symbol, ids in self.gene_ids.items() for gene_id in ids}


def tissue_key(name):
    """Letters and digits of a tissue's name: ``Brain - Cortex`` and ``Brain_Cortex`` are the same."""
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum())


def read_expression(path, tissues, say=print):
    """Read GTEx's median TPM per gene.

    Parameters
    ----------
    path : str or Path
        GCT (``.gct``, ``.gct.gz``) or the same table without the two lines above its names. The first column holds
        Ensembl ids, Description the symbols.
    tissues : list of str
        As in the configuration.
    say : callable

    Returns
    -------
    Expression

    Raises
    ------
    InputError
        The file is missing or damaged, no such table, lacks a tissue, or holds a value that is no TPM.
    """
    path = Path(path)
    table = _read(path)
    if "Description" not in table:
        raise InputError(path, "no column Description (gene symbol)", f"found {', '.join(map(str, table.columns[:5]))}")
    columns = {tissue_key(str(column)): column for column in table.columns}
    absent = [tissue for tissue in tissues if tissue_key(tissue) not in columns]
    if absent:
        raise InputError(path, f"no column for {', '.join(absent)}", "use GTEx's median TPM by tissue")
    ids = table[table.columns[0]].map(without_version)
    nameless = table["Description"].isin(NAMELESS)
    if nameless.any():
        say(f"{nameless.sum()} lines of {path.name} have no symbol: such a gene is called by its Ensembl id")
    symbols = table["Description"].mask(nameless, ids)
    if symbols.isin(NAMELESS).any():
        line = table["line"].to_numpy()[int(symbols.isin(NAMELESS).to_numpy().argmax())]
        raise InputError(path, f"line {line} has neither id nor symbol", "get the file again")
    values = table[[columns[tissue_key(tissue)] for tissue in tissues]].apply(pd.to_numeric, errors="coerce")
    wrong = ~np.isfinite(values.to_numpy(float)) | (values.to_numpy(float) < 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            path,
            f"{symbols.iloc[row]} in {values.columns[column]} is {table[values.columns[column]].iloc[row]!r}, no TPM",
            "use GTEx's median TPM by tissue",
        )
    values.columns = list(tissues)
    if len(values) and values.to_numpy().max() < LOG_LIKE:
        say(f"WARNING: no value of {path} reaches {LOG_LIKE:g}: these do not look like TPM but like their logarithm")
    repeated = int(symbols.duplicated(keep=False).sum())
    if repeated:
        say(f"{repeated} lines of {path.name} share a symbol with another: the highest value of each tissue counts")
    return Expression(
        values.astype(float).groupby(symbols).max(),
        ids.groupby(symbols).agg(lambda own: tuple(dict.fromkeys(own))).to_dict(),
    )


def _read(path):
    """The table as text and numbers."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as handle:
            first = handle.readline()
        if not first.startswith("#1.") and "Description" not in first.rstrip("\n").split("\t"):
            raise InputError(
                path,
                f"line 1 is {first.strip()[:40]!r}, neither #1.2 nor names with Description",
                "use GTEx's gene_median_tpm.gct.gz",
            )
        skip = 2 if first.startswith("#1.") else 0
        # A symbol is text, also one that pandas takes for a missing value or the start of a quoted field.
        table = pd.read_csv(
            path,
            sep="\t",
            skiprows=skip,
            dtype=str,
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            encoding="utf-8-sig",
            skip_blank_lines=False,
        )
        table = table.fillna("").assign(line=np.arange(len(table)) + skip + 2)
        return table[(table.drop(columns="line") != "").any(axis=1)]
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (
        OSError,
        EOFError,
        zlib.error,
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
    ) as error:
        raise InputError(path, f"cannot be read: {str(error).strip()}", "get the file again") from None


def top_genes(tpm, number, rule="union"):
    """The most expressed genes; mitochondrial genes, and genes that are not expressed, never count.

    Parameters
    ----------
    tpm : DataFrame
        As in `Expression.tpm`.
    number : int
    rule : {"union", "mean"}
        union: of the top `number` of each tissue. mean: the top `number` by mean over the tissues.

    Returns
    -------
    DataFrame
        gene, mean_tpm, mean_rank (by mean over the tissues, from 1), best_rank (in any tissue), n_tissues, tissues
        (in whose top `number` it is, joined by commas); in the order of gene. Of equally expressed genes the first by
        symbol is taken.
    """
    tpm = tpm[~tpm.index.str.upper().str.startswith(MITOCHONDRIAL)].sort_index()
    mean = tpm.mean(axis=1)
    mean_rank = mean.rank(ascending=False, method="first").astype(int)
    ranks = tpm.rank(ascending=False, method="first").astype(int)
    among = (ranks <= number) & (tpm > 0)
    chosen = among.any(axis=1) if rule == "union" else (mean_rank <= number) & (mean > 0)
    among = among[chosen]
    return pd.DataFrame(
        {
            "gene": tpm.index[chosen],
            "mean_tpm": mean[chosen].to_numpy(),
            "mean_rank": mean_rank[chosen].to_numpy(),
            "best_rank": ranks[chosen].min(axis=1).to_numpy(),
            "n_tissues": among.sum(axis=1).to_numpy(),
            "tissues": [",".join(among.columns[row]) for row in among.to_numpy()],
        }
    )
