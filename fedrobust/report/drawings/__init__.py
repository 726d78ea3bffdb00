"""Drawings of a report, for papers: SVG and PDF."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO

from matplotlib.figure import Figure as Drawing

from fedrobust.report.content import Content
from fedrobust.report.drawings import style
from fedrobust.report.drawings.costs import costs
from fedrobust.report.drawings.curves import curves
from fedrobust.report.drawings.fairness import fairness
from fedrobust.report.drawings.heat_map import heat_map
from fedrobust.report.drawings.ranks import ranks
from fedrobust.report.drawings.reputation import gain, reputation
from fedrobust.report.drawings.robustness import robustness
from fedrobust.report.drawings.roc import roc
from fedrobust.report.drawings.split import split
from fedrobust.report.drawings.timeline import timeline

__all__ = ["DRAWINGS", "drawings", "drawn"]

_PATH = re.compile(rb'<path\b[^>]*? d="[^"]*"')
_DECIMALS = re.compile(rb"(\.\d\d)\d+")  # points beyond hundredths no printer shows

DRAWINGS: dict[str, Callable[[Content, int], Drawing | None]] = {
    **{
        f"heat_map_{key}": partial(heat_map, key=key)
        for key in ("score", "accuracy", "attack_success")
    },
    **{f"curves_{name}": partial(curves, name=name) for name in ("accuracy", "attack_success")},
    "ranks": ranks,
    "robustness": robustness,
    "detection": roc,
    "fairness": fairness,
    "reputation": partial(reputation, what="reputation"),
    "reward": partial(reputation, what="quota"),
    "gain": gain,
    "timeline": timeline,
    "costs": costs,
    "split": split,
}


def drawings(content: Content) -> Iterator[tuple[str, Drawing]]:
    """Yield every drawing that there is something for, by name, setting by setting."""
    for setting in range(len(content.settings)):
        end = f"_{setting + 1}" if len(content.settings) > 1 else ""
        for name, draw in DRAWINGS.items():
            with style.applied():
                found = draw(content, setting)
            if found is not None:
                yield f"{name}{end}", found


def drawn(drawing: Drawing, format: str) -> bytes:
    """Return a drawing as "svg" or "pdf"; the same bytes whenever it is drawn."""
    file = BytesIO()
    date = "Date" if format == "svg" else "CreationDate"
    with style.applied():
        drawing.savefig(file, format=format, metadata={date: None})
    data = file.getvalue()
    return _PATH.sub(_shortened, data) if format == "svg" else data


def _shortened(path: re.Match[bytes]) -> bytes:
    return _DECIMALS.sub(rb"\1", path[0])
