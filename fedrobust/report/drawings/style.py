"""How every drawing looks: sizes of print, colours that all eyes tell apart, labels that fit.

Hues are in the order of Okabe and Ito, "Color Universal Design", 2008,
https://jfly.uni-koeln.de/color/, darkened for white paper.  Dashes and markers say the same as
colours.  All three are those of the report's page, place by place.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter

from fedrobust.report.content import Content

__all__ = [
    "COLORS",
    "COLUMN",
    "PAGE",
    "PALE",
    "SCALE",
    "applied",
    "color",
    "dash",
    "drawing",
    "fitting",
    "hatch",
    "legend",
    "marker",
    "percent",
    "scale",
    "shade",
    "titled",
]

COLUMN, PAGE = 3.4, 7.0  # inches: a column and the width of a paper's page
PALE = "#d9d9d9"
SMALL = 7  # points; all else has 8

COLORS = ["#0a66a8", "#c24a00", "#00795a", "#a83e86", "#8a6a00", "#1f8fc4", "#565f69", "#5f4bb6"]
SCALE = ["#f6efdc", "#6fb3ae", "#0d3b5c"]  # from the worst to the best
_DASHES: list[str | tuple[int, tuple[int, int]]] = ["-", "--", ":", "-.", (0, (8, 2))]
_MARKERS = ["o", "s", "D", "^", "P", "*", "h"]
_HATCHES = ["", "////", "||||", "xxxx", "----", "\\\\\\\\", "++++"]
_LETTER = 0.07  # inches that a letter of 8 points takes, on average
_RULES: dict[Any, Any] = {
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 8,
    "hatch.linewidth": 0.4,
    "image.interpolation": "nearest",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 4,
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "savefig.dpi": 300,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "fedrobust",  # the same names within a file whenever it is written
    "text.parse_math": False,  # a dollar sign in a label is one
    "xtick.labelsize": 8,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 8,
    "ytick.major.width": 0.6,
}


@contextmanager
def applied() -> Iterator[None]:
    """Draw so within: nothing of a user's own settings, and nothing of ours afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a viewer of the SVG has others
        mpl.rcdefaults()
        mpl.rcParams.update(_RULES)
        yield


def drawing(width: float, height: float, key: Sequence[str] = ()) -> Drawing:
    """Return an empty drawing, whose parts make room for each other.

    Args:
        width: of it, in inches.
        height: of it, in inches, without its legend.
        key: labels of the legend that it will have.
    """
    columns = _columns(key, width)
    lines = [label.count("\n") + 1 for label in key]
    depth = -(-len(key) // columns)  # a legend fills its columns one by one
    tallest = max((sum(lines[at : at + depth]) for at in range(0, len(key), depth or 1)), default=0)
    return Drawing(figsize=(width, height + 0.165 * tallest), layout="constrained")


def color(place: int) -> str:
    """Return the colour of the defense, phase or role at that place."""
    return COLORS[place % len(COLORS)]


def dash(place: int) -> str | tuple[int, tuple[int, int]]:
    """Return its dash, which differs from others of the same colour."""
    return _DASHES[place % len(_DASHES)]


def marker(place: int) -> str:
    """Return its marker."""
    return _MARKERS[place % len(_MARKERS)]


def hatch(place: int) -> str:
    """Return its hatching."""
    return _HATCHES[place % len(_HATCHES)]


def scale(better: str) -> Colormap:
    """Return the colours of numbers of which the "higher" or the "lower" are better."""
    found = LinearSegmentedColormap.from_list("worst to best", SCALE)
    return found.reversed() if better == "lower" else found


def shade(shades: ScalarMappable, value: float) -> list[float]:
    """Return red, green, blue and opacity of a value, from 0 to 1."""
    found: list[float] = shades.to_rgba(np.asarray([value]))[0].tolist()
    return found


def fitting(text: str, inches: float, lines: int = 2) -> str:
    """Return a label in as many lines as it may have; what does not fit ends in an ellipsis."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    width = max(4, int(inches / _LETTER))
    found = wrap(plain, width)
    if len(found) > lines:
        found = [*found[: lines - 1], f"{found[lines - 1][: width - 1].rstrip()}…"]
    return "\n".join(found)


def titled(on: Drawing, content: Content, text: str, setting: int) -> None:
    """Say above a drawing what it shows, and in which setting where there are several."""
    of = f" ({content.settings[setting].label})" if len(content.settings) > 1 else ""
    inches = on.get_figwidth() - 0.2
    on.suptitle(fitting(text + of, inches), x=0.02, ha="left", fontsize=8, fontweight="bold")


def percent(axes: Axes, which: str) -> None:
    """Write the ticks of an axis, or of "both", as percentages without a sign."""
    for axis in (axes.xaxis, axes.yaxis):
        if which in (axis.axis_name, "both"):
            axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g}"))


def legend(on: Drawing, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Explain signs below a drawing, in as many columns as its width holds."""
    columns = _columns(labels, on.get_figwidth())
    on.legend(handles, labels, loc="outside lower center", ncols=columns)


def _columns(labels: Sequence[str], width: float) -> int:
    longest = max((len(line) for label in labels for line in label.split("\n")), default=0)
    return max(1, int((width - 0.1) / (longest * _LETTER + 0.55)))
