"""How a share went round by round, threat beside threat."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from fedrobust.report.content import Band, Content
from fedrobust.report.drawings.panels import panels

__all__ = ["curves"]

_TITLES = {"accuracy": "Accuracy in % by round", "attack_success": "Attack success in % by round"}


def curves(content: Content, setting: int, name: str) -> Drawing | None:
    """Draw a curve of every defense, with the extremes of its seeds; None where there is none."""
    found = {
        (c.threat, c.defense): c.curves[name]
        for c in content.cells
        if c.setting == setting and name in c.curves
    }
    return panels(content, setting, _TITLES[name], found, _line)


def _line(axes: Axes, band: Band, look: dict[str, Any]) -> Line2D:
    axes.fill_between(band.rounds, band.low, band.high, color=look["color"], alpha=0.15, lw=0)
    (line,) = axes.plot(band.rounds, band.mean, **look)
    return line
