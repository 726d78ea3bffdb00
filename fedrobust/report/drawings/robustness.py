"""What a defense costs while nobody attacks against what it is worth in the worst case."""

from matplotlib.figure import Figure as Drawing

from fedrobust.report.content import Content, Figure
from fedrobust.report.drawings import style

__all__ = ["robustness"]

_OUTSIDE = 0.05  # how far axes go beyond what a share can be


def robustness(content: Content, setting: int) -> Drawing | None:
    """Draw a sign a defense; the larger, the more noise it adds for privacy, where any does.

    None where no defense has met all attacks and nobody.
    """
    found = next((r for r in content.rankings if r.setting == setting), None)
    shown = sorted(
        (s.defense, s.clean, s.worst, s.noise)
        for s in (found.standings if found else [])
        if s.clean is not None and s.worst is not None
    )
    if not shown:
        return None
    most = max((noise or 0.0 for *_, noise in shown), default=0.0)
    key = [style.fitting(content.defenses[defense].label, 2.6) for defense, *_ in shown]
    drawing = style.drawing(style.COLUMN, 2.9, key)
    axes = drawing.subplots()
    dots = []
    for defense, clean, worst, noise in shown:
        dot = axes.errorbar(
            clean.mean,
            worst.mean,
            xerr=_arms(clean),
            yerr=_arms(worst),
            color=style.color(defense),
            marker=style.marker(defense),
            markersize=4 + 6 * (noise or 0.0) / most if most else 6,
            markeredgecolor="white",
            markeredgewidth=0.5,
            linestyle="none",
            elinewidth=0.8,
        )
        dots.append(dot)
    axes.margins(0.1)
    axes.set_xlim(*_within(axes.get_xlim()))
    axes.set_ylim(*_within(axes.get_ylim()))
    axes.grid(color=style.PALE, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel("Accuracy while nobody attacks, in %")
    axes.set_ylabel("Score in the worst case, in %")
    style.percent(axes, "both")
    style.legend(drawing, dots, key)
    private = "; larger: more noise for privacy" if most else ""
    style.titled(drawing, content, f"Accuracy against robustness{private}", setting)
    return drawing


def _within(limits: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of an axis of shares: intervals may go on where no share can be."""
    return max(limits[0], -_OUTSIDE), min(limits[1], 1 + _OUTSIDE)


def _arms(figure: Figure) -> list[list[float]] | None:
    if figure.low is None or figure.high is None:
        return None
    return [[figure.mean - figure.low], [figure.high - figure.mean]]
