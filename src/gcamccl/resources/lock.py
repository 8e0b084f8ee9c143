"""What was found in each file the first time, so that none changes unnoticed: ``checksums.tsv`` in the folder."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import pandas as pd

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_tsv, write_tsv

NAME = "checksums.tsv"
COLUMNS = ("file", "size", "modified_ns", "sha256", "checked_by", "source", "date")


@dataclass(frozen=True)
class Entry:
    """One file's line.

    Attributes
    ----------
    file : str
        Relative to the folder.
    size : int
        Bytes.
    modified_ns : int
        Time of modification; with `size` it spares reading gigabytes again.
    sha256 : str
    checked_by : str
        ``md5 published``, ``md5 stated by the server``, or ``content`` where there is no checksum.
    source : str
        Its URL, the archive it was in, or ``local``.
    date : str
        UTC.
    """

    file: str
    size: int
    modified_ns: int
    sha256: str
    checked_by: str
    source: str
    date: str


class Lock:
    """The file ``checksums.tsv``, written at each change.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder):
        self.folder, self.path = folder, folder / NAME
        self.entries = {}
        if self.path.exists():
            table = read_tsv(self.path, columns=COLUMNS, dtype={"size": "int64", "modified_ns": "int64"})
            self.entries = {row["file"]: Entry(**row) for row in table[list(COLUMNS)].to_dict("records")}

    def holds(self, name, reread=False):
        """Whether a file is here and is what it was; False where it is not here or not known.

        Raises
        ------
        InputError
            It has changed.
        """
        path, entry = self.folder / name, self.entries.get(name)
        if entry is None or not path.exists():
            return False
        about = path.stat()
        if not reread and (about.st_size, about.st_mtime_ns) == (entry.size, entry.modified_ns):
            return True
        if about.st_size != entry.size or digests(path)["sha256"] != entry.sha256:
            raise InputError(
                path, f"is not the file of {entry.date[:10]} any more", f"remove it, or its line in {self.path}"
            )
        self.note(name, entry.sha256, entry.checked_by, entry.source, entry.date)
        return True

    def agree(self, name, sha256):
        """Raise an InputError if a file was another one when it was first fetched."""
        entry = self.entries.get(name)
        if entry and entry.sha256 != sha256:
            raise InputError(
                name,
                f"is not the file of {entry.date[:10]} any more, at {entry.source}",
                f"to go on with the new one, remove its line in {self.path}",
            )

    def note(self, name, sha256, checked_by, source, date=None):
        """Write down a file that has just been checked."""
        about = (self.folder / name).stat()
        date = date or datetime.now(UTC).isoformat(timespec="seconds")
        self.entries[name] = Entry(name, about.st_size, about.st_mtime_ns, sha256, checked_by, source, date)
        rows = [asdict(self.entries[key]) for key in sorted(self.entries)]
        write_tsv(self.path, pd.DataFrame(rows, columns=list(COLUMNS)))


def digests(path):
    """MD5 and SHA-256 of a file, as hex digits, in one reading."""
    sums = {"md5": hashlib.md5(usedforsecurity=False), "sha256": hashlib.sha256()}
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            for each in sums.values():
                each.update(block)
    return {name: each.hexdigest() for name, each in sums.items()}
