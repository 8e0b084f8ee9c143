"""Whether a file holds what it should, whatever its checksum: complete, of the right kind, with enough in it."""

import gzip
import re
import zlib

from gcamccl.workflow.errors import InputError

BLOCK = 1 << 22
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # SAM specification, 4.1.2
PARQUET = b"PAR1"
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
INCOMPLETE = "remove it and run again, or copy it again"


def check(path, expected, trusted=False):
    """Check a file's content.

    Parameters
    ----------
    path : Path
    expected : dict
        ``kind``: table, parquet, vcf. Of tables ``min_rows`` (lines but for the header) and, as far as they apply,
        ``columns`` (names that the header must have), ``header`` (number of the header's line, from 1), ``starts`` (of
        the first line), ``fields`` or ``min_fields`` (in the first line of values), ``separator`` (default: tab; null:
        white space), ``comment``. Of a VCF ``chrom`` and ``min_samples``.
    trusted : bool
        Whether its checksum was right: then a VCF is not unpacked to its end.

    Raises
    ------
    InputError
        Damaged, cut off, of another kind, or with too little in it.
    """
    with path.open("rb") as handle:
        head = handle.read(512)
    if not head:
        raise InputError(path, "the file is empty", INCOMPLETE)
    if re.match(rb"\s*<(!doctype html|html|\?xml)", head, re.IGNORECASE):
        raise InputError(path, "a web page, not the file: a login or a proxy's notice", "open its address in a browser")
    try:
        {"table": _table, "parquet": _parquet, "vcf": _vcf}[expected["kind"]](path, expected, trusted)
    except DAMAGED as error:
        raise InputError(path, f"damaged or cut off: {error}", INCOMPLETE) from None
    except UnicodeDecodeError:
        raise InputError(path, "not text", INCOMPLETE) from None


def _open(path):
    """Open for bytes, unpacked where it is gzip."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if packed else path.open("rb")


def _table(path, expected, trusted):
    if path.name.endswith(".gz"):
        with path.open("rb") as handle:
            if handle.read(2) != b"\x1f\x8b":
                raise InputError(path, "not a gzip file", INCOMPLETE)
    comment, separator = expected.get("comment"), expected.get("separator", "\t")
    header_line = expected.get("header", 1 if "columns" in expected else 0)
    lines = comments = 0
    with _open(path) as handle:
        values = None
        while values is None:
            line = handle.readline()
            if not line:
                break
            text = line.decode("utf-8").rstrip("\r\n")
            lines += 1
            if lines == 1 and not text.startswith(expected.get("starts", "")):
                raise InputError(path, f"its first line is {text[:60]!r}, not {expected['starts']!r}")
            if lines == header_line:
                _check_columns(path, text.split(separator), expected["columns"])
            elif lines > header_line:
                if comment and text.startswith(comment):
                    comments += 1
                else:
                    values = text.split(separator)
        low = expected.get("fields", expected.get("min_fields", 1))
        if values is not None and not low <= len(values) <= expected.get("fields", len(values)):
            raise InputError(path, f"line {lines} has {len(values)} fields, not {low}")
        tail = b"\n"
        while block := handle.read(BLOCK):
            lines += block.count(b"\n")
            tail = block
    lines += not tail.endswith(b"\n")
    rows = lines - header_line - comments
    if rows < expected["min_rows"]:
        raise InputError(path, f"{rows} rows, fewer than {expected['min_rows']}: cut off or not this file", INCOMPLETE)


def _check_columns(path, names, wanted):
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InputError(path, f"no column {', '.join(missing)}", f"found {', '.join(names)[:200]}")


def _parquet(path, expected, trusted):
    import pyarrow
    from pyarrow import parquet

    with path.open("rb") as handle:
        begin = handle.read(4)
        handle.seek(-4, 2)
        end = handle.read(4)
    if (begin, end) != (PARQUET, PARQUET):
        raise InputError(path, "not a whole Parquet file", INCOMPLETE)
    try:
        about = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(path, f"damaged: {error}", INCOMPLETE) from None
    _check_columns(path, about.schema_arrow.names, expected["columns"])
    if about.metadata.num_rows < expected["min_rows"]:
        raise InputError(path, f"{about.metadata.num_rows} rows, fewer than {expected['min_rows']}", INCOMPLETE)


def _vcf(path, expected, trusted):
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        if not handle.readline().startswith("##fileformat=VCF"):
            raise InputError(path, "not a VCF")
        line = next((line for line in handle if not line.startswith("##")), "")
        samples = len(line.rstrip("\n").split("\t")) - 9
        if not line.startswith("#CHROM") or samples < expected["min_samples"]:
            raise InputError(path, f"{max(samples, 0)} people, fewer than {expected['min_samples']}")
        fields = handle.readline().rstrip("\n").split("\t")
        if fields[0].removeprefix("chr") != str(expected["chrom"]):
            raise InputError(path, f"its first variant is on chromosome {fields[0]!r}, not {expected['chrom']}")
        if len(fields) < 10 or "|" not in fields[9]:
            raise InputError(path, "its first genotype is not phased")
    with path.open("rb") as handle:
        handle.seek(-min(path.stat().st_size, len(BGZF_END)), 2)
        if handle.read() != BGZF_END:
            raise InputError(path, "cut off: the BGZF end mark is missing", INCOMPLETE)
    if not trusted:
        with gzip.open(path, "rb") as handle:
            while handle.read(BLOCK):
                pass
