"""Who holds what."""

from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from fedrobust.report.content import Content
from fedrobust.report.drawings import style

__all__ = ["split"]


def split(content: Content, setting: int) -> Drawing | None:
    """Draw how many examples of each class every client holds; None where nobody knows."""
    found = next((s for s in content.splits if s.setting == setting), None)
    if found is None:
        return None
    classes = len(found.counts[0])
    drawing = style.drawing(style.PAGE, 1.0 + min(0.16 * classes, 3.0))
    axes = drawing.subplots()
    table = [[row[label] for row in found.counts] for label in range(classes)]  # [class, client]
    image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0)
    axes.xaxis.set_major_locator(MaxNLocator(20, integer=True))
    axes.xaxis.set_major_formatter(lambda at, _: _name(found.client, at))
    axes.yaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_xlabel("client")
    axes.set_ylabel("class")
    drawing.colorbar(image, ax=axes, pad=0.02, label="examples")
    style.titled(drawing, content, f"Who holds which examples, seed {found.seed}", setting)
    return drawing


def _name(clients: list[int], at: float) -> str:
    return str(clients[int(at)]) if 0 <= at < len(clients) else ""
