"""What a round takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from fedrobust.report.content import Content
from fedrobust.report.drawings import style
from fedrobust.report.scales import Scale
from fedrobust.report.tables import seconds_by_phase

__all__ = ["costs"]

_RULE = "aggregate"  # the phase that is the rule's own

Times = Mapping[int, Mapping[str, float]]  # seconds by defense and phase


def costs(content: Content, setting: int) -> Drawing | None:
    """Draw a round's time by phase, a bar a defense; None where nobody measured it.

    What the rule itself takes stands beside it, on a scale of its own.
    """
    times = seconds_by_phase(content, setting)
    if not times:
        return None
    phases = sorted({phase for own in times.values() for phase in own})
    key = [style.fitting(phase, 2.0) for phase in phases]
    drawing = style.drawing(style.PAGE, 0.9 + 0.3 * len(times), key)
    ratios = [2, 1] if _RULE in phases else [1]
    grid = drawing.subplots(1, len(ratios), sharey=True, width_ratios=ratios, squeeze=False)
    whole, *rule = grid[0]
    bars = _stack(whole, times, phases, phases)
    for axes in rule:
        _stack(axes, times, phases, [_RULE])
    whole.invert_yaxis()
    whole.set_yticks(
        range(len(times)), [style.fitting(content.defenses[d].label, 1.5) for d in times]
    )
    style.legend(drawing, bars, key)
    title = "Time of a round on one thread of a machine that other runs shared: a rough guide"
    style.titled(drawing, content, title, setting)
    return drawing


def _stack(axes: Axes, times: Times, phases: Sequence[str], shown: Sequence[str]) -> list[Any]:
    """Draw some phases beside each other, each in the colour of its place among all."""
    totals = [sum(own.get(phase, 0.0) for phase in shown) for own in times.values()]
    scale = Scale.of("seconds", totals)
    rows, ends = range(len(times)), [0.0] * len(times)
    bars = []
    for phase in shown:
        at = phases.index(phase)
        widths = [own.get(phase, 0.0) / scale.size for own in times.values()]
        bars.append(
            axes.barh(
                rows,
                widths,
                left=ends,
                color=style.color(at),
                hatch=style.hatch(at),
                edgecolor="white",
                linewidth=0.3,
                height=0.7,
            )
        )
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    for row, total in zip(rows, totals, strict=True):
        axes.annotate(
            scale.write(total), (ends[row], row), (3, 0), textcoords="offset points", va="center"
        )
    axes.margins(x=0.15)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{'The whole round' if len(shown) > 1 else 'The rule'}, in {scale.name}")
    return bars
