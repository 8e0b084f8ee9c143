"""A web server in a thread that behaves well or badly, as a test asks, and runs that fetch from it."""

import base64
import hashlib
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from gcamccl.resources import fetch, lock, manifest, transfer


class Site:
    """Files and habits of a server, and what it was asked.

    Attributes
    ----------
    files : dict of str to bytes
        By path, e.g. ``/a.txt``.
    cut_after : list of int
        Bytes after which the coming answers break off, one number an answer.
    ranges, validators, head, length : bool
        Whether it heeds Range, sends ETag and Last-Modified, answers HEAD, and says lengths.
    goog_md5 : dict of str to str
        MD5 (hex) it states, by path; ``right``: the true one.
    status : dict of str to list of int
        Statuses of the coming GETs, by path.
    asked : list of tuple
        (method, path, Range header or None).
    """

    def __init__(self):
        self.files, self.cut_after, self.goog_md5, self.status, self.asked = {}, [], {}, {}, []
        self.ranges = self.validators = self.head = self.length = True
        self.ignore_if_range = False
        self.after_cut = None


def etag(data):
    """Strong ETag of some content."""
    return f'"{hashlib.sha1(data, usedforsecurity=False).hexdigest()[:12]}"'


def handler(site):
    """Request handler class for a site."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words):
            """Say nothing."""

        def do_HEAD(self):
            site.asked.append(("HEAD", self.path, None))
            if not site.head:
                return self._end(405)
            if self.path not in site.files:
                return self._end(404)
            return self._headers(200, site.files[self.path], len(site.files[self.path]))

        def do_GET(self):
            wanted = self.headers.get("Range")
            site.asked.append(("GET", self.path, wanted))
            if site.status.get(self.path):
                return self._end(site.status[self.path].pop(0))
            if self.path not in site.files:
                return self._end(404)
            data, start = site.files[self.path], 0
            same = site.ignore_if_range or self.headers.get("If-Range") in (None, etag(data))
            if wanted and site.ranges and same:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                if start >= len(data):
                    return self._end(416)
            body = data[start:]
            self._headers(206 if start else 200, data, len(body), start)
            if site.cut_after:
                self.wfile.write(body[: site.cut_after.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                if site.after_cut:
                    site.after_cut()
                return self.connection.shutdown(2)
            self.wfile.write(body)
            return None

        def _end(self, status):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _headers(self, status, data, length, start=0):
            self.send_response(status)
            if site.length:
                self.send_header("Content-Length", str(length))
            else:
                self.send_header("Connection", "close")
                self.close_connection = True
            if status == 206:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if site.validators:
                self.send_header("ETag", etag(data))
            stated = site.goog_md5.get(self.path)
            if stated:
                md5 = hashlib.md5(data).hexdigest() if stated == "right" else stated
                self.send_header("x-goog-hash", "crc32c=AAAAAA==")
                self.send_header("x-goog-hash", f"md5={base64.b64encode(bytes.fromhex(md5)).decode()}")
            self.end_headers()

    return Handler


@contextmanager
def serving(site):
    """Serve a site; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(site))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


DATA = "".join(f"{number} {number + 100} {number + 200} GENE{number}\n" for number in range(3000)).encode()
CHECK = {"kind": "table", "separator": None, "fields": 4, "min_rows": 3000}


@pytest.fixture
def site():
    site = Site()
    with serving(site) as address:
        site.address = address
        yield site


@pytest.fixture
def session(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer, "BLOCK", 100)  # the files here are small
    with requests.Session() as session:
        yield session


def resource(site, file="genes/list", **changes):
    values = {
        "group": "test",
        "file": file,
        "urls": (f"{site.address}/{Path(file).name}",),
        "size_mb": None,
        "md5": None,
        "index": None,
        "check": CHECK,
    }
    return manifest.Resource(**(values | changes))


class Run:
    """Fetches into a folder and keeps what was said."""

    def __init__(self, folder, session):
        self.folder, self.session, self.lines = folder, session, []

    def __call__(self, *wanted, **options):
        self.lines.clear()
        return fetch.fetch_all(wanted, self.folder, self.session, say=self.lines.append, pause_s=0.001, **options)

    def files(self):
        """Files in the folder but for the run's own ones."""
        names = (str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
        return sorted(set(names) - {lock.NAME, ".running"})

    def entry(self, name):
        return lock.Lock(self.folder).entries[name]


@pytest.fixture
def run(tmp_path, session):
    return Run(tmp_path / "with a blank", session)


def gets(site):
    return [asked[2] for asked in site.asked if asked[0] == "GET"]
