"""A panel for each threat, with a line for each defense."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from fedrobust.report.content import Content
from fedrobust.report.drawings import style

__all__ = ["panels"]

T = TypeVar("T")

_ABREAST = 4  # panels
_ENDS = (-0.02, 1.02)  # of an axis of shares


def panels(
    content: Content,
    setting: int,
    title: str,
    found: Mapping[tuple[int, int], T],
    line: Callable[[Axes, T, dict[str, Any]], Line2D],
    ground: Callable[[Axes], object] = lambda axes: None,
) -> Drawing | None:
    """Draw panels of one size, whose upright axes are shares; None where there is nothing.

    Args:
        content: what is reported.
        setting: of what.
        title: of the drawing.
        found: what there is to draw, by threat and defense.
        line: draws one of these, in the looks of its defense, and returns its line.
        ground: draws what lies below them.
    """
    threats = sorted({threat for threat, _ in found})
    if not threats:
        return None
    abreast = min(_ABREAST, len(threats))
    rows = -(-len(threats) // abreast)
    defenses = sorted({defense for _, defense in found})
    key = [style.fitting(content.defenses[d].label, 2.2) for d in defenses]
    width = style.PAGE if abreast > 1 else style.COLUMN
    drawing = style.drawing(width, 0.6 + 1.4 * rows, key)
    grid = drawing.subplots(rows, abreast, sharex=True, sharey=True, squeeze=False)
    lines = {}
    for at, axes in enumerate(grid.flat):
        if at >= len(threats):
            axes.remove()
            continue
        ground(axes)
        for (threat, defense), what in sorted(found.items(), key=lambda pair: pair[0]):
            if threat == threats[at]:
                lines[defense] = line(axes, what, _look(defense))
        name = content.threats[threats[at]].label
        axes.set_title(style.fitting(name, width / abreast - 0.3))
        axes.set_ylim(*_ENDS)
        style.percent(axes, "y")
        axes.grid(axis="y", color=style.PALE, linewidth=0.4)
        axes.tick_params(labelbottom=at + abreast >= len(threats))
    style.legend(drawing, [lines[d] for d in defenses], key)
    style.titled(drawing, content, title, setting)
    return drawing


def _look(defense: int) -> dict[str, Any]:
    return {
        "color": style.color(defense),
        "linestyle": style.dash(defense),
        "marker": style.marker(defense),
        "markevery": (0.04 * (defense % 5), 0.25),
        "markersize": 3,
    }
