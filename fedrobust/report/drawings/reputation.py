"""What a rule that keeps reputations thought of clients, and what the federation gave them."""

from math import nan
from typing import Any, Literal

from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from fedrobust.report.clients import Reputations
from fedrobust.report.content import Cell, Content
from fedrobust.report.drawings import style
from fedrobust.report.drawings.chosen import about, chosen

__all__ = ["gain", "reputation"]

_PLACES = {"honest": 0, "malicious": 1}  # of their colours, dashes and markers
_SIGNS = {"honest": "o", "malicious": "X"}
_TITLES = {"reputation": "Reputation over time", "quota": "Reward over time"}
_AXES = {"reputation": "Share of all reputation, in %", "quota": "Share of the aggregate, in %"}


def reputation(
    content: Content, setting: int, what: Literal["reputation", "quota"]
) -> Drawing | None:
    """Draw a line a client, which ends at zero where it is removed.

    None where no rule of the setting keeps reputations, or rewards clients by them.
    """
    cell = chosen(content, setting, lambda cell: _has(cell, what))
    if cell is None or cell.reputations is None or cell.clients is None:
        return None
    found = cell.reputations
    roles = [_kind(role) for role in found.role]
    signs = {role: Line2D([], [], **_look(role)) for role in _PLACES if role in roles}
    lines = found.reputation if what == "reputation" else found.quota
    ends = _ends(cell, found)
    shown = [_until(line, end) for line, end in zip(lines, ends, strict=True)]
    if any(end is not None for end in ends):
        signs["removed"] = Line2D([], [], color="black", marker="X", linestyle="none")
    drawing = style.drawing(style.COLUMN, 2.7, list(signs))
    axes = drawing.subplots()
    for role, values, end in zip(roles, shown, ends, strict=True):
        axes.plot(
            found.rounds[: len(values)],
            values,
            **_look(role),
            marker="" if end is None else "X",
            markevery=[len(values) - 1],
            clip_on=False,
        )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("round")
    axes.set_ylabel(_AXES[what])
    style.percent(axes, "y")
    style.legend(drawing, list(signs.values()), list(signs))
    style.titled(drawing, content, f"{_TITLES[what]}: {about(content, cell)}", setting)
    return drawing


def gain(content: Content, setting: int) -> Drawing | None:
    """Draw the accuracy of each client's own model against what the client reaches alone.

    None where no client has both.
    """
    cell = chosen(content, setting, lambda cell: bool(_pairs(cell)))
    if cell is None:
        return None
    pairs = _pairs(cell)
    ends = [
        end(value for own in pairs.values() for pair in own for value in pair) for end in (min, max)
    ]
    key = [*pairs, "no gain"]
    drawing = style.drawing(style.COLUMN, 2.9, key)
    axes = drawing.subplots()
    (even,) = axes.plot(ends, ends, color="black", lw=0.6, ls=":", zorder=1)
    signs = [
        axes.scatter(
            [x for x, _ in own],
            [y for _, y in own],
            color=style.color(_PLACES[role]),
            marker=_SIGNS[role],
            s=22,
            alpha=0.8,
            linewidths=0,
        )
        for role, own in pairs.items()
    ]
    axes.set_xlabel("Accuracy alone, in %")
    axes.set_ylabel("Accuracy of its own model, in %")
    style.percent(axes, "both")
    style.legend(drawing, [*signs, even], key)
    title = f"With and without the federation: {about(content, cell)}"
    style.titled(drawing, content, title, setting)
    return drawing


def _has(cell: Cell, what: str) -> bool:
    found = cell.reputations
    return found is not None and any(v is not None for line in getattr(found, what) for v in line)


def _kind(role: str) -> str:
    return "honest" if role == "honest" else "malicious"


def _look(role: str) -> dict[str, Any]:
    place = _PLACES[role]
    return {"color": style.color(place), "linestyle": style.dash(place), "lw": 0.9, "alpha": 0.8}


def _ends(cell: Cell, found: Reputations) -> list[int | None]:
    """Return at which of the rounds shown each client has been removed; None if it was not."""
    clients = cell.clients
    assert clients is not None
    removed = dict(zip(clients.client, clients.removed, strict=True))
    places = []
    for client in found.client:
        when = removed.get(client)
        later = (at for at, round in enumerate(found.rounds) if when is not None and round >= when)
        places.append(next(later, None))
    return places


def _until(line: list[float | None], end: int | None) -> list[float]:
    """Return the values of a line up to a place; NaN where there is none."""
    return [nan if v is None else v for v in line[: len(line) if end is None else end + 1]]


def _pairs(cell: Cell) -> dict[str, list[tuple[float, float]]]:
    """Return what clients reach alone and with their own models, by whether they are honest."""
    found: dict[str, list[tuple[float, float]]] = {}
    clients = cell.clients
    if clients is not None:
        for role, alone, own in zip(clients.role, clients.alone, clients.own, strict=True):
            if alone is not None and own is not None:
                found.setdefault(_kind(role), []).append((alone, own))
    return {role: found[role] for role in _PLACES if role in found}
