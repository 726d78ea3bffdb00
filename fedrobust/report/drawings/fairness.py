"""What clients get for what they give, under one defense and one threat."""

from matplotlib.figure import Figure as Drawing

from fedrobust.report.content import Cell, Content
from fedrobust.report.drawings import style
from fedrobust.report.drawings.chosen import about, chosen

__all__ = ["fairness"]


_SIGNS = {"honest": (style.color(0), "o"), "malicious": (style.color(1), "X")}


def fairness(content: Content, setting: int) -> Drawing | None:
    """Draw each client's share of all weight against its share of all examples.

    None where no rule of the setting weighs clients.
    """
    cell = chosen(content, setting, _rewards)
    if cell is None or cell.clients is None:
        return None
    clients = cell.clients
    total = sum(clients.examples) or 1
    dots: dict[str, list[tuple[float, float]]] = {}
    for role, examples, reward in zip(clients.role, clients.examples, clients.reward, strict=True):
        if reward is not None:
            known = "honest" if role == "honest" else "malicious"
            dots.setdefault(known, []).append((examples / total, reward))
    roles = [role for role in _SIGNS if role in dots]
    key = [*roles, "in proportion"]
    drawing = style.drawing(style.COLUMN, 2.9, key)
    axes = drawing.subplots()
    top = max(x for own in dots.values() for x, _ in own)
    (even,) = axes.plot([0, top], [0, top], color="black", lw=0.6, ls=":", zorder=1)
    signs = [
        axes.scatter(
            [x for x, _ in dots[role]],
            [y for _, y in dots[role]],
            color=_SIGNS[role][0],
            marker=_SIGNS[role][1],
            s=22,
            alpha=0.8,
            linewidths=0,
        )
        for role in roles
    ]
    axes.set_xlabel("Share of all examples, in %")
    axes.set_ylabel("Share of all weight, in %")
    style.percent(axes, "both")
    style.legend(drawing, [*signs, even], key)
    style.titled(drawing, content, f"Reward: {about(content, cell)}", setting)
    return drawing


def _rewards(cell: Cell) -> bool:
    return cell.clients is not None and any(r is not None for r in cell.clients.reward)
