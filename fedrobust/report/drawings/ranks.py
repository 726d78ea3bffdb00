"""Which defenses rank apart beyond chance: a critical-difference diagram.

Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 7, 2006, Figure 1.
"""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fedrobust.report.content import Content, Ranking
from fedrobust.report.drawings import style

__all__ = ["ranks"]

_LABELS = 1.9  # inches for names on either side
_LINE = 0.3  # inches from one name to the next
_BAR = 0.12  # inches from one group's bar to the next


def ranks(content: Content, setting: int) -> Drawing | None:
    """Draw mean ranks and what joins them; None where too few ranks allow no test."""
    found = next((r for r in content.rankings if r.setting == setting), None)
    if found is None or found.critical is None:
        return None
    places = {s.defense: s.rank for s in found.standings if s.rank is not None}
    order = sorted(places, key=lambda defense: (places[defense], defense))
    left = -(-len(order) // 2)
    depth = _BAR * len(found.groups) + 0.2
    height = 0.95 + depth + _LINE * left
    drawing = Drawing(figsize=(style.PAGE, height))
    axes = drawing.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, style.PAGE), ylim=(-height + 0.95, 0.95))
    axes.axis("off")

    def across(rank: float) -> float:
        return _LABELS + (rank - 1) / (len(order) - 1) * (style.PAGE - 2 * _LABELS)

    _ruler(axes, len(order), found.critical, across)
    _bars(axes, found, places, across)
    for at, defense in enumerate(order):
        first = at < left
        line = at if first else len(order) - 1 - at
        x, y = across(places[defense]), -depth - _LINE * line
        end = _LABELS - 0.15 if first else style.PAGE - _LABELS + 0.15
        color, marker = style.color(defense), style.marker(defense)
        axes.plot([x, x, end], [0, y, y], color=color, lw=0.9, marker=marker, markevery=[2])
        label = style.fitting(content.defenses[defense].label, _LABELS - 0.3)
        side = -0.05 if first else 0.05
        axes.text(end + side, y, label, ha="right" if first else "left", va="center")
    axes.text(0.12, 0.87, _title(content, setting, found), va="top", weight="bold")
    return drawing


def _ruler(axes: Axes, last: int, critical: float, across: Callable[[float], float]) -> None:
    axes.plot([across(1), across(last)], [0, 0], color="black", lw=0.8)
    for rank in range(1, last + 1):
        axes.plot([across(rank)] * 2, [0, 0.06], color="black", lw=0.8)
        axes.text(across(rank), 0.09, str(rank), ha="center")
    ends = [across(1), across(1 + critical)]
    axes.plot(ends, [0.36, 0.36], color="black", lw=1.2, marker="|")
    axes.text(ends[1] + 0.08, 0.36, f"critical difference {critical:.2f}", va="center")


def _bars(
    axes: Axes, found: Ranking, places: dict[int, float], across: Callable[[float], float]
) -> None:
    for at, group in enumerate(found.groups, start=1):
        ends = [across(min(places[d] for d in group)), across(max(places[d] for d in group))]
        axes.plot([ends[0] - 0.04, ends[1] + 0.04], [-_BAR * at] * 2, color="black", lw=2.5)


def _title(content: Content, setting: int, found: Ranking) -> str:
    of = f" ({content.settings[setting].label})" if len(content.settings) > 1 else ""
    text = f"Mean ranks over {found.attacks} attacks, 1 is best{of}"
    return style.fitting(text, style.PAGE - 0.3, lines=1)
