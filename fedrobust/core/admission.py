"""Which replies are fit to aggregate: nothing that a client sends is trusted.

Admission happens once, before any rule.  A reply that is not fit is dropped and named; it never
ends a run.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum

import torch
from torch import Tensor

from fedrobust.core import rows

__all__ = ["Fault", "claimed_examples", "claimed_losses", "fault_of_arrays", "faults_of_rows"]

_LARGEST_CLAIM = 100  # times the median claim of a round
_LARGEST_NORM = math.sqrt(torch.finfo(torch.float32).max)  # its square is the last one finite


class Fault(StrEnum):
    """Why a reply is not aggregated."""

    SILENT = "no reply"
    ERROR = "an error instead of a reply"
    UNASKED = "a reply from a node that was not asked"
    NO_MODEL = "not exactly one model"
    NAMES = "arrays of other names"
    SHAPES = "arrays of other shapes"
    DTYPES = "arrays of other types"
    UNREADABLE = "arrays that cannot be read"
    NOT_FINITE = "values that are not finite"
    TOO_LARGE = "an update too large to square"

    @property
    def hostile(self) -> bool:
        """Whether it accounts for one of the clients expected to be malicious.

        Silence and errors happen to anyone, and a node that was not asked is none of the round's.
        """
        return self not in (Fault.SILENT, Fault.ERROR, Fault.UNASKED)


Arrays = Mapping[str, tuple[tuple[int, ...], str]]  # name: shape, dtype


def fault_of_arrays(seen: Arrays, expected: Arrays) -> Fault | None:
    """Say how the named arrays of a reply differ from the server's model; None if they do not."""
    if seen.keys() != expected.keys():
        return Fault.NAMES
    if any(seen[name][0] != expected[name][0] for name in expected):
        return Fault.SHAPES
    if any(seen[name][1] != expected[name][1] for name in expected):
        return Fault.DTYPES
    return None


def faults_of_rows(updates: Tensor) -> list[Fault | None]:
    """Say what is wrong with each row of ``[n, d]`` updates; None where nothing is."""
    lengths = rows.norms(updates).tolist()
    return [
        Fault.NOT_FINITE
        if not math.isfinite(length)
        else Fault.TOO_LARGE
        if length > _LARGEST_NORM
        else None
        for length in lengths
    ]


def claimed_examples(claims: Sequence[object]) -> tuple[Tensor, list[str | None]]:
    """Return how many examples each client counts for, ``[n]``, and what was odd about its claim.

    A claim that is no positive number counts as one example; one beyond a hundred times the
    round's median claim counts as that much.
    """
    numbers = [_positive(claim) for claim in claims]
    sound = sorted(number for number in numbers if number is not None)
    most = _LARGEST_CLAIM * (sound[len(sound) // 2] if sound else 1.0)
    counted = [1.0 if number is None else min(number, most) for number in numbers]
    notes = [
        None if number == used else f"claims {_shown(claim)} examples, counted as {used:g}"
        for claim, number, used in zip(claims, numbers, counted, strict=True)
    ]
    return torch.tensor(counted), notes


def claimed_losses(claims: Sequence[object]) -> Tensor | None:
    """Return what each client counts as losing, ``[n]``; None if no claim is a positive number.

    A claim counts as no more than a hundred times the round's median claim, and as no less than a
    hundredth of it, so that nobody can make the others count for nothing; one that is no positive
    number as that hundredth.
    """
    numbers = [_positive(claim) for claim in claims]
    sound = sorted(number for number in numbers if number is not None)
    if not sound:
        return None
    middle = sound[len(sound) // 2]
    least, most = middle / _LARGEST_CLAIM, middle * _LARGEST_CLAIM
    counted = [min(max(number or 0.0, least), most) for number in numbers]
    return torch.tensor(counted, dtype=torch.float64)


def _shown(claim: object) -> str:
    """Return what a client claims, short: it may be a number of a million digits."""
    if isinstance(claim, int) and abs(claim) > 10**15:
        return "an enormous number of"
    known = isinstance(claim, int | float | str | None)
    return repr(claim)[:40] if known else f"a {type(claim).__name__} as its number of"


def _positive(claim: object) -> float | None:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    try:
        number = float(claim)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number > 0 else None
