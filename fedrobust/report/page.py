"""A report as one page of HTML that needs neither a network nor anything beside it.

The page's content lies in it as JSON, and its scripts draw everything from that: text of a study
becomes text on the page, whatever it holds.  The browser runs these scripts and no others, because
the page names their hashes as all that it permits (Content Security Policy).
"""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files

from fedrobust.report.content import Content

__all__ = ["page"]

_STYLES = ("colours", "style", "words", "tables", "figures", "print")
_SCRIPTS = (
    "dom",
    "content",
    "format",
    "state",
    "theme",
    "copying",
    "tables",
    "figures",
    "scale",
    "key",
    "filters",
    "edges",
    "opening",
    "headlines",
    "ranking",
    "critical",
    "heatmap",
    "curves",
    "placing",
    "scatter",
    "roc",
    "fairness",
    "reputation",
    "timeline",
    "cost",
    "split",
    "changes",
    "tuning",
    "details",
    "live",
    "main",  # last: it starts what the others define
)


def page(content: Content, *, live: bool = False) -> str:
    """Return a report's page.

    Args:
        content: what it says.
        live: the page asks for `data.json` beside it every few seconds, and shows what that says.
    """
    plotly = files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    script = "\n".join(_part(f"{name}.js") for name in _SCRIPTS)
    parts = {
        "policy": _policy([plotly, script], live),
        "live": "data-live" if live else "",
        "title": escape(content.name),
        "style": "\n".join(_part(f"{name}.css") for name in _STYLES),
        "data": content.json().replace("<", "\\u003c"),
        "plotly": plotly,
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _part("page.html"))


def _part(name: str) -> str:
    return files("fedrobust.report").joinpath("page", name).read_text(encoding="utf-8")


def _policy(scripts: list[str], live: bool) -> str:
    hashes = (b64encode(sha256(text.encode()).digest()).decode() for text in scripts)
    rules = [
        "default-src 'none'",
        "script-src " + " ".join(f"'sha256-{value}'" for value in hashes),
        "style-src 'unsafe-inline'",  # plotly writes style attributes
        "img-src data: blob:",
        *(["connect-src 'self'"] if live else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)
