"""The tables of defenses by threats, one a measure."""

from collections.abc import Iterator, Mapping

from fedrobust.report.content import Cell, Content, Figure, Measure
from fedrobust.report.scales import Scale
from fedrobust.report.table import Entry, Table, column, letters, named, spread_note, titled

__all__ = ["grids"]

Figures = Mapping[tuple[int, int], Figure | None]  # by defense and threat
Cells = Mapping[tuple[int, int], Cell]

_REFERENCE = "What the others are compared with."


def grids(content: Content, setting: int) -> Iterator[Table]:
    """Yield a table of defenses by threats for each measure that a setting's cells have.

    Measures that are the same in all cells are told in one sentence, in a table without rows.
    """
    cells = {(c.defense, c.threat): c for c in content.cells if c.setting == setting}
    alike = []
    for measure in content.measures:
        found = {place: cell.figures.get(measure.key) for place, cell in cells.items()}
        known = [figure for figure in found.values() if figure is not None]
        scale = Scale.of(measure.unit, (figure.mean for figure in known))
        values = {scale.told(value) for figure in known for value in figure.each}
        if len(known) > 1 and len(values) == 1:
            alike.append(f"{measure.title}: {values.pop()}.")
        elif known:
            yield _grid(content, measure, scale, setting, cells, found)
    if alike:
        name, title = named(content, "alike", setting), "The same in all cells"
        yield Table(name, titled(content, title, setting), " ".join(alike), [], "", [], [])


def _grid(
    content: Content, measure: Measure, scale: Scale, setting: int, cells: Cells, found: Figures
) -> Table:
    defenses = _having(cells, found, len(content.defenses), side=0)
    threats = _having(cells, found, len(content.threats), side=1)
    why = {(d, t): _why(cells.get((d, t))) for d in defenses for t in threats}
    if measure.key == "lost":
        why |= dict.fromkeys(_references(content, found), _REFERENCE)
    signs = letters(why.values())
    columns = [
        column(
            [found.get((d, t)) for d in defenses],
            scale,
            measure.better,
            rivals=[not why[d, t] for d in defenses],
            notes=[signs.get(why[d, t], "") for d in defenses],
        )
        for t in threats
    ]
    return Table(
        name=named(content, measure.key, setting),
        title=titled(content, f"{measure.title}{scale.of_unit()}", setting),
        caption=measure.explain,
        header=["Defense", *(content.threats[t].label for t in threats)],
        align="l" + "r" * len(threats),
        rows=[
            [Entry(content.defenses[d].label), *(entries[at] for entries in columns)]
            for at, d in enumerate(defenses)
        ],
        notes=[
            *(f"{letter}: {reason}" for reason, letter in signs.items()),
            *spread_note(found.values()),
        ],
    )


def _having(cells: Cells, found: Figures, count: int, side: int) -> list[int]:
    """Return the rows or columns of a grid, without those known not to have its measure."""
    lacking = {place[side] for place, cell in cells.items() if cell.runs}
    having = {place[side] for place, figure in found.items() if figure is not None}
    return [option for option in range(count) if option in having or option not in lacking]


def _why(cell: Cell | None) -> str:
    if cell is None:
        return "There is no such run."
    return (
        "" if cell.state == "done" else f"{cell.why or f'This is {cell.state}'}".rstrip(".") + "."
    )


def _references(content: Content, found: Figures) -> list[tuple[int, int]]:
    """Return the cells from which lost accuracy counts: others have none by chance."""
    undefended = {d for d, option in enumerate(content.defenses) if option.plain}
    return [
        (d, t)
        for (d, t), figure in found.items()
        if figure and content.threats[t].plain and d in (undefended or {d}) and not any(figure.each)
    ]
