"""Sorting networks, and what is left of them when only some ranks are wanted.

A network is a sequence of pairs (i, j), i < j: put the smaller of two values on wire i, the larger
on wire j.  No step depends on a value, so one network sorts any number of columns side by side.

The networks are Batcher's odd-even merges: "Sorting Networks and Their Applications", AFIPS 1968,
https://doi.org/10.1145/1468075.1468121.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache

__all__ = ["Pair", "cuts_around", "selecting", "sorting"]

Pair = tuple[int, int]


@cache
def sorting(wires: int, run: int = 1) -> tuple[Pair, ...]:
    """Return a network that sorts `wires` values of which each `run` successive are sorted already.

    `run` is a power of two.  About wires * log2(wires)^2 / 4 pairs: 32 for 10, 1104 for 100.
    """
    size = 1 << max(wires - 1, 0).bit_length()
    # Wires beyond the last would hold infinity, which never moves: their pairs do nothing.
    return tuple(pair for pair in _sorted(0, size, run) if pair[1] < wires)


@cache
def selecting(n: int, cuts: tuple[int, ...], width: int = 1, run: int = 1) -> tuple[Pair, ...]:
    """Return a network that brings, for each of the cuts, the lowest of n values before it.

    The cuts ascend.  In which order the values between two of them stand is left open.  With a
    `width`, a wire carries that many values in order and a pair merges two wires; `run` counts
    wires.
    """
    wires = -(-n // width)
    wires += -wires % run
    parts = [_part(wire * width, (wire + 1) * width - 1, cuts) for wire in range(wires)]
    kept = []
    for i, j in reversed(sorting(wires, run)):
        # What follows asks for the exact value of a wire, or only that it belongs to some part.
        if parts[i] is None or parts[i] != parts[j]:
            kept.append((i, j))
            parts[i] = parts[j] = None
    return tuple(reversed(kept))


def cuts_around(n: int, keep: int, low: int, high: int) -> tuple[int, ...]:
    """Return the cuts that tell which `keep` values are nearest to the mean of some ranks.

    Ranks that are kept wherever that mean is need not be told apart.
    """
    return tuple(sorted({*range(n - keep + 1), low, high, *range(keep, n + 1)}))


def _part(first: int, last: int, cuts: tuple[int, ...]) -> int | None:
    """Return the part between cuts that all places from first to last lie in; None if in many."""
    part = bisect_right(cuts, first)
    return part if part == bisect_right(cuts, last) else None


def _sorted(start: int, size: int, run: int) -> Iterator[Pair]:
    if size > run:
        yield from _sorted(start, size // 2, run)
        yield from _sorted(start + size // 2, size // 2, run)
        yield from _merged(start, size, 1)


def _merged(start: int, size: int, step: int) -> Iterator[Pair]:
    """Merge the two sorted halves of the wires start, start + step, ... below start + size."""
    if 2 * step < size:
        yield from _merged(start, size, 2 * step)
        yield from _merged(start + step, size, 2 * step)
        inner = range(start + step, start + size - step, 2 * step)
        yield from ((i, i + step) for i in inner)
    else:
        yield (start, start + step)
