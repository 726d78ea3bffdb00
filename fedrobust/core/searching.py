"""Search one number of a component for the most of something: a grid, then golden section."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf, log2
from typing import get_args

from fedrobust.core.component import Component

__all__ = ["most", "muted", "real_fields"]

_GOLDEN = (3 - 5**0.5) / 2  # how far into a gap to look


def most(worth: Callable[[float], float], grid: Sequence[float], evaluations: int) -> float | None:
    """Return the best of all numbers tried; None if none is worth more than minus infinity.

    The grid comes first, and then always the wider gap next to the best number so far, on a
    logarithmic scale.

    Args:
        worth: what a number comes to; never NaN.
        grid: the numbers to try first.
        evaluations: how many to try, at most, if the grid has no more.
    """
    tried = {value: worth(value) for value in grid}
    for _ in range(evaluations - len(tried)):
        best, values = max(tried, key=tried.__getitem__), sorted(tried)
        at = values.index(best)
        gaps = [log2(near / best) for near in values[max(at - 1, 0) : at + 2]]
        value = best * 2 ** (_GOLDEN * max(gaps, key=abs))
        tried[value] = worth(value)
    best = max(tried, key=tried.__getitem__)
    return best if tried[best] > -inf else None


def real_fields(component: Component) -> list[str]:
    """Return the names of the fields that hold a real number, or may."""
    fields = type(component).model_fields.items()
    return [name for name, info in fields if _may_be_real(info.annotation)]


def _may_be_real(annotation: object) -> bool:
    return annotation is float or any(map(_may_be_real, get_args(annotation)))


@contextmanager
def muted(component: Component) -> Iterator[None]:
    """Keep a component's file from logging while it is only tried."""
    log = logging.getLogger(type(component).__module__)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
