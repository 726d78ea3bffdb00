"""How a share went round by round, threat beside threat."""

from matplotlib.figure import Figure as Drawing

from fedrobust.report.content import Content
from fedrobust.report.drawings import style

__all__ = ["curves"]

_TITLES = {"accuracy": "Accuracy in % by round", "attack_success": "Attack success in % by round"}
_ABREAST = 4  # panels


def curves(content: Content, setting: int, name: str) -> Drawing | None:
    """Draw a curve of every defense, with the extremes of its seeds; None where there is none."""
    found = {
        (c.threat, c.defense): c.curves[name]
        for c in content.cells
        if c.setting == setting and name in c.curves
    }
    threats = sorted({threat for threat, _ in found})
    if not threats:
        return None
    abreast = min(_ABREAST, len(threats))
    rows = -(-len(threats) // abreast)
    defenses = sorted({defense for _, defense in found})
    key = [style.fitting(content.defenses[d].label, 2.2) for d in defenses]
    width = style.PAGE if abreast > 1 else style.COLUMN
    drawing = style.drawing(width, 0.6 + 1.4 * rows, key)
    grid = drawing.subplots(rows, abreast, sharex=True, sharey=True, squeeze=False)
    lines = {}
    for at, axes in enumerate(grid.flat):
        if at >= len(threats):
            axes.remove()
            continue
        for (threat, defense), band in sorted(found.items()):
            if threat != threats[at]:
                continue
            color = style.color(defense)
            axes.fill_between(band.rounds, band.low, band.high, color=color, alpha=0.15, lw=0)
            (lines[defense],) = axes.plot(
                band.rounds,
                band.mean,
                color=color,
                linestyle=style.dash(defense),
                marker=style.marker(defense),
                markevery=(0.04 * (defense % 5), 0.25),
                markersize=3,
            )
        title = content.threats[threats[at]].label
        axes.set_title(style.fitting(title, width / abreast - 0.3))
        axes.set_ylim(-0.02, 1.02)
        style.percent(axes, "y")
        axes.grid(axis="y", color=style.PALE, linewidth=0.4)
        axes.tick_params(labelbottom=at + abreast >= len(threats))
    style.legend(drawing, [lines[d] for d in defenses], key)
    style.titled(drawing, content, _TITLES[name], setting)
    return drawing
