"""Lengths, distances and products, compiled.

Matrices come flat, row after row.  Sums over a row are limited by the speed of memory, so they are
taken in float64 at no cost.  Pairwise distances are limited by arithmetic: float32, in short sums.
"""

import numpy as np
from numpy.typing import NDArray

from fedrobust.kernels.instructions import kernel, load, prefetch

__all__ = [
    "add_pairs",
    "add_products",
    "add_squared_differences",
    "add_squares",
    "settle_pairs",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Quad = tuple[float, float, float, float]

_SHARED = 1 << 15  # columns of a vector that stay in the cache while rows are compared to it
_SHORT = 192  # columns added in float32: six digits, even with registers of only four numbers
_SMALLEST, _LARGEST = 1e-25, 1e35  # squared distances beyond these may have left float32's range


@kernel(reorder=True)
def add_squares(values: Floats, d: int, sums: Doubles) -> None:
    """Add the squares of each row ``[n, d]`` to the sums ``[n]``."""
    for i in range(len(sums)):
        total = 0.0
        for place in range(i * d, (i + 1) * d):
            value = np.float64(load(values, place))
            total += value * value
        sums[i] += total


@kernel(reorder=True)
def add_squared_differences(values: Floats, vector: Floats, sums: Doubles) -> None:
    """Add the squares of each row ``[n, d]`` less a vector ``[d]`` to the sums ``[n]``."""
    n, d = len(sums), len(vector)
    for start in range(0, d, _SHARED):
        width = min(_SHARED, d - start)
        for i in range(0, n - 3, 4):
            four = _four_squared_differences(values, i * d + start, d, vector, start, width)
            for k in range(4):
                sums[i + k] += four[k]
        for i in range(n - n % 4, n):
            sums[i] += _squared_difference(values, i * d + start, vector, start, width)


@kernel(reorder=True)
def add_products(values: Floats, vector: Floats, sums: Doubles) -> None:
    """Add the products of each row ``[n, d]`` with a vector ``[d]`` to the sums ``[n]``."""
    n, d = len(sums), len(vector)
    for start in range(0, d, _SHARED):
        width = min(_SHARED, d - start)
        for i in range(0, n - 3, 4):
            four = _four_products(values, i * d + start, d, vector, start, width)
            for k in range(4):
                sums[i + k] += four[k]
        for i in range(n - n % 4, n):
            sums[i] += _product(values, i * d + start, vector, start, width)


@kernel(reorder=True)
def add_pairs(values: Floats, n: int, d: int, sums: Doubles) -> None:
    """Add the squared distance of every row ``[n, d]`` to those above it to ``[n + 4, n + 4]``.

    In tiles of two rows by four: each value loaded serves two or four differences, and the eight
    sums fit the registers of any processor.  What lies on or above the diagonal, or beyond n, is
    scratch.
    """
    last = n - 1
    for start in range(0, d, _SHORT):
        width = min(_SHORT, d - start)
        for i in range(0, n, 2):
            x, y = i * d + start, min(i + 1, last) * d + start
            for c in range(_SHORT, 2 * _SHORT, 16):  # a cache line has 16 columns
                prefetch(values, x + c)
                prefetch(values, y + c)
            for j in range(0, i + 1, 4):
                p, q = j * d + start, min(j + 1, last) * d + start
                r, s = min(j + 2, last) * d + start, min(j + 3, last) * d + start
                tile = _tile(values, x, y, p, q, r, s, width)
                for k in range(4):
                    sums[i, j + k] += tile[k]
                    sums[i + 1, j + k] += tile[4 + k]


@kernel(reorder=True)
def _tile(
    values: Floats, x: int, y: int, p: int, q: int, r: int, s: int, width: int
) -> tuple[np.float32, ...]:
    xp = xq = xr = xs = yp = yq = yr = ys = np.float32(0.0)
    for c in range(width):
        u, v = load(values, x + c), load(values, y + c)
        a, b = load(values, p + c), load(values, q + c)
        e, f = load(values, r + c), load(values, s + c)
        xp += (u - a) * (u - a)
        xq += (u - b) * (u - b)
        xr += (u - e) * (u - e)
        xs += (u - f) * (u - f)
        yp += (v - a) * (v - a)
        yq += (v - b) * (v - b)
        yr += (v - e) * (v - e)
        ys += (v - f) * (v - f)
    return xp, xq, xr, xs, yp, yq, yr, ys


@kernel(reorder=True)
def settle_pairs(values: Floats, n: int, d: int, squares: Doubles) -> None:
    """Mirror the lower triangle; take again in float64 what float32 could not hold."""
    for i in range(n):
        squares[i, i] = 0.0
        for j in range(i):
            square = squares[i, j]
            if not _SMALLEST <= square <= _LARGEST:
                square = _squared_difference(values, i * d, values, j * d, d)
            squares[i, j] = squares[j, i] = square


@kernel(reorder=True)
def _squared_difference(left: Floats, one: int, right: Floats, other: int, width: int) -> float:
    total = 0.0
    for c in range(width):
        difference = np.float64(load(left, one + c)) - np.float64(load(right, other + c))
        total += difference * difference
    return total


@kernel(reorder=True)
def _four_squared_differences(
    left: Floats, one: int, step: int, right: Floats, other: int, width: int
) -> Quad:
    w = x = y = z = 0.0
    for c in range(width):
        shared, place = np.float64(load(right, other + c)), one + c
        a = np.float64(load(left, place)) - shared
        b = np.float64(load(left, place + step)) - shared
        e = np.float64(load(left, place + 2 * step)) - shared
        f = np.float64(load(left, place + 3 * step)) - shared
        w += a * a
        x += b * b
        y += e * e
        z += f * f
    return w, x, y, z


@kernel(reorder=True)
def _product(left: Floats, one: int, right: Floats, other: int, width: int) -> float:
    total = 0.0
    for c in range(width):
        total += np.float64(load(left, one + c)) * np.float64(load(right, other + c))
    return total


@kernel(reorder=True)
def _four_products(
    left: Floats, one: int, step: int, right: Floats, other: int, width: int
) -> Quad:
    w = x = y = z = 0.0
    for c in range(width):
        shared, place = np.float64(load(right, other + c)), one + c
        w += np.float64(load(left, place)) * shared
        x += np.float64(load(left, place + step)) * shared
        y += np.float64(load(left, place + 2 * step)) * shared
        z += np.float64(load(left, place + 3 * step)) * shared
    return w, x, y, z
