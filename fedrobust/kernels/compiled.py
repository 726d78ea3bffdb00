"""The kernels in machine code, by numba: float32 on the CPU, one thread.

They take contiguous arrays and check nothing: `fedrobust.kernels` does.  Compiled code is kept on
disk, beside this file or in the user's cache, so that only the first run on a machine waits.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fedrobust.kernels import measuring, networks, ranking

__all__ = [
    "distances",
    "mean_near",
    "norms",
    "products",
    "rank_mean",
    "squared_distances",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# Up to so many rows a whole column is sorted in registers, by code made for that number of rows: a
# fifth of a second to compile, nearly as fast as reading.  Beyond, the registers run out and
# compile time grows with the square: one kernel serves all numbers of rows and all ranks.
_IN_REGISTERS = 16


def norms(matrix: Floats) -> Doubles:
    """Return the Euclidean norms ``[n]`` of the rows ``[n, d]``."""
    squares = np.zeros(len(matrix))
    measuring.add_squares(matrix.reshape(-1), matrix.shape[1], squares)
    return np.sqrt(squares)


def distances(matrix: Floats, vector: Floats) -> Doubles:
    """Return the distances ``[n]`` of the rows ``[n, d]`` from a vector ``[d]``."""
    squares = np.zeros(len(matrix))
    measuring.add_squared_differences(matrix.reshape(-1), vector, squares)
    return np.sqrt(squares)


def products(matrix: Floats, vector: Floats) -> Doubles:
    """Return the scalar products ``[n]`` of the rows ``[n, d]`` with a vector ``[d]``."""
    sums = np.zeros(len(matrix))
    measuring.add_products(matrix.reshape(-1), vector, sums)
    return sums


def squared_distances(matrix: Floats) -> Doubles:
    """Return the squared distances ``[n, n]`` between the rows ``[n, d]``.

    From the differences themselves, whatever n is: a Gram matrix loses the digits of rows that are
    close to each other, and at n = 1000 it was no faster.
    """
    n, d = matrix.shape
    squares = np.zeros((n + 4, n + 4))  # the last tiles reach over the edge
    measuring.add_pairs(matrix.reshape(-1), n, d, squares)
    measuring.settle_pairs(matrix.reshape(-1), n, d, squares)
    return np.ascontiguousarray(squares[:n, :n])


def rank_mean(matrix: Floats, low: int, high: int) -> Floats:
    """Return the mean ``[d]`` of the values of rank `low` to `high` - 1 in each column."""
    n, d = matrix.shape
    mean = np.empty(d, np.float32)
    if n <= _IN_REGISTERS:
        ranking.rank_mean_in_registers(tuple(matrix), low, high, mean)
    else:
        pairs = _selecting(n, (low, high))
        ranking.block_rank_mean(matrix.reshape(-1), n, pairs, low, high, *_room(n), mean)
    return mean


def mean_near(matrix: Floats, keep: int, low: int, high: int) -> Floats:
    """Return the mean ``[d]`` of the `keep` values nearest to that of rank `low` to `high` - 1."""
    n, d = matrix.shape
    mean = np.empty(d, np.float32)
    pairs = _selecting(n, networks.cuts_around(n, keep, low, high))
    ranking.block_mean_near(matrix.reshape(-1), n, pairs, keep, low, high, *_room(n), mean)
    return mean


@cache
def _selecting(n: int, cuts: tuple[int, ...]) -> NDArray[np.int64]:
    return np.array(networks.selecting(n, cuts, width=4, run=2), np.int64).reshape(-1, 2)


def _room(n: int) -> tuple[Floats, Doubles]:
    """Return room for a block of columns, at the start of a cache line, and for their sums."""
    size = (n + -n % 8) * ranking.BLOCK
    room = np.empty(size + 16, np.float32)
    start = -room.ctypes.data % 64 // 4  # loads that straddle two lines cost a fifth more
    return room[start : start + size], np.empty(ranking.BLOCK)
