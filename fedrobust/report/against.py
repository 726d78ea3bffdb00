"""What differs between two reports, beyond noise."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import mean

from fedrobust.axes import some
from fedrobust.errors import ConfigError
from fedrobust.report.content import Cell, Change, Content, Option
from fedrobust.report.statistics import Difference, differs, discoveries

__all__ = ["compared"]


def compared(now: Content, before: Content, called: str) -> Content:
    """Return a content that also says what changed since another.

    Cells are matched by the labels of their defense, threat and setting.  A figure is compared seed
    by seed where both have the same seeds.  Of all changes that are called so, one in twenty is
    chance; with a single seed each difference is one, since nothing else is known.

    Args:
        now: what to complete.
        before: what to compare it with.
        called: what to call that.

    Raises:
        ConfigError: if no cell is in both.
    """
    known = {_labels(before, cell): cell for cell in before.cells}
    pairs = [(cell, known[key]) for cell in now.cells if (key := _labels(now, cell)) in known]
    if not pairs:
        raise ConfigError(
            f"Two reports need a cell in common, and {called} has none of this one's: its defenses "
            f"are {_called(before.defenses)}, and here they are {_called(now.defenses)}. Name "
            "results of a study with the same labels."
        )
    found = [change for cell, old in pairs for change in _changes(now, cell, old)]
    tested = [(change, known.p) for change, known in found if known is not None]
    beyond = discoveries([p for _, p in tested])
    real = {id(change) for (change, _), is_real in zip(tested, beyond, strict=True) if is_real}
    changes = [
        replace(change, beyond_noise=id(change) in real or (known is None and _moved(change)))
        for change, known in found
    ]
    return replace(now, changes=changes, against=called)


def _changes(content: Content, cell: Cell, old: Cell) -> Iterator[tuple[Change, Difference | None]]:
    place = cell.defense, cell.threat, cell.setting
    same = [run.seed for run in cell.runs] == [run.seed for run in old.runs]
    for measure in content.measures:
        if measure.key in cell.figures and measure.key in old.figures:
            after, before = cell.figures[measure.key].each, old.figures[measure.key].each
            known = differs(before, after, paired=same and len(before) == len(after))
            low, high = (known.low, known.high) if known else (None, None)
            means = mean(before), mean(after)
            yield Change(*place, measure.key, *means, low, high, beyond_noise=False), known


def _moved(change: Change) -> bool:
    return change.before != change.after


def _labels(content: Content, cell: Cell) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    """Return what a cell is called in any report: what it is on each axis."""
    chosen = (
        content.defenses[cell.defense],
        content.threats[cell.threat],
        content.settings[cell.setting],
    )
    return tuple((option.label, tuple(sorted(option.values.items()))) for option in chosen)


def _called(options: list[Option]) -> str:
    return some([option.label for option in options], shown=5)
