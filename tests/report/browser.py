"""A real browser that looks at a report's page, and complains of what the page must never do."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fedrobust.report.page import page

__all__ = ["Server", "chromium", "coloured", "contrast", "looking_at", "rgb", "saved"]

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
OF_THE_PAGE_ITSELF = ("file:", "data:", "blob:")


@contextmanager
def chromium():
    """Yield a browser, or skip the test where there is none."""
    reason = "the page is tried in a browser: `pip install playwright`"
    playwright = pytest.importorskip("playwright.sync_api", reason=reason)
    place = shutil.which("chromium") or shutil.which("chromium-browser")
    if place is None:
        pytest.skip("the page is tried in a browser: install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=place, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def looking_at(browser, address, width=1280, theme="light", clock=False, allowed=()) -> Iterator:
    """Yield an open page; afterwards, nothing may have gone wrong on it.

    Args:
        browser: as `chromium` yields.
        address: of the page.
        width: of the window, in pixels.
        theme: "light" or "dark": what the reader's system prefers.
        clock: stop the page's clock, so that the test moves it.
        allowed: beginnings of addresses that the page may ask for.
    """
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    wrong: list[str] = []
    tab = context.new_page()
    tab.on("console", lambda message: wrong.append(f"console {message.type}: {message.text}"))
    tab.on("pageerror", lambda error: wrong.append(f"exception: {error.stack}"))
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    if clock:
        tab.clock.install()
    tab.goto(address)
    tab.wait_for_selector("#method")
    yield tab
    context.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith((*OF_THE_PAGE_ITSELF, *allowed))] == []


class Server:
    """Serves a page and its data at 127.0.0.1, in a thread.

    Attributes:
        texts: what lies at which path; None is answered with an error.
        address: of the server, ending in "/".
    """

    def __init__(self, texts):
        self.texts = texts
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                kind, text = outer.texts.get(self.path, ("text/plain", None))
                body = (text or "").encode()
                self.send_response(404 if text is None else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def coloured(tab):
    """Return each text that a reader sees: its beginning, its colour, the colour it lies on."""
    return tab.evaluate(
        """() => {
          const ground = (node) => {
            const colour = getComputedStyle(node).backgroundColor;
            const clear = colour === "rgba(0, 0, 0, 0)";
            return clear && node.parentElement ? ground(node.parentElement) : colour;
          };
          return [...document.querySelectorAll("body *")]
            .filter((n) => [...n.childNodes].some((c) => c.nodeType === 3 && c.data.trim()))
            .filter((n) => n.checkVisibility() && !n.closest("svg"))
            .map((n) => [n.textContent.slice(0, 40), getComputedStyle(n).color, ground(n)]);
        }"""
    )


def rgb(text):
    """Return the three channels of a colour as browsers write it: `rgb(1, 2, 3)`."""
    return [float(part) for part in text[text.index("(") + 1 : -1].split(",")[:3]]


def contrast(one, other):
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(channels):
    shares = [value / 255 for value in channels]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def saved(content, folder):
    """Write a page into a folder, and return its address."""
    path = folder / "report.html"
    path.write_text(page(content), encoding="utf-8")
    return path.as_uri()
