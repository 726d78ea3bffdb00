"""How far an answer is from the definition, and what that means."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Outcome", "distance", "of_nan", "relative", "spread"]

Array = NDArray[np.float64]
_EQUAL = 1e-4  # of the spread of the updates
_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # relative, that no answer in float32 can avoid


@dataclass(frozen=True)
class Outcome:
    """What one system made of one input.

    Fields:
        system: who.
        case: which rule, by its title.
        input: of which updates, by their name.
        away: the distance of its answer from the definition, in spreads of the updates.
        relative: the same beside the largest value of the answer.
        said: instead of an answer; None if there was one.
        changed: whether it changed the tensor it was given.
        varies: whether it answered otherwise when it was asked again.
        values: its answer.
    """

    system: str
    case: str
    input: str
    away: float
    relative: float
    said: str | None = None
    changed: bool = False
    varies: bool = False
    values: Array | None = field(default=None, repr=False, compare=False)

    @property
    def equal(self) -> bool:
        """Whether it is the definition's answer, but for rounding."""
        return self.said is None and self.away <= _EQUAL


def spread(rows: Array) -> float:
    """Return how far values usually are from their column's median; their size if nowhere."""
    usual = float(np.median(np.abs(rows - np.median(rows, axis=-2, keepdims=True))))
    return usual or float(np.abs(rows).max()) or 1.0


def distance(answer: Array, exact: Array | Sequence[Array], unit: float) -> float:
    """Return the largest difference from the nearest of the exact answers, beyond rounding."""
    return min(_beyond_rounding(answer, one) / unit for one in _several(exact))


def relative(answer: Array, exact: Array | Sequence[Array]) -> float:
    """Return the largest difference from the nearest exact answer, beside its largest value."""
    return min(_largest(answer, one) / (float(np.abs(one).max()) or 1.0) for one in _several(exact))


def _several(exact: Array | Sequence[Array]) -> Sequence[Array]:
    return [exact] if isinstance(exact, np.ndarray) else exact


def _largest(answer: Array, exact: Array) -> float:
    return float(np.abs(answer - exact).max()) if _comparable(answer, exact) else np.inf


def _beyond_rounding(answer: Array, exact: Array) -> float:
    if not _comparable(answer, exact):
        return np.inf
    return float((np.abs(answer - exact) - _ROUNDING * np.abs(exact)).max().clip(min=0))


def _comparable(answer: Array, exact: Array) -> bool:
    return answer.shape == exact.shape and bool(np.isfinite([answer, exact]).all())


def of_nan(
    answer: Array | None, said: str | None, exact: Array | Sequence[Array], unit: float
) -> str:
    """Say what one update of NaN led to; `exact` is the answer of the others alone."""
    if answer is None:
        return said or "no answer"
    if np.isnan(answer).any():
        rows = np.isnan(answer).any(-1)
        every = rows.ndim == 0 or rows.all()
        return "NaN" if every else f"NaN in {rows.sum()} of {rows.size} rows"
    return "left out" if distance(answer, exact, unit) <= _EQUAL else "another answer"
