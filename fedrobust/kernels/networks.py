"""Sorting networks, and what is left of them when only some ranks are wanted.

A network is a sequence of pairs (i, j), i < j: put the smaller of two values on wire i, the larger
on wire j.  No step depends on a value, so one network sorts any number of columns side by side.

The networks are Batcher's odd-even merges: "Sorting Networks and Their Applications", AFIPS 1968,
https://doi.org/10.1145/1468075.1468121.
"""

from collections.abc import Iterator
from functools import cache

__all__ = ["Pair", "selecting", "sorting"]

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
def selecting(n: int, low: int, high: int, width: int = 1, run: int = 1) -> tuple[Pair, ...]:
    """Return a network that brings the values of rank `low` to `high` - 1 of n to these places.

    In which order they, those below and those above stand among themselves is left open.  With a
    `width`, a wire carries that many values in order and a pair merges two wires; `run` counts
    wires.
    """
    wires = -(-n // width)
    wires += -wires % run
    places = [_part(range(wire * width, (wire + 1) * width), low, high) for wire in range(wires)]
    kept = []
    for i, j in reversed(sorting(wires, run)):
        # What follows asks for the exact value of a wire, or only that it belongs to some part.
        if places[i] is None or places[i] != places[j]:
            kept.append((i, j))
            places[i] = places[j] = None
    return tuple(reversed(kept))


def _part(places: range, low: int, high: int) -> int | None:
    """Return the part of the result all places lie in: below, wanted, above; None if in several."""
    first, last = ((place >= low) + (place >= high) for place in (places[0], places[-1]))
    return first if first == last else None


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
