"""Taking the wanted members out of a tar or zip file, and nothing else."""

import contextlib
import gzip
import shutil
import tarfile
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from gcamccl.workflow.errors import InputError

BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, gzip.BadGzipFile)


def unpack(archive, wanted, folder):
    """Write members of an archive into a folder, each under its bare name.

    Only regular files that `wanted` names are taken, and what folders their names hold does not count, so a hostile
    archive cannot write anywhere else.

    Parameters
    ----------
    archive : Path
        Tar, compressed or not, or zip.
    wanted : gcamccl.resources.manifest.Unpack
    folder : Path
        An existing, empty folder.

    Returns
    -------
    list of Path
        The files, sorted by name.

    Raises
    ------
    InputError
        Damaged, not an archive, or without some of the members.
    """
    found = {}
    try:
        with _members(archive) as members:
            for name, opened in members:
                bare = PurePosixPath(name.replace("\\", "/")).name
                if not fnmatchcase(bare, wanted.members):
                    continue
                if bare in found:
                    raise InputError(archive, f"holds {bare} twice", "fetch it again from its provider")
                found[bare] = folder / bare
                with opened() as source, found[bare].open("xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except BROKEN as error:
        raise InputError(archive, f"damaged or cut off: {error}", "remove it and run again") from None
    if len(found) != wanted.count:
        names = ", ".join(sorted(found)) or "none"
        raise InputError(
            archive,
            f"holds {len(found)} files {wanted.members}, not {wanted.count}: {names[:300]}",
            "its provider has changed it: name the files of your own in the configuration",
        )
    return [found[name] for name in sorted(found)]


@contextlib.contextmanager
def _members(archive):
    """Yield an iterator over (name, function that opens it) of an archive's regular files."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield ((i.filename, lambda i=i: file.open(i)) for i in file.infolist() if not i.is_dir())
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            yield ((m.name, lambda m=m: file.extractfile(m)) for m in file if m.isreg())
    else:
        raise InputError(archive, "neither a tar nor a zip file", "remove it and run again")
