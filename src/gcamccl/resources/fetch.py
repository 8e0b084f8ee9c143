"""All files of some sets: those that are not in the folder yet are fetched, every one is checked."""

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from gcamccl.resources import archive, content, transfer
from gcamccl.resources.lock import Lock, digests
from gcamccl.workflow.errors import InputError

PUBLISHED, STATED, CONTENT = "md5 published", "md5 stated by the server", "content"


def fetch_all(wanted, folder, session, say=print, reread=False, pause_s=transfer.PAUSE_S):
    """Bring a folder to hold all files, and check them.

    Parameters
    ----------
    wanted : list of gcamccl.resources.manifest.Resource
    folder : Path
        Made where it does not exist.
    session : requests.Session
    say : callable
    reread : bool
        Read files that are known from an earlier run again, rather than go by size and time.
    pause_s : float
        Before a second attempt.

    Returns
    -------
    problems : list of InputError
        One for each file that could not be had; the others are all there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        for left in folder.glob(".partial-*"):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        fetcher = _Fetcher(folder, session, say, reread, pause_s)
        fetcher.published_sums([resource for resource in wanted if fetcher.is_new(resource)])
        missing = [resource for resource in wanted if not fetcher.have(resource)]
        there = len(wanted) - len(missing) - len(fetcher.problems)
        say(f"{folder}: {there} of {len(wanted)} are there and checked")
        if missing:
            fetcher.plan(missing)
        for resource in missing:
            fetcher.get(resource)
        return fetcher.problems


@contextlib.contextmanager
def _alone(folder):
    """Keep a second run out of the folder while this one goes on."""
    with (folder / ".running").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(folder, "another run fetches into this folder", "wait until it has ended") from None
        except OSError:  # file systems without locks
            pass
        yield


class _Fetcher:
    """State of one run: what the servers said, which of them do not answer, what went wrong."""

    def __init__(self, folder, session, say, reread, pause_s):
        self.folder, self.session, self.say, self.reread, self.pause_s = folder, session, say, reread, pause_s
        self.lock = Lock(folder)
        self.problems, self.silent, self.published = [], {}, {}

    def is_new(self, resource):
        """Whether a file lies here that no earlier run has checked."""
        return resource.file not in self.lock.entries and (self.folder / resource.file).exists()

    def have(self, resource):
        """Whether all files of a resource are here, after checking those that are new to us."""
        try:
            if resource.unpack:
                return self._have_members(resource)
            path = self.folder / resource.file
            if not path.exists():
                return False
            if not self.lock.holds(resource.file, self.reread):
                self.say(f"checking {resource.file}, which is here already")
                self._accept(resource, path, path, "local", self._md5(resource))
            return True
        except InputError as error:
            self._fault(error)
            return True

    def _have_members(self, resource):
        """The same for what an archive is unpacked to."""
        place = self.folder / resource.unpack.to
        files = [place] if resource.unpack.rename else sorted(place.glob(resource.unpack.members))
        files = [file for file in files if file.exists()]
        if len(files) != resource.unpack.count:
            return False
        for file in files:
            name = str(file.relative_to(self.folder))
            if not self.lock.holds(name, self.reread):
                self.say(f"checking {name}, which is here already")
                content.check(file, self._expected(resource))
                self.lock.note(name, digests(file)["sha256"], CONTENT, "local")
        return True

    def plan(self, missing):
        """Ask for sizes, say how much is to come, and stop if the disk has not the room for it."""
        known, unknown = 0, 0
        for resource in missing:
            if (self.folder / resource.file).exists():  # an archive that is here already
                continue
            told = self._ask(resource)
            size = told.size if told and told.size else round((resource.size_mb or 0) * 1e6)
            part = self.folder / f"{resource.file}.part"
            size = max(size - (part.stat().st_size if part.exists() else 0), 0)
            known += size * (2 if resource.unpack else 1)  # what is taken out of it lies beside it for a moment
            unknown += not size
        free = self._free()
        text = f"{known / 1e6:.0f} MB to fetch" + (f" and {unknown} files of unknown size" if unknown else "")
        self.say(f"{text}; {free / 1e6:.0f} MB free")
        if known + transfer.RESERVE > free:
            raise InputError(
                self.folder,
                f"{known / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free on the disk",
                "make room, choose another folder (--to), or fetch fewer sets (--only)",
            )
        self.published_sums([resource for resource in missing if not self.is_new(resource)])

    def _ask(self, resource):
        """What the first server that answers says about a file; None where none does."""
        for url in resource.urls:
            host = urlsplit(url).netloc
            if host in self.silent:
                continue
            try:
                return transfer.ask(self.session, url, self.pause_s)
            except transfer.Unreachable as error:
                self.silent[host] = error
            except InputError:
                continue  # fetching it will say so
        return None

    def published_sums(self, resources):
        """Get MD5s from published lists, for files that have one; where a list cannot be had, a warning."""
        resources = [resource for resource in resources if resource.index and not resource.md5]
        for index in dict.fromkeys(resource.index for resource in resources):
            self.say(f"reading published checksums: {index}")
            urls = [url for resource in resources if resource.index == index for url in resource.urls]
            try:
                if urlsplit(index).netloc in self.silent:
                    raise self.silent[urlsplit(index).netloc]
                self.published |= transfer.read_index(self.session, index, urls)
            except InputError as error:
                self.say(f"WARNING: no published checksums: {error}")

    def get(self, resource):
        """Fetch a file, or take up an archive that is here, and check it; a failure is noted."""
        target = self.folder / resource.file
        target.parent.mkdir(parents=True, exist_ok=True)
        problem = None
        if resource.unpack and target.exists():
            try:
                self.say(f"unpacking {resource.file}, which is here already")
                self._unpack(resource, target, self._md5(resource), PUBLISHED, "local")
            except InputError as error:
                self._fault(error)
            return
        for url in resource.urls:
            host = urlsplit(url).netloc
            if host in self.silent:
                problem = problem or self.silent[host]
                continue
            self.say(f"fetching {resource.file} from {host}")
            try:
                part, told = transfer.fetch(self.session, url, target, self.say, self._free, self.pause_s)
                self._place(resource, part, target, told, url)
                return
            except transfer.Unreachable as error:
                self.silent[host] = problem = error
            except InputError as error:
                problem = error
            except OSError as error:  # of the disk
                problem = InputError(target, error.strerror or str(error))
                break
        self._fault(problem)

    def _md5(self, resource):
        """Published MD5 of a file, or None."""
        return resource.md5 or next((self.published[url] for url in resource.urls if url in self.published), None)

    def _place(self, resource, part, target, told, url):
        """Check what was fetched and give it its name; a file that fails is removed."""
        note = target.with_name(f"{target.name}.part.json")
        try:
            md5, kind = self._md5(resource), PUBLISHED
            if told.md5 and not md5:
                md5, kind = told.md5, STATED
            if resource.unpack:
                self._unpack(resource, part, md5, kind, url)
            else:
                self._accept(resource, part, target, url, md5, kind)
        except InputError:
            part.unlink()
            note.unlink(missing_ok=True)
            raise
        part.unlink(missing_ok=True)
        note.unlink(missing_ok=True)

    def _accept(self, resource, path, target, source, md5, kind=PUBLISHED):
        """Check a file; then it gets its final name and a line in the lock."""
        sums = digests(path)
        _compare(path, target, sums, md5, kind, source)
        if source != "local":
            self.lock.agree(resource.file, sums["sha256"])
        content.check(path, self._expected(resource), trusted=bool(md5))
        path.replace(target)
        self.lock.note(resource.file, sums["sha256"], kind if md5 else CONTENT, source)

    def _unpack(self, resource, path, md5, kind, source):
        """Check an archive, take the members out, check them and give them their names."""
        if md5:
            _compare(path, self.folder / resource.file, digests(path), md5, kind, source)
        wanted = resource.unpack
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".partial-") as scratch:
            files = archive.unpack(path, wanted, Path(scratch))
            places = [self.folder / wanted.to / ("" if wanted.rename else file.name) for file in files]
            names = [str(place.relative_to(self.folder)) for place in places]
            for file, name in zip(files, names, strict=True):
                content.check(file, self._expected(resource))
                self.lock.agree(name, digests(file)["sha256"])
            for file, place, name in zip(files, places, names, strict=True):
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
                by = f"archive: {kind}" if md5 else CONTENT
                self.lock.note(name, digests(place)["sha256"], by, f"{resource.file} of {source}")

    def _expected(self, resource):
        return resource.check | ({"chrom": resource.chrom} if resource.chrom is not None else {})

    def _free(self):
        return shutil.disk_usage(self.folder).free

    def _fault(self, error):
        self.problems.append(error)
        self.say(f"  failed: {error}")


def _compare(path, target, sums, md5, kind, source):
    """Raise an InputError if a file's MD5 is not `md5`."""
    if md5 and sums["md5"] != md5:
        todo = "copy it again" if source == "local" else "run it again; if it stays so, the provider has changed it"
        raise InputError(target, f"{kind} {md5}, but the file's is {sums['md5']}", todo)
