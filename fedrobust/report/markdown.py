"""A report as Markdown."""

import re
from collections.abc import Iterable, Iterator

from fedrobust.report.content import Content
from fedrobust.report.grids import grids
from fedrobust.report.table import Entry, Table, notes_of
from fedrobust.report.tables import changes, costs, ranking
from fedrobust.report.tuning_table import tuning

__all__ = ["markdown"]

_SPECIAL = re.compile(r"[\\`*_\[\]|~$#]")
_LIST = re.compile(r"^(\d*)([+.)-])")  # what makes a paragraph an item


def markdown(content: Content) -> str:
    """Return the whole report as Markdown.

    Times are in its last section only: a rerun writes the same text before it.
    """
    return "\n\n".join(_parts(content)) + "\n"


def _parts(content: Content) -> Iterator[str]:
    yield f"# {_escaped(content.name)}"
    yield from (f"> {_paragraph(warning)}" for warning in content.warnings)
    for setting, option in enumerate(content.settings):
        yield f"## {_escaped(option.label) if len(content.settings) > 1 else 'Results'}"
        said = [line.text for line in content.headlines if line.setting == setting]
        if said:
            yield "\n".join(f"- {_paragraph(text)}" for text in said)
        yield from _each(ranking(content, setting))
        yield from _each(grids(content, setting))
    yield from _each(changes(content))
    yield "## Method"
    yield from (f"**{_escaped(title)}.** {_prose(text)}" for title, text in content.method)
    yield from _each(tuning(content))
    yield f"Hash of all final models: `{content.results_hash}`"
    yield "## Cost"
    for setting in range(len(content.settings)):
        yield from _each(costs(content, setting))


def _each(tables: Iterable[Table]) -> Iterator[str]:
    for table in tables:
        yield f"### {_escaped(table.title)}"
        yield _paragraph(table.caption)
        if table.rows:
            yield "\n".join(_lines(table))
        if notes := list(notes_of(table, "Italic")):
            yield "\n".join(f"- {_escaped(note)}" for note in notes)


def _lines(table: Table) -> Iterator[str]:
    yield _row(map(_escaped, table.header))
    yield _row("---:" if letter == "r" else ":---" for letter in table.align)
    yield from (_row(map(_entry, row)) for row in table.rows)


def _row(texts: Iterable[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _entry(entry: Entry) -> str:
    around = {"": "", "best": "**", "tied": "*"}[entry.mark]
    spread = f" ± {entry.spread}" if entry.spread else ""
    note = f" ({entry.note})" if entry.note else ""
    return f"{around}{_escaped(entry.text)}{around}{spread}{note}"


def _escaped(text: str) -> str:
    """Return text that Markdown shows as it is: no mark-up of it, and no HTML, takes effect."""
    line = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\g<0>", line)


def _prose(text: str) -> str:
    """Return text in which pairs of backticks go on meaning code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _escaped(text)
    return "".join(f"`{part}`" if at % 2 else _escaped(part) for at, part in enumerate(parts))


def _paragraph(text: str) -> str:
    return _LIST.sub(r"\1\\\2", _escaped(text.strip()))
