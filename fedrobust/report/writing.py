"""A report in a folder: its page, and beside it Markdown, CSV, LaTeX and drawings."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from fedrobust.report.content import Content
from fedrobust.report.csv_files import csv_files
from fedrobust.report.drawings import DRAWINGS, drawings, drawn
from fedrobust.report.latex import latex
from fedrobust.report.markdown import markdown
from fedrobust.report.page import page
from fedrobust.results.database import complaints

__all__ = ["write"]


def write(content: Content, folder: Path) -> list[Path]:
    """Write everything about a report, each file in place of the one that is there.

    Files that an earlier report of more settings or measures left are removed; others stay.

    Returns:
        The paths written; the page is the first.

    Raises:
        ResultsError: if a file cannot be written.
    """
    written = []
    for name, data in _files(content):
        path = folder / name
        with complaints(path, "written"):
            put(path, data)
        written.append(path)
    for path in set(_ours(content, folder)) - set(written):
        with complaints(path, "removed"):
            path.unlink()
    return written


def put(path: Path, data: bytes) -> None:
    """Write a file in its folder, made if need be; a reader sees the old file or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        part.write_bytes(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _files(content: Content) -> Iterator[tuple[str, bytes]]:
    yield "report.html", page(content).encode()
    yield "report.md", markdown(content).encode()
    for name, text in csv_files(content).items():
        yield f"csv/{name}", text.encode()
    for name, text in latex(content).items():
        yield f"latex/{name}", text.encode()
    for name, drawing in drawings(content):
        for format in ("svg", "pdf"):
            yield f"figures/{name}.{format}", drawn(drawing, format)


def _ours(content: Content, folder: Path) -> Iterator[Path]:
    """Yield the files in a folder that a report of any number of settings would have."""
    measures = [measure.key for measure in content.measures]
    tables = "|".join(map(re.escape, ["ranking", "costs", "changes", "tuning", *measures]))
    known = {
        "csv": re.compile(r"(changes|tuning)\.csv"),
        "latex": re.compile(rf"({tables})(_\d+)?\.tex"),
        "figures": re.compile(rf"({'|'.join(DRAWINGS)})(_\d+)?\.(svg|pdf)"),
    }
    for place, pattern in known.items():
        yield from (path for path in (folder / place).glob("*") if pattern.fullmatch(path.name))
