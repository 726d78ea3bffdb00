"""Which cell to draw where a drawing shows only one."""

from collections.abc import Callable

from fedrobust.report.content import Cell, Content

__all__ = ["about", "chosen"]


def chosen(content: Content, setting: int, shows: Callable[[Cell], bool]) -> Cell | None:
    """Return the cell of a setting, of those that show something, that says most.

    That is one with an attack, of the defense that stands best and is not the mean.
    """
    standings = [s for r in content.rankings if r.setting == setting for s in r.standings]
    place = {s.defense: at for at, s in enumerate(standings)}

    def order(cell: Cell) -> tuple[bool, bool, int, int, int]:
        calm, plain = content.threats[cell.threat].plain, content.defenses[cell.defense].plain
        return calm, plain, place.get(cell.defense, len(place)), cell.defense, cell.threat

    return min(
        (c for c in content.cells if c.setting == setting and shows(c)), key=order, default=None
    )


def about(content: Content, cell: Cell) -> str:
    """Return which cell it is, and which of its runs is drawn: the first."""
    defense, threat = content.defenses[cell.defense].label, content.threats[cell.threat].label
    return f"{defense} under {threat}, seed {cell.runs[0].seed}"
