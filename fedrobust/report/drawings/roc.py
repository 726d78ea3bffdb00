"""How suspicions set malicious updates apart from honest ones, threat beside threat."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from fedrobust.report.clients import Roc
from fedrobust.report.content import Content
from fedrobust.report.drawings import style
from fedrobust.report.drawings.panels import panels

__all__ = ["roc"]


def roc(content: Content, setting: int) -> Drawing | None:
    """Draw a curve of every defense that judges clients; None where there is none."""
    cells = [cell for cell in content.cells if cell.setting == setting and cell.roc is not None]
    found = {(cell.threat, cell.defense): cell.roc for cell in cells if cell.roc is not None}
    seeds = sorted({cell.runs[0].seed for cell in cells})
    title = (
        "Detection: malicious updates flagged, in %, against honest ones, in %; "
        f"seed {', '.join(map(str, seeds))}"
    )
    return panels(content, setting, title, found, _line, _chance)


def _line(axes: Axes, found: Roc, look: dict[str, Any]) -> Line2D:
    (line,) = axes.plot(found.honest, found.malicious, clip_on=False, **look)
    return line


def _chance(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color="black", lw=0.6, ls=":", zorder=1)
    style.percent(axes, "x")
