"""Order statistics of columns, compiled.

A matrix is sorted block by block of columns: each comparison is made for all columns of a block at
once.  The wire of the network is a quad, four rows in order, and its step merges two quads: that
is nine comparisons for sixteen trips to the cache, where single rows take thirty-six.
"""

import numpy as np
from numpy.typing import NDArray

from fedrobust.kernels.instructions import exchange, kernel, load, prefetch, ranked_sum, store

__all__ = [
    "BLOCK",
    "block_mean_near",
    "block_rank_mean",
    "rank_mean_in_registers",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Pairs = NDArray[np.int64]
Quad = tuple[float, float, float, float]

BLOCK = 512  # columns sorted at a time: a hundred rows of them fit a core's own cache
_QUAD = 4 * BLOCK
_AHEAD = 64  # columns asked for before they are needed
_INFINITY = np.float32(np.inf)


@kernel()
def rank_mean_in_registers(rows: tuple[Floats, ...], low: int, high: int, mean: Floats) -> None:
    """Write the mean of the values of rank `low` to `high` - 1 of each column to ``[d]``."""
    share = 1.0 / (high - low)
    d = len(mean)
    for start in range(0, d, _AHEAD):
        for row in rows:
            for c in range(start + _AHEAD, start + 2 * _AHEAD, 16):  # a cache line has 16 columns
                prefetch(row, c)
        for c in range(start, min(start + _AHEAD, d)):
            store(mean, c, np.float32(ranked_sum(rows, c, low, high) * share))


@kernel()
def block_rank_mean(
    values: Floats,
    n: int,
    pairs: Pairs,
    low: int,
    high: int,
    block: Floats,
    sums: Doubles,
    mean: Floats,
) -> None:
    """Write the mean of the values of rank `low` to `high` - 1 of each column to ``[d]``.

    `pairs` of quads bring these to their places, in a `block` ``[n rounded up to 8, BLOCK]``.
    """
    share = 1.0 / (high - low)
    d = len(mean)
    for start in range(0, d, BLOCK):
        width = min(BLOCK, d - start)
        _sort(values, n, d, start, width, pairs, block)
        _add(block, low, high, width, sums)
        for c in range(width):
            store(mean, start + c, np.float32(load(sums, c) * share))


@kernel()
def block_mean_near(
    values: Floats,
    n: int,
    pairs: Pairs,
    keep: int,
    low: int,
    high: int,
    block: Floats,
    sums: Doubles,
    mean: Floats,
) -> None:
    """Write the mean of the `keep` values nearest to the center of each column to ``[d]``.

    The center is the mean of the values of rank `low` to `high` - 1.  Of two values whose ranks
    are `keep` apart only the nearer can be among the nearest; once it has taken the upper place,
    for one lower place after another, the nearest are in the last `keep` places.
    """
    share, half = 1.0 / keep, 0.5 * (high - low)
    d = len(mean)
    for start in range(0, d, BLOCK):
        width = min(BLOCK, d - start)
        _sort(values, n, d, start, width, pairs, block)
        _add(block, low, high, width, sums)
        for rank in range(n - keep):
            _move_nearer(block, rank * BLOCK, (rank + keep) * BLOCK, half, sums, width)
        _add(block, n - keep, n, width, sums)
        for c in range(width):
            store(mean, start + c, np.float32(load(sums, c) * share))


@kernel()
def _add(block: Floats, low: int, high: int, width: int, sums: Doubles) -> None:
    """Write the sums of the rows `low` to `high` - 1 of a block."""
    for c in range(width):
        sums[c] = 0.0
    for rank in range(low, high):
        for c in range(width):
            sums[c] += load(block, rank * BLOCK + c)


@kernel()
def _move_nearer(
    block: Floats, one: int, other: int, half: float, sums: Doubles, width: int
) -> None:
    """Overwrite the larger of two rows with the smaller where that is no farther from a center.

    The center is given as a sum and half the number of values in it.
    """
    for c in range(width):
        lower, upper = load(block, one + c), load(block, other + c)
        nearer = upper if half * (np.float64(lower) + np.float64(upper)) < load(sums, c) else lower
        store(block, other + c, nearer)


@kernel()
def _sort(
    values: Floats, n: int, d: int, start: int, width: int, pairs: Pairs, block: Floats
) -> None:
    """Copy columns of ``[n, d]`` to the block, in order as far as the pairs of quads say."""
    whole = n - n % 8
    for i in range(0, whole, 8):
        _sort_eight(values, i * d + start, d, block, i * BLOCK, width)
    if whole < n:
        for i in range(whole, whole + 8):
            for c in range(width):
                value = load(values, i * d + start + c) if i < n else _INFINITY
                store(block, i * BLOCK + c, value)
        _sort_eight(block, whole * BLOCK, BLOCK, block, whole * BLOCK, width)
    for p in range(len(pairs)):
        _merge(block, pairs[p, 0] * _QUAD, pairs[p, 1] * _QUAD, width)


@kernel()
def _merge(block: Floats, one: int, other: int, width: int) -> None:
    for c in range(width):
        _put_eight(block, one + c, other + c, *_read(block, one + c), *_read(block, other + c))


@kernel()
def _sort_eight(
    source: Floats, start: int, step: int, block: Floats, place: int, width: int
) -> None:
    for c in range(width):
        left = _sorted_quad(source, start + c, step)
        right = _sorted_quad(source, start + 4 * step + c, step)
        _put_eight(block, place + c, place + _QUAD + c, *left, *right)


@kernel()
def _sorted_quad(source: Floats, start: int, step: int) -> Quad:
    a, b = exchange(load(source, start), load(source, start + step))
    c, d = exchange(load(source, start + 2 * step), load(source, start + 3 * step))
    a, c = exchange(a, c)
    b, d = exchange(b, d)
    b, c = exchange(b, c)
    return a, b, c, d


@kernel()
def _read(block: Floats, place: int) -> Quad:
    return (
        load(block, place),
        load(block, place + BLOCK),
        load(block, place + 2 * BLOCK),
        load(block, place + 3 * BLOCK),
    )


@kernel()
def _put_eight(
    block: Floats,
    one: int,
    other: int,
    a: float,
    b: float,
    c: float,
    d: float,
    e: float,
    f: float,
    g: float,
    h: float,
) -> None:
    """Merge a <= b <= c <= d with e <= f <= g <= h; write the smaller half to the first place."""
    a, e = exchange(a, e)
    c, g = exchange(c, g)
    c, e = exchange(c, e)
    b, f = exchange(b, f)
    d, h = exchange(d, h)
    d, f = exchange(d, f)
    b, c = exchange(b, c)
    d, e = exchange(d, e)
    f, g = exchange(f, g)
    _put(block, one, a, b, c, d)
    _put(block, other, e, f, g, h)


@kernel()
def _put(block: Floats, place: int, a: float, b: float, c: float, d: float) -> None:
    store(block, place, a)
    store(block, place + BLOCK, b)
    store(block, place + 2 * BLOCK, c)
    store(block, place + 3 * BLOCK, d)
