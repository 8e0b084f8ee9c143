"""One file over HTTP(S): goes on where it stopped, starts anew where the file has changed."""

import base64
import binascii
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests

from gcamccl.workflow.errors import InputError
from gcamccl.workflow.files import read_json, write_json

BLOCK = 1 << 16  # bytes read at a time; as many may be lost when a connection breaks
ATTEMPTS = 5  # in a row without a single new byte
PAUSE_S = 2.0  # before the second attempt; doubled for each further one
LONGEST_PAUSE_S = 60.0
TIMEOUT_S = (15, 60)  # to connect; between two bytes
PROGRESS_S = 10.0  # between two lines of progress
AGAIN = (408, 425, 429, 500, 502, 503, 504)  # statuses worth another attempt
RESERVE = 100_000_000  # bytes of a disk left free
# Without this, servers may pack the answer: its length would not be the file's.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "gcamccl"}
OFFLINE = "give local files instead: resources/README.md, Without internet"


class Unreachable(InputError):
    """No connection to a host."""


@dataclass(frozen=True)
class Remote:
    """What a server says about a file.

    Attributes
    ----------
    url : str
    size : int or None
        Bytes.
    etag, modified : str or None
        Headers ETag and Last-Modified.
    md5 : str or None
        Hex digits, from ``x-goog-hash`` or ``Content-MD5``. ETags are not taken for MD5s: many servers make them up.
    """

    url: str
    size: int | None
    etag: str | None
    modified: str | None
    md5: str | None

    @property
    def validator(self):
        """Value for If-Range: a strong ETag, else the date; None where there is neither."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified


def remote(response):
    """`Remote` of a response to HEAD, to GET, or to GET of a part."""
    headers = response.headers
    whole = re.search(r"/(\d+)$", headers.get("Content-Range", ""))
    length = whole[1] if whole else headers.get("Content-Length", "")
    packed = headers.get("Content-Encoding", "identity") != "identity"
    return Remote(
        url=response.request.url,
        size=int(length) if length.isdigit() and not packed else None,
        etag=headers.get("ETag"),
        modified=headers.get("Last-Modified"),
        md5=None if packed else stated_md5(headers, part=response.status_code == 206),
    )


def stated_md5(headers, part=False):
    """MD5 of the whole file in a response's headers, as hex digits, or None."""
    texts = re.findall(r"md5=([A-Za-z0-9+/]{22}==)", headers.get("x-goog-hash", ""))
    if not texts and not part:
        texts = re.findall(r"^[A-Za-z0-9+/]{22}==$", headers.get("Content-MD5", ""))
    try:
        return base64.b64decode(texts[0], validate=True).hex() if texts else None
    except binascii.Error:
        return None


def ask(session, url, pause_s=PAUSE_S):
    """What a server says about a file, without fetching it; size None where it does not answer HEAD.

    Raises
    ------
    InputError
        No connection, or there is no such file.
    """
    for attempt in (1, 2):
        try:
            response = session.head(url, headers=HEADERS, timeout=TIMEOUT_S, allow_redirects=True)
        except requests.RequestException as error:
            if attempt == 2:
                raise failure(url, error) from None
            time.sleep(pause_s)
            continue
        if response.status_code in (403, 405, 501) or response.status_code in AGAIN:
            return Remote(url, None, None, None, None)  # GET will tell
        _check_status(url, response)
        return remote(response)
    return None


def failure(url, error):
    """The InputError that says why a request got no answer."""
    host = urlsplit(url).netloc
    if isinstance(error, requests.exceptions.SSLError):
        return InputError(url, f"the certificate of {host} is not accepted", f"see REQUESTS_CA_BUNDLE, or {OFFLINE}")
    if isinstance(error, requests.exceptions.ProxyError):
        return Unreachable(url, f"no connection to {host}: the proxy does not answer", f"see HTTPS_PROXY, or {OFFLINE}")
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return InputError(url, f"{host} cut the connection", "run it again: it goes on where it stopped")
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return Unreachable(url, f"no connection to {host}", OFFLINE)
    return InputError(url, f"{type(error).__name__}: {error}".replace("\n", " "))


def _check_status(url, response):
    if response.status_code >= 400:
        gone = response.status_code in (404, 410)
        todo = "its address has changed: find the new one and name it in resources/downloads.yaml" if gone else OFFLINE
        raise InputError(url, f"the server answers {response.status_code} {response.reason}", todo)


def fetch(session, url, target, say=print, free=None, pause_s=PAUSE_S):
    """Fetch a file to ``<target>.part``, going on with what is there of an earlier attempt.

    Parameters
    ----------
    session : requests.Session
        It heeds HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
    url : str
    target : Path
        Its folder must exist.
    say : callable
        Told the progress.
    free : callable, optional
        Returns the bytes free on the disk.
    pause_s : float
        Before the second attempt.

    Returns
    -------
    part : Path
        The whole file; it is for the caller to check and rename it.
    remote : Remote

    Raises
    ------
    InputError
        No connection, no such file, or no room on the disk. What was fetched stays for the next attempt.
    """
    target = Path(target)
    part, note = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")
    failures, best, problem = 0, 0, None
    while failures < ATTEMPTS:
        if failures:
            time.sleep(min(pause_s * 2 ** (failures - 1), LONGEST_PAUSE_S))
        known = _known(url, part, note)
        start = part.stat().st_size if known else 0
        best = max(best, start)
        if known and known.size == start:
            return part, known
        try:
            told = _receive(session, url, part, note, known, start, say, free)
        except requests.RequestException as error:
            problem, told = failure(url, error), None
        except _TryAgain as error:
            problem, told = InputError(url, f"the server {error}", "try again later"), None
        now = part.stat().st_size if part.exists() else 0
        if told and told.size in (None, now):
            return part, told
        if told:
            problem = InputError(url, f"the connection ended after {now} of {told.size} bytes", "run it again")
        if told and now > told.size:  # two answers have been mixed up: nothing of it can be used
            part.unlink()
        # A server that always begins anew must not keep us for ever: only bytes never had before are progress.
        failures, best = (0, now) if now > best else (failures + 1, best)
        say(f"  {target.name}: {problem.what}" + ("; going on" if failures < ATTEMPTS else ""))
    raise problem


class _TryAgain(Exception):
    """A server's answer that another attempt may better."""


def _known(url, part, note):
    """`Remote` that the part on disk is of, or None where it cannot be gone on with."""
    if not (part.exists() and note.exists()):
        return None
    try:
        told = Remote(**read_json(note))
    except (InputError, TypeError):
        return None
    # Without a validator, a file of the same size that has changed meanwhile could not be told from the old one.
    return told if told.url == url and told.validator and (told.size or 0) >= part.stat().st_size else None


def _receive(session, url, part, note, known, start, say, free):
    """One request; appends to `part` or starts it anew. Returns the server's `Remote`."""
    headers = dict(HEADERS)
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": known.validator}
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code in AGAIN:
            raise _TryAgain(f"answers {response.status_code} {response.reason}")
        if response.status_code == 416:  # what is on disk is no beginning of the file
            part.unlink(missing_ok=True)
            raise _TryAgain("does not have the rest of the file")
        _check_status(url, response)
        told = Remote(**{**vars(remote(response)), "url": url})
        if response.status_code == 206:
            begins = re.match(rf"bytes {start}-", response.headers.get("Content-Range", ""))
            same = (told.size, told.validator) == (known.size, known.validator) if known else False
            if not (begins and same):
                part.unlink(missing_ok=True)
                raise _TryAgain("has another version of the file now")
        else:
            start = 0
        if free and told.size is not None and free() < told.size - start + RESERVE:
            need = (told.size - start) / 1e6
            raise InputError(part.parent, f"{need:.0f} MB needed, {free() / 1e6:.0f} MB free on the disk", "make room")
        if not start:
            part.write_bytes(b"")  # before the note: a note never stands beside bytes of an older version
            write_json(note, vars(told))
        progress = Progress(part.name.removesuffix(".part"), start, told.size, say)
        with part.open("ab" if start else "wb") as handle:
            for block in response.iter_content(BLOCK):
                handle.write(block)
                progress.add(len(block))
    return told


class Progress:
    """Lines with MB, MB/s and time left, not more often than every `PROGRESS_S`."""

    def __init__(self, name, done, total, say):
        self.name, self.first, self.done, self.total, self.say = name, done, done, total, say
        self.start = self.last = time.monotonic()

    def add(self, count):
        """Count bytes and say how far it is."""
        self.done += count
        now = time.monotonic()
        if now - self.last < PROGRESS_S:
            return
        self.last = now
        rate = (self.done - self.first) / (now - self.start)
        text = f"  {self.name}: {self.done / 1e6:.0f}"
        if self.total:
            text += f" of {self.total / 1e6:.0f} MB, {rate / 1e6:.1f} MB/s"
            text += f", {_duration((self.total - self.done) / rate)} left" if rate else ""
        else:
            text += f" MB, {rate / 1e6:.1f} MB/s"
        self.say(text)


def _duration(seconds):
    """``1 h 05 min``, ``3 min 20 s``, ``8 s``."""
    minutes, seconds = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def read_index(session, url, wanted):
    """MD5s of files in a published list, read in a stream.

    Parameters
    ----------
    session : requests.Session
    url : str
        ``md5sum``'s output, or a table of path, size, date and MD5 such as 1000 Genomes' ``current.tree``.
    wanted : list of str
        URLs of files.

    Returns
    -------
    dict of str to str
        URL -> MD5 of those it has: its path in the list must end that of the URL.

    Raises
    ------
    InputError
        The list cannot be had.
    """
    by_name = {}
    for file in wanted:
        by_name.setdefault(Path(urlsplit(file).path).name, []).append(file)
    found = {}
    try:
        with session.get(url, headers={"User-Agent": HEADERS["User-Agent"]}, stream=True, timeout=TIMEOUT_S) as answer:
            _check_status(url, answer)
            for line in answer.iter_lines(BLOCK):
                words = line.decode("utf-8", "replace").split()
                sums = [word for word in words if re.fullmatch(r"[0-9a-fA-F]{32}", word)]
                if len(sums) != 1:
                    continue
                for word in words:
                    path = word.lstrip("*").removeprefix("./")
                    for file in by_name.get(path.rsplit("/", 1)[-1], ()):
                        if urlsplit(file).path.endswith(f"/{path}"):
                            found[file] = sums[0].lower()
                if len(found) == len(set(wanted)):
                    break
    except requests.RequestException as error:
        raise failure(url, error) from None
    return found
