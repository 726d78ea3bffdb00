"""A measure of every defense under every threat, as a map."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Rectangle

from fedrobust.report.content import Content, Figure
from fedrobust.report.drawings import style
from fedrobust.report.scales import ABSENT, Scale, half

__all__ = ["heat_map"]

_DARK = 0.179  # the luminance below which white has more contrast than black
_LABELS = 1.5  # inches for the names of defenses
_LINE = 20  # points that a number such as 81.3 is underlined
_RISE = 0.05  # of a row, from its middle to that line
_UPRIGHT = 0.8  # inches that a column must have for its name to stand below it


def heat_map(content: Content, setting: int, key: str) -> Drawing | None:
    """Draw a measure that is a share; None where no cell of the setting has it."""
    cells = {(c.defense, c.threat): c for c in content.cells if c.setting == setting}
    found = {place: cell.figures.get(key) for place, cell in cells.items()}
    threats = sorted({place[1] for place, figure in found.items() if figure is not None})
    measure = next((m for m in content.measures if m.key == key), None)
    if not threats or measure is None:
        return None
    width = style.PAGE if len(threats) > 3 else style.COLUMN
    room = (width - _LABELS - 0.8) / len(threats)
    rows, columns = range(len(content.defenses)), range(len(threats))
    drawing = style.drawing(width, 1.5 + 0.34 * len(rows))
    axes = drawing.subplots()
    shades = ScalarMappable(Normalize(0, 1), style.scale(measure.better))
    best = _best(content, setting) if key == "score" else {}
    for row in rows:
        for at in columns:
            figure, order = found.get((row, threats[at])), best.get(threats[at], [])
            mark = "" if row not in order else "tied" if order.index(row) else "best"
            _cell(axes, at, row, figure, shades, mark)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(rows, [style.fitting(d.label, _LABELS) for d in content.defenses])
    names = [content.threats[t].label for t in threats]
    if room < _UPRIGHT:
        short = [style.fitting(name, 1.2) for name in names]
        axes.set_xticks(columns, short, rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(columns, [style.fitting(name, room - 0.1, lines=3) for name in names])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = drawing.colorbar(shades, ax=axes, aspect=12 + len(rows), pad=0.02)
    bar.outline.set_visible(False)
    style.percent(bar.ax, "y")
    marks = "; bold: best under a threat, underlined: not told apart" if best else ""
    title = f"{measure.title} in %, {measure.better} is better{marks}"
    style.titled(drawing, content, title, setting)
    return drawing


def _best(content: Content, setting: int) -> dict[int | None, list[int]]:
    """Return of each threat the best defense and those that tie with it."""
    return {line.threat: line.best for line in content.headlines if line.setting == setting}


def _cell(
    axes: Axes, x: int, y: int, figure: Figure | None, shades: ScalarMappable, mark: str
) -> None:
    corner = (x - 0.5, y - 0.5)
    if figure is None:
        axes.add_patch(Rectangle(corner, 1, 1, fc="none", ec=style.PALE, hatch="////"))
        axes.text(x, y, ABSENT, ha="center", va="center")
        return
    shade = style.shade(shades, figure.mean)
    axes.add_patch(Rectangle(corner, 1, 1, fc=shade, ec="white"))
    ink = "white" if _luminance(shade) < _DARK else "black"
    scale, reach = Scale.of("share", ()), half(figure)
    above = "center" if reach is None and mark != "tied" else "bottom"
    weight = "bold" if mark == "best" else "normal"
    axes.text(x, y, scale.write(figure.mean), color=ink, ha="center", va=above, weight=weight)
    if mark == "tied":
        axes.plot(x, y - _RISE, marker="_", color=ink, markersize=_LINE, markeredgewidth=0.7)
    if reach is not None:
        spread = f"±{scale.write(reach)}"
        axes.text(x, y, spread, color=ink, ha="center", va="top", size=style.SMALL)


def _luminance(color: Sequence[float]) -> float:
    """Return the relative luminance of red, green and blue, as WCAG 2.2 defines it."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3])
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
