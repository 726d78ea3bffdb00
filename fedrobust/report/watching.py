"""The report while its study runs: a page on this machine that only reads."""

import threading
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from fedrobust.report.content import Content
from fedrobust.report.gathering import content_of
from fedrobust.report.page import page
from fedrobust.results.rows import Status
from fedrobust.results.store import Store

__all__ = ["server"]

HOST = "127.0.0.1"


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of a folder's report, which serves nobody but this machine.

    Args:
        folder: where results lie.
        port: where to listen; 0 for any that is free.

    Raises:
        ConfigError, ResultsError: if there is nothing to report.
        OSError: if the port is taken.
    """
    report = _Report(folder)
    report.content()
    return ThreadingHTTPServer((HOST, port), partial(_Handler, report))


class _Report:
    """A report that is made anew when a run has begun or ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._state: list[tuple[str, Status]] | None = None
        self._content: Content | None = None

    def content(self) -> Content:
        """Return what there is to report now."""
        with self._lock:
            with Store(self._folder, create=False) as store:
                state = [(run.id, run.status) for run in store.runs()]
            if self._content is None or state != self._state:
                self._content, self._state = content_of(self._folder), state
            return self._content


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of two addresses; everything else is an error."""

    server_version = "fedrobust"
    sys_version = ""

    def __init__(self, report: _Report, *args: object) -> None:
        self._report = report
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """Send the page or its data."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what GET would, without its body."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        made: dict[str, tuple[str, Callable[[Content], str]]] = {
            "/": ("text/html", partial(page, live=True)),
            "/data.json": ("application/json", Content.json),
        }
        if not self._is_ours():  # a page elsewhere may have made its name point here
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = self.path.partition("?")[0]
        if path not in made:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind, make = made[path]
        text = make(self._report.content()).encode()
        tag = f'"{sha256(text).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == tag:
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.end_headers()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("ETag", tag)
        self.end_headers()
        if body:
            self.wfile.write(text)

    def _is_ours(self) -> bool:
        return urlsplit(f"//{self.headers.get('Host')}").hostname in (HOST, "localhost")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal is for people."""
