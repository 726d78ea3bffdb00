"""Arithmetic on the rows of an ``[n, d]`` matrix, as fast as this machine can do it.

Two paths give the same results, to six digits and mostly to the last: `compiled`, machine code by
numba for float32 matrices in the CPU's memory, and `portable`, torch and numpy for everything else:
graphics cards, other types, tensors that autograd or vmap follow, machines without numba.  `path`
says which one is taken and why.  The environment variable FEDROBUST_KERNELS chooses:

    auto        compiled where it is possible and the matrix large enough to matter (the default)
    compiled    the same whatever the size; an error if numba cannot be imported
    portable    never compiled

Lengths, distances and products are float64, whatever the matrix.  Rows that differ little or that
are far from 1 keep their digits: what float32 cannot hold is computed in float64.

NaN may reach `norms`, which passes it on; everything else is given rows that were admitted, and its
result is undefined where a value is NaN.
"""

import os
from functools import cache
from types import ModuleType
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from fedrobust.errors import AggregationError, ConfigError
from fedrobust.kernels import portable
from fedrobust.kernels.tensors import plain

__all__ = [
    "Path",
    "distances",
    "mean_near",
    "mean_near_median",
    "norms",
    "path",
    "plain",
    "products",
    "rank_mean",
    "squared_distances",
]

_CHOICES = ("auto", "compiled", "portable")
_LARGE = 1 << 18  # numbers from which on compiled code saves more than it takes to load it


class Path(NamedTuple):
    """Which code computes, and why."""

    name: Literal["compiled", "portable"]
    reason: str


def path(rows: Tensor | None = None, vector: Tensor | None = None) -> Path:
    """Return the path these tensors take, or without any, the one a large matrix takes.

    Raises ConfigError if FEDROBUST_KERNELS is none of its three values, or compiled without numba.
    """
    wish = os.environ.get("FEDROBUST_KERNELS", "auto")
    if wish not in _CHOICES:
        raise ConfigError(f"FEDROBUST_KERNELS is auto, compiled or portable, not {wish!r}.")
    if wish == "portable":
        return Path("portable", "FEDROBUST_KERNELS is portable")
    for tensor in (rows, vector):
        if tensor is None:
            continue
        if not plain(tensor):
            return Path("portable", "autograd or vmap follows the tensor")
        if tensor.device.type != "cpu" or tensor.dtype != torch.float32:
            return Path("portable", f"the tensor is {tensor.dtype} on {tensor.device}")
    if wish == "auto" and rows is not None and rows.numel() < _LARGE:
        return Path("portable", f"the matrix has fewer than {_LARGE} numbers")
    problem = _compiled()[1]
    if problem and wish == "compiled":
        raise ConfigError(
            f"FEDROBUST_KERNELS=compiled needs numba: {problem}; type: "
            "pip install 'fedrobust[fast]', or unset the variable."
        )
    return Path("portable", problem) if problem else Path("compiled", "numba is installed")


def norms(rows: Tensor) -> Tensor:
    """Return the Euclidean norms ``[n]`` of the rows, in float64.  One read of the matrix."""
    if (code := _code(rows)) is None:
        return portable.norms(rows)
    return torch.from_numpy(code.norms(rows.contiguous().numpy()))


def distances(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the distance ``[n]`` between each row and ``[d]``, in float64.  One read."""
    _check_vector(rows, vector)
    if (code := _code(rows, vector)) is None:
        return portable.distances(rows, vector)
    matrix, point = rows.contiguous().numpy(), vector.contiguous().numpy()
    return torch.from_numpy(code.distances(matrix, point))


def products(rows: Tensor, vector: Tensor) -> Tensor:
    """Return the scalar product ``[n]`` of each row with ``[d]``, in float64.  One read."""
    _check_vector(rows, vector)
    if (code := _code(rows, vector)) is None:
        return portable.products(rows, vector)
    matrix, factor = rows.contiguous().numpy(), vector.contiguous().numpy()
    return torch.from_numpy(code.products(matrix, factor))


def squared_distances(rows: Tensor) -> Tensor:
    """Return the squared distances ``[n, n]`` between rows, in float64.

    Symmetric, zero on the diagonal and, exactly, between equal rows.  O(n^2 d): nine reads of the
    matrix at n = 100.
    """
    if (code := _code(rows)) is None:
        return portable.squared_distances(rows)
    return torch.from_numpy(code.squared_distances(rows.contiguous().numpy()))


def rank_mean(rows: Tensor, low: int, high: int) -> Tensor:
    """Return, for each coordinate ``[d]``, the mean of its values of rank `low` to `high` - 1.

    O(n log(n)^2 d), whatever the ranks: one read of the matrix up to n = 16, four at n = 100.
    Raises AggregationError if there are no such ranks.
    """
    _check_ranks("rank_mean", rows, low, high)
    if (code := _code(rows)) is None:
        return portable.rank_mean(rows, low, high)
    return torch.from_numpy(code.rank_mean(rows.contiguous().numpy(), low, high))


def mean_near(rows: Tensor, keep: int, low: int, high: int) -> Tensor:
    """Return, for each coordinate ``[d]``, the mean of the `keep` values nearest to its center.

    That is the mean of its values of rank `low` to `high` - 1.  Of two values equally far from it
    the smaller is nearer.  O(n log(n)^2 d): five reads at n = 100.
    Raises AggregationError if there are no such ranks or `keep` is not between 1 and n.
    """
    _check_ranks("mean_near", rows, low, high)
    if not 1 <= keep <= len(rows):
        raise AggregationError(
            f"mean_near needs 1 <= keep <= n: it got keep = {keep} with n = {len(rows)} rows."
        )
    if (code := _code(rows)) is None:
        return portable.mean_near(rows, keep, low, high)
    return torch.from_numpy(code.mean_near(rows.contiguous().numpy(), keep, low, high))


def mean_near_median(rows: Tensor, keep: int) -> Tensor:
    """Return `mean_near` the median; that of an even number is the mean of the two in the middle.

    Raises AggregationError if `keep` is not between 1 and n.
    """
    return mean_near(rows, keep, (len(rows) - 1) // 2, len(rows) // 2 + 1)


def _check_ranks(name: str, rows: Tensor, low: int, high: int) -> None:
    if not 0 <= low < high <= len(rows):
        raise AggregationError(
            f"{name} needs 0 <= low < high <= n: it got low = {low} and high = {high} "
            f"with n = {len(rows)} rows."
        )


def _check_vector(rows: Tensor, vector: Tensor) -> None:
    if vector.shape != rows.shape[1:]:
        raise AggregationError(
            f"Rows of shape {tuple(rows.shape)} need a vector of shape {tuple(rows.shape[1:])}, "
            f"not {tuple(vector.shape)}."
        )


def _code(rows: Tensor, vector: Tensor | None = None) -> ModuleType | None:
    """Return the compiled kernels if these tensors take that path."""
    return _compiled()[0] if path(rows, vector).name == "compiled" else None


@cache
def _compiled() -> tuple[ModuleType | None, str]:
    """Return the compiled kernels, or what is in their way."""
    try:
        from fedrobust.kernels import compiled
    except (ImportError, OSError) as error:  # absent, switched off, made for another numpy, broken
        return None, f"{type(error).__name__}: {error}"
    return compiled, ""
