"""A table before any format."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

from fedrobust.report.content import Content, Figure
from fedrobust.report.scales import ABSENT, Scale, half
from fedrobust.report.statistics import best_of

__all__ = ["Entry", "Table", "column", "letters", "named", "notes_of", "spread_note", "titled"]

Mark = Literal["", "best", "tied"]


@dataclass(frozen=True)
class Entry:
    """What stands at one place of a table."""

    text: str
    spread: str = ""  # how far the interval reaches on either side
    mark: Mark = ""  # "tied": it cannot be told from the best
    note: str = ""  # the letter of the note about it


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        name: of its file: lower-case letters, digits and underscores.
        title: what it shows, in which unit and setting.
        caption: a sentence about it.
        header: of each column.
        align: of each column a letter: "l" for text, "r" for figures.
        rows: all as long as the header; none where a sentence says it all, which is the caption.
        notes: below it, each a sentence.
        best: what is bold.
    """

    name: str
    title: str
    caption: str
    header: list[str]
    align: str
    rows: list[list[Entry]]
    notes: list[str]
    best: str = "the best of its column"


def notes_of(table: Table, tied: str) -> Iterator[str]:
    """Yield what stands below a table, what its marks mean first.

    Args:
        table: the table.
        tied: how a format shows what cannot be told from the best, such as "Underlined".
    """
    marks = {entry.mark for row in table.rows for entry in row}
    if "best" in marks:
        yield f"Bold: {table.best}."
    if "tied" in marks:
        yield f"{tied}: cannot be told from it."
    yield from table.notes


def letters(reasons: Iterable[str]) -> dict[str, str]:
    """Return a letter for each different reason that is not empty."""
    known = dict.fromkeys(reason for reason in reasons if reason)
    return {why: ascii_lowercase[at % 26] * (at // 26 + 1) for at, why in enumerate(known)}


def column(
    figures: Sequence[Figure | None],
    scale: Scale,
    better: str,
    rivals: Sequence[bool] | None = None,
    notes: Sequence[str] | None = None,
) -> list[Entry]:
    """Return figures as they stand below each other, the best of them marked.

    Args:
        figures: one a row; None where there is none.
        scale: how to write them.
        better: "higher", "lower", or "" where none is best.
        rivals: which may be best; all, if not given.
        notes: the letter of each one's note.
    """
    fair = [figure if rivals is None or rivals[at] else None for at, figure in enumerate(figures)]
    marks = _marks(fair, better)
    letters = notes or [""] * len(figures)
    return [
        Entry(ABSENT, note=letter)
        if figure is None
        else Entry(scale.write(figure.mean), _spread(figure, scale), mark, letter)
        for figure, mark, letter in zip(figures, marks, letters, strict=True)
    ]


def spread_note(figures: Iterable[Figure | None]) -> Iterator[str]:
    """Yield what follows a plus-minus sign, where any figure has an interval."""
    seeds = [len(f.each) for f in figures if f is not None and half(f) is not None]
    if seeds:
        yield f"±: how far a 95 % confidence interval over {max(seeds)} seeds reaches."


def named(content: Content, stem: str, setting: int) -> str:
    """Return what a table of a setting is called, as a file."""
    return stem if len(content.settings) == 1 else f"{stem}_{setting + 1}"


def titled(content: Content, stem: str, setting: int) -> str:
    """Return the title of a table of a setting."""
    return stem if len(content.settings) == 1 else f"{stem} ({content.settings[setting].label})"


def _spread(figure: Figure, scale: Scale) -> str:
    reach = half(figure)
    return "" if reach is None else scale.write(reach)


def _marks(figures: Sequence[Figure | None], better: str) -> list[Mark]:
    """Return which is best and which cannot be told from it; none where all are the same."""
    marks: list[Mark] = [""] * len(figures)
    known = {at: figure for at, figure in enumerate(figures) if figure is not None}
    if not better or len({figure.mean for figure in known.values()}) < 2:
        return marks
    sign = 1 if better == "higher" else -1
    verdict = best_of({at: [sign * value for value in f.each] for at, f in known.items()})
    marks[verdict.best] = "best"
    for tie in verdict.ties:
        marks[tie] = "tied"
    return marks
