"""Whom a rule left out when, under one defense and one threat."""

from itertools import groupby

from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Patch

from fedrobust.report.content import Content
from fedrobust.report.drawings import style
from fedrobust.report.drawings.chosen import about, chosen

__all__ = ["timeline"]

_UNJUDGED = "."


def timeline(content: Content, setting: int) -> Drawing | None:
    """Draw clients by rounds, darker where they were left out; None where no rule leaves out."""
    cell = chosen(content, setting, lambda c: c.timeline is not None)
    if cell is None or cell.timeline is None:
        return None
    line = cell.timeline
    roles = ["honest" if role == "honest" else "malicious" for role in line.role]
    order = sorted(range(len(roles)), key=lambda at: (roles[at] == "honest", at))
    shares = [
        [float("nan") if digit == _UNJUDGED else int(digit) / 9 for digit in line.excluded[at]]
        for at in order
    ]
    rows = len(order)
    width = line.rounds[1] - line.rounds[0] if len(line.rounds) > 1 else 1
    key = ["not judged"] if any(_UNJUDGED in digits for digits in line.excluded) else []
    drawing = style.drawing(style.PAGE, 0.9 + max(0.11 * rows, 0.5), key)
    axes = drawing.subplots()
    axes.set_facecolor(style.PALE)
    image = axes.imshow(
        shares,
        aspect="auto",
        cmap="Blues",
        extent=(line.rounds[0] - 0.5, line.rounds[-1] + width - 0.5, rows - 0.5, -0.5),
        vmin=0,
        vmax=1,
    )
    ticks, labels, start = [], [], 0
    for role, members in groupby(roles[at] for at in order):
        count = len(list(members))
        ticks.append(start + (count - 1) / 2)
        labels.append(f"{role} ({count})")
        start += count
        axes.axhline(start - 0.5, color="black", lw=0.8)
    axes.set_yticks(ticks, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("round")
    bar = drawing.colorbar(image, ax=axes, pad=0.02, label="Left out, in % of rounds")
    style.percent(bar.ax, "y")
    if key:
        style.legend(drawing, [Patch(color=style.PALE)], key)
    style.titled(drawing, content, f"Clients left out: {about(content, cell)}", setting)
    return drawing
