"""The kernels without a compiler: any device, any float type, and inside `torch.func.vmap`.

Sums are accumulated in float64: a float32 square overflows beyond 1.8e19, and float32 Gram
matrices lose the small distances between similar updates that rules live on.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedrobust.kernels.networks import Pair, cuts_around, selecting
from fedrobust.kernels.tensors import plain

__all__ = [
    "distances",
    "mean_near",
    "norms",
    "products",
    "rank_mean",
    "squared_distances",
]

Floats = NDArray[np.floating]

_COLUMNS = 1 << 13  # columns converted to float64 at a time: few enough to stay in the cache
_ROWS = 64  # rows copied at a time
_CANCELLED = 1e-7  # relative size below which a Gram distance has lost too many digits
_IN_NETWORK = 64  # rows up to which a network of minima and maxima is faster than numpy's sort
_SORTED = 1 << 18, 1 << 26  # numbers sorted at a time, by numpy and by torch


def norms(rows: Tensor) -> Tensor:
    """Return the Euclidean norms ``[n]`` of the rows ``[n, d]``."""
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1], _COLUMNS):
        lengths = torch.linalg.vector_norm(rows[:, block], dim=1, dtype=torch.float64)
        squares = squares + lengths.square()  # not in place: hooks call this under vmap
    return squares.sqrt()


def distances(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the distances ``[n]`` of the rows ``[n, d]`` from a vector ``[d]``."""
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1], _COLUMNS):
        differences = rows[:, block].double() - vector[block].double()
        squares = squares + torch.linalg.vector_norm(differences, dim=1).square()
    return squares.sqrt()


def products(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the scalar products ``[n]`` of the rows ``[n, d]`` with a vector ``[d]``."""
    sums = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1], _COLUMNS):
        sums = sums + rows[:, block].double() @ vector[block].double()
    return sums


def squared_distances(rows: Tensor) -> Tensor:
    """Return the squared distances ``[n, n]`` between the rows ``[n, d]``.

    By a Gram matrix in float64, around one of the rows, whose length is the median one: a single
    huge row would drag a mean away from all others.  Pairs that nearly cancel are computed again
    from their difference.
    """
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    if len(rows) == 0:
        return gram
    center = rows[norms(rows).argsort()[len(rows) // 2]]
    for block in _blocks(rows.shape[1], _COLUMNS):
        centered = rows[:, block].double() - center[block].double()
        gram += centered @ centered.T
    gram = gram.tril() + gram.tril(-1).T  # a product need not be symmetric to the last digit
    lengths = gram.diagonal()
    squares = (lengths[:, None] + lengths - 2 * gram).clamp(min=0.0)
    cancelled = (squares <= _CANCELLED * (lengths[:, None] + lengths)).triu(diagonal=1)
    for i in cancelled.any(dim=1).nonzero().flatten().tolist():
        for j in torch.split(cancelled[i].nonzero().flatten(), _ROWS):
            squares[i, j] = squares[j, i] = distances(rows[j], rows[i]).square()
    return squares.fill_diagonal_(0.0)


def rank_mean(rows: Tensor, low: int, high: int) -> Tensor:
    """Return the mean ``[d]`` of the values of rank `low` to `high` - 1 in each column."""
    means = [values.mean(dim=0, dtype=torch.float64) for values in _ranked(rows, (low, high))]
    return torch.cat(means).to(rows.dtype)


def mean_near(rows: Tensor, keep: int, low: int, high: int) -> Tensor:
    """Return the mean ``[d]`` of the `keep` values nearest to that of rank `low` to `high` - 1."""
    n = len(rows)
    ranks = torch.arange(n, device=rows.device)[:, None]
    means = []
    for block in _ranked(rows, cuts_around(n, keep, low, high)):
        values = block.double()
        center = values[low:high].sum(dim=0)  # times high - low
        # Of two values `keep` ranks apart only one is kept: the upper if it is nearer.
        middles = (high - low) / 2 * (values[: n - keep] + values[keep:])
        first = (middles < center).sum(dim=0)
        kept = (first <= ranks) & (ranks < first + keep)
        means.append(torch.where(kept, values, 0.0).sum(dim=0) / keep)
    return torch.cat(means).to(rows.dtype)


def _ranked(rows: Tensor, cuts: tuple[int, ...]) -> Iterator[Tensor]:
    """Yield the values between the first and the last cut, block by block of columns."""
    n, d = rows.shape
    low, high = cuts[0], cuts[-1]
    if not plain(rows) or rows.is_cuda or rows.dtype not in (torch.float32, torch.float64):
        for block in _blocks(d, _SORTED[1] // n + 1):
            yield rows[:, block].sort(dim=0).values[low:high]
    elif n <= _IN_NETWORK:
        pairs = selecting(n, cuts)
        for block in _blocks(d, 2 * _COLUMNS):
            wires = _through_network(rows[:, block].numpy(), pairs)
            yield torch.from_numpy(np.stack(wires[low:high]))
    else:
        for block in _blocks(d, _SORTED[0] // n + 1):
            columns = np.sort(np.ascontiguousarray(rows[:, block].numpy().T), axis=1)
            yield torch.from_numpy(columns[:, low:high]).T


def _through_network(columns: Floats, pairs: tuple[Pair, ...]) -> list[Floats]:
    wires = list(columns.copy())
    spare = np.empty_like(wires[0])
    for i, j in pairs:
        np.minimum(wires[i], wires[j], out=spare)
        np.maximum(wires[i], wires[j], out=wires[j])
        wires[i], spare = spare, wires[i]
    return wires


def _blocks(columns: int, width: int) -> Iterator[slice]:
    return (slice(start, start + width) for start in range(0, max(columns, 1), width))
