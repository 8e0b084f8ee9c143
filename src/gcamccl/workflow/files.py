"""Reading and writing files so that nothing is ever half written."""

import contextlib
import gzip
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from gcamccl.workflow.errors import InputError

# A line of TSV fields, quoted (a quote inside is doubled) or not; a field that starts with a quote is quoted.
TSV_LINE = re.compile(r'(?:"(?:[^"]|"")*"|[^"\t][^\t]*|)(?:\t(?:"(?:[^"]|"")*"|[^"\t][^\t]*|))*')
FLAT_LIST = re.compile(r"\[\s[^\[\]{}\"]*\]")  # of numbers, true, false, null: strings may hold spaces


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    Parameters
    ----------
    path : str or Path
        Final name. Its suffixes are kept on the temporary name, so that libraries which look at them
        (``.nii.gz``, ``.npy``, ``.png``) behave.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix="-" + path.name, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write `text` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, value):
    """Write `value` as indented JSON, lists of plain values on one line; NaN and infinity are refused."""
    text = json.dumps(value, indent=1, allow_nan=False, default=_plain)
    write_text(path, FLAT_LIST.sub(lambda found: " ".join(found[0].split()), text) + "\n")


def _plain(value):
    """JSON form of numpy scalars and arrays and of paths."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def read_json(path):
    """Read a JSON file; a broken one is an InputError naming line and column."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except json.JSONDecodeError as error:
        raise InputError(path, f"line {error.lineno}, column {error.colno}: {error.msg}") from None


def write_tsv(path, table):
    """Write a DataFrame as TSV: no index, missing values as ``n/a`` (BIDS), floats with 9 digits."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, na_rep="n/a", float_format="%.9g")


def write_large_tsv(path, table):
    """Write a DataFrame without missing values as TSV by pyarrow: some ten times faster than `write_tsv`."""
    import pyarrow as pa
    from pyarrow import csv

    if table.isna().any(axis=None):
        raise ValueError(f"{Path(path).name}: has missing values")
    texts = table.select_dtypes(exclude="number")
    if any('"' in text for column in texts for text in texts[column]):
        write_tsv(path, table)  # pyarrow quotes all texts or none
        return
    # pyarrow quotes the header whatever it is told
    options = csv.WriteOptions(delimiter="\t", quoting_style="none", include_header=False)
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(("\t".join(table.columns) + "\n").encode())
        csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), file, options)


def read_tsv(path, columns=(), **kwargs):
    """Read a TSV into a DataFrame; ``n/a`` and empty cells are missing.

    A field in double quotes is read without them, as `write_tsv` writes one that holds a tab or a quote.

    Raises
    ------
    InputError
        No such file, an empty file, a ragged line, lines longer than the header, one of `columns` missing, or a quote
        that is not closed on its line.
    """
    import pandas as pd

    _check_quotes(path)
    kwargs.setdefault("na_values", ["n/a", ""])
    kwargs.setdefault("keep_default_na", False)
    try:
        table = pd.read_csv(path, sep="\t", encoding="utf-8-sig", **kwargs)
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (IsADirectoryError, PermissionError) as error:
        raise InputError(path, error.strerror.lower()) from None
    except pd.errors.EmptyDataError:
        raise InputError(path, "the file is empty") from None
    except pd.errors.ParserError as error:
        raise InputError(path, str(error).replace("\n", " ").removeprefix("Error tokenizing data. C error: ")) from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start} is not UTF-8 text") from None
    if "index_col" not in kwargs and not isinstance(table.index, pd.RangeIndex):
        # pandas takes the first field for a row name then, and every column gets the next one's name
        raise InputError(path, "the lines have more fields than the first line has names", "name every column")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", f"found {', '.join(map(str, table.columns))}")
    return table


def _check_quotes(path):
    """Refuse a quote that opens a field and is not closed: all lines up to the next one would be one field."""
    try:
        with (gzip.open if str(path).endswith(".gz") else open)(path, "rb") as handle:
            data = handle.read()
    except OSError:
        return  # what reads the table says why
    if b'"' not in data:
        return
    for number, line in enumerate(data.decode("utf-8-sig", errors="replace").split("\n"), start=1):
        if '"' in line and not TSV_LINE.fullmatch(line.rstrip("\r")):
            raise InputError(
                path,
                f'line {number} holds a quote (") that opens a field but does not close it',
                "remove the quote, or put the field in quotes and double the quotes inside it",
            )


def sha256(path):
    """SHA-256 of a file's bytes, as hex digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
