"""Arithmetic on the rows of an ``[n, d]`` matrix of updates: what rules are written in.

Lengths and distances are float64, exact enough for rows that differ little or are huge.

Within a round admission, the rule and the ledger measure the same matrix.  Its norms and pairwise
distances are computed once and remembered as long as the matrix lives and is not changed; a write
that torch does not see (through a numpy array that shares the memory, or `.data`) is not noticed.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from fedrobust import kernels
from fedrobust.kernels import distances, mean_near, mean_near_median, rank_mean

__all__ = [
    "clip",
    "clip_factors",
    "cosines",
    "distances",
    "mean_near",
    "mean_near_median",
    "norms",
    "rank_mean",
    "some_columns",
    "squared_distances",
]

_remembered: Any = WeakIdKeyDictionary()  # of each living matrix: its state and what it measured


def norms(rows: Tensor) -> Tensor:
    """Return the Euclidean norms ``[n]`` of the rows, in float64."""
    return _once(kernels.norms, rows)


def squared_distances(rows: Tensor) -> Tensor:
    """Return the ``[n, n]`` squared distances between rows, in float64, zero on the diagonal."""
    return _once(kernels.squared_distances, rows)


def clip(rows: Tensor, max_norm: float) -> Tensor:
    """Scale down every row longer than `max_norm` to that length."""
    return rows * clip_factors(rows, max_norm)[:, None]


def clip_factors(rows: Tensor, max_norm: float) -> Tensor:
    """Return by how much `clip` scales each row, ``[n]``."""
    return (max_norm / norms(rows)).clamp(max=1.0).nan_to_num(nan=1.0).to(rows.dtype)


def cosines(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the cosine ``[n]`` between each row and ``[d]``; zero where one of them is zero."""
    lengths = norms(rows) * kernels.norms(vector[None])
    ratios = kernels.products(rows, vector) / lengths
    return ratios.where(lengths > 0, 0.0).clamp(-1.0, 1.0)


def some_columns(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Return `count` of the columns: one at random in each of as many equal stretches.

    Every column is as likely as any other, at a cost that does not depend on how many there are.
    Where their number is no multiple of `count`, one at an end of a stretch can come twice.
    """
    d = rows.shape[1]
    places = torch.arange(count) + torch.rand(count, generator=generator, dtype=torch.float64)
    drawn = (places * (d / count)).long().clamp(max=d - 1)
    return rows[:, drawn.to(rows.device)]


def _once(measure: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Measure a matrix unless that was done since it last changed; return a copy."""
    if not kernels.plain(rows) or rows.is_inference():  # these have no version to compare
        return measure(rows)
    state = (rows._version, rows.data_ptr(), rows.shape)
    if rows not in _remembered or _remembered[rows][0] != state:
        _remembered[rows] = (state, {})
    measured: dict[Callable[[Tensor], Tensor], Tensor] = _remembered[rows][1]
    if measure not in measured:
        measured[measure] = measure(rows)
    return measured[measure].clone()
