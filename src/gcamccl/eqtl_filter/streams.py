"""GTEx's large tables a batch at a time: tab-separated text, gzipped or not, and Parquet.

Apache Arrow reads them because it verifies gzip's checksums (docs/decisions/genetics.md) and because a batch at a time
bounds the memory, whatever the size of the table.
"""

import gzip
import zlib
from pathlib import Path

import pyarrow as pa
from pyarrow import csv, parquet

from gcamccl.workflow.errors import InputError

BLOCK_BYTES = 4 << 20  # of text parsed at a time
BATCH_ROWS = 1 << 17  # of Parquet
AGAIN = "get the file again"


def column_names(path):
    """Names of a table's columns.

    Raises
    ------
    InputError
        There is no such file, or it is empty, damaged or no such table.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            return parquet.read_schema(path).names
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig") as handle:
            line = handle.readline()
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise InputError(path, f"cannot be read: {_one_line(error)}", AGAIN) from None
    if not line.strip():
        raise InputError(path, "the file is empty", AGAIN)
    return line.rstrip("\r\n").split("\t")


def batches(path, columns):
    """Yield some columns of a table as record batches, in its order.

    Parameters
    ----------
    path : str or Path
        ``.parquet``, else tab-separated with a line of names; ``.gz``: gzipped.
    columns : dict of str to pyarrow.DataType
        Columns to read, and their types.

    Yields
    ------
    pyarrow.RecordBatch
        Columns in the order asked for. Empty cells of number columns are null.

    Raises
    ------
    InputError
        The file is damaged, a line has another number of fields than the first, or a cell is not of its type; names
        the line where it is known.
    """
    path = Path(path)
    try:
        if path.suffix == ".parquet":
            with parquet.ParquetFile(path) as table:
                for batch in table.iter_batches(BATCH_ROWS, columns=list(columns), use_threads=False):
                    yield _cast(batch, columns, path)
        else:
            with csv.open_csv(
                path,
                csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                csv.ParseOptions(delimiter="\t", quote_char=False),
                csv.ConvertOptions(include_columns=list(columns), column_types=columns, strings_can_be_null=False),
            ) as reader:
                yield from reader
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(path, f"cannot be read: {_one_line(error)}", AGAIN) from None


def _cast(batch, columns, path):
    """A Parquet batch with the types asked for; text is never taken for numbers."""
    arrays = []
    for name, kind in columns.items():
        found = batch.column(name)
        if pa.types.is_floating(kind) and not (pa.types.is_floating(found.type) or pa.types.is_integer(found.type)):
            raise InputError(path, f"column {name} holds {found.type}, not numbers", AGAIN)
        arrays.append(found.cast(kind))
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _one_line(error):
    """Arrow's message; its rows count the line of names as the first, so they are lines."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.replace("Row #", "line ")[:200]
