"""Arithmetic on the rows of an ``[n, d]`` matrix of updates.

Lengths and distances are accumulated in float64: a float32 square overflows beyond 1.8e19, and
float32 Gram matrices lose the small distances between similar updates that rules live on.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "clip",
    "clip_factors",
    "cosines",
    "distances",
    "norms",
    "rank_mean",
    "squared_distances",
]

_COLUMNS = 1 << 13  # columns converted to float64 at a time: few enough to stay in the cache
_ROWS = 64  # rows copied at a time
_CANCELLED = 1e-8  # relative size below which a Gram distance has lost too many digits


def norms(rows: Tensor) -> Tensor:
    """Return the Euclidean norms ``[n]`` of the rows, in float64."""
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1]):
        lengths = torch.linalg.vector_norm(rows[:, block], dim=1, dtype=torch.float64)
        squares = squares + lengths.square()  # not in place: hooks call this under vmap
    return squares.sqrt()


def clip(rows: Tensor, max_norm: float) -> Tensor:
    """Scale down every row longer than `max_norm` to that length."""
    return rows * clip_factors(rows, max_norm)[:, None]


def clip_factors(rows: Tensor, max_norm: float) -> Tensor:
    """Return by how much `clip` scales each row, ``[n]``."""
    return (max_norm / norms(rows)).clamp(max=1.0).nan_to_num(nan=1.0).to(rows.dtype)


def cosines(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the cosine ``[n]`` between each row and ``[d]``; zero where one of them is zero."""
    lengths = norms(rows) * torch.linalg.vector_norm(vector, dtype=torch.float64)
    products = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1]):
        products += rows[:, block].double() @ vector[block].double()
    return torch.where(lengths > 0, products / lengths, 0.0).clamp(-1.0, 1.0)


def distances(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the distance ``[n]`` between each row and ``[d]``, in float64."""
    squares = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1]):
        difference = rows[:, block].double() - vector[block].double()
        squares += torch.linalg.vector_norm(difference, dim=1).square()
    return squares.sqrt()


def squared_distances(rows: Tensor) -> Tensor:
    """Return the ``[n, n]`` squared distances between rows, in float64, zero on the diagonal.

    By a Gram matrix in float64, around one of the rows, whose length is the median one: a single
    huge row would drag a mean away from all others.  Pairs that nearly cancel are computed again
    from their difference.
    """
    center = rows[norms(rows).argsort()[len(rows) // 2]]
    gram = torch.zeros(len(rows), len(rows), dtype=torch.float64, device=rows.device)
    for block in _blocks(rows.shape[1]):
        centered = rows[:, block].double() - center[block].double()
        gram += centered @ centered.T
    lengths = gram.diagonal()
    squares = (lengths[:, None] + lengths - 2 * gram).clamp(min=0.0)
    cancelled = (squares <= _CANCELLED * (lengths[:, None] + lengths)).triu(diagonal=1)
    for i in cancelled.any(dim=1).nonzero().flatten().tolist():
        for j in torch.split(cancelled[i].nonzero().flatten(), _ROWS):
            squares[i, j] = squares[j, i] = distances(rows[j], rows[i]).square()
    return squares.fill_diagonal_(0.0)


def rank_mean(rows: Tensor, low: int, high: int) -> Tensor:
    """Return, for each coordinate ``[d]``, the mean of its values of rank `low` to `high` - 1."""
    if rows.is_cuda:
        return rows.sort(dim=0).values[low:high].mean(dim=0)
    columns = np.sort(np.ascontiguousarray(rows.numpy().T), axis=1)  # [d, n]
    mean = columns[:, low:high].mean(axis=1, dtype=np.float64)
    return torch.from_numpy(mean).to(rows.dtype)


def _blocks(columns: int) -> Iterator[slice]:
    return (slice(start, start + _COLUMNS) for start in range(0, columns, _COLUMNS))
