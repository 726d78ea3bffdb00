"""What follows from the distances between updates alone, at a cost independent of their length.

All functions take the squared distances ``[n, n]`` in float64 that `rows.squared_distances`
returns, and never modify them.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, islice

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "averaging",
    "geometric_median",
    "nearest_sums",
    "smallest_diameter_subset",
    "smallest_trace_subset",
    "smallest_variance_subset",
    "square_length",
]

_BATCH = 1 << 12  # subsets compared at a time
_EQUAL = 1e-12  # relative difference that rounding makes between equal numbers
_TINY = 1e-300  # stands for a distance of zero where it divides
_SAME = 1e-14  # squared distance, relative to a usual one, below which two updates are copies


def averaging(kept: Sequence[int], updates: Tensor) -> Tensor:
    """Return the weights ``[n]`` that average the rows `kept` of `updates`."""
    weights = torch.zeros(len(updates), dtype=updates.dtype, device=updates.device)
    weights[list(kept)] = 1 / len(kept)
    return weights


def nearest_sums(squares: Tensor) -> Tensor:
    """Return ``[n, n]``: in column k, each row's k smallest squared distances to others, summed."""
    return squares.sort(dim=1).values.cumsum(dim=1)  # the first is its own, 0


def square_length(combination: Tensor, squares: Tensor) -> Tensor:
    """Return the squared length of the sum of c_i x_i, for coefficients c that sum to zero.

    It is -1/2 c' D c, D being the squared distances.
    """
    squared: Tensor = -0.5 * (combination @ squares @ combination)
    return squared.clamp(min=0.0)


def smallest_diameter_subset(squares: Tensor, size: int) -> list[int]:
    """Return the `size` rows, in ascending order, whose farthest pair is the closest.

    Where several subsets have the same diameter, their second farthest pairs decide, and so on;
    where distances are equal, pairs with low indices stay.

    Exact.  Pairs are ruled out from the farthest to the closest.  One can be if n - `size` rows
    are enough to touch it and all that were ruled out before it: a vertex cover.  The search for
    that is exponential in n - `size` at worst, and takes milliseconds on updates of any kind.
    """
    n = len(squares)
    distances = squares.cpu().numpy()
    first, second = np.triu_indices(n, k=1)
    order = np.lexsort((-first, -second, -distances[first, second]))
    apart = [0] * n  # as bits: with whom row i must not be
    kept = left_out = 0  # as bits: rows that have to stay, rows that can go
    for i, j in zip(first[order].tolist(), second[order].tolist(), strict=True):
        pair = 1 << i | 1 << j
        if pair & kept == pair:
            continue
        apart[i] ^= 1 << j
        apart[j] ^= 1 << i
        if pair & left_out:
            continue
        cover = _cover_without(kept, apart, n - size)
        if cover is not None:
            left_out = cover
            continue
        apart[i] ^= 1 << j
        apart[j] ^= 1 << i
        kept |= pair
    return [i for i in range(n) if not left_out >> i & 1]


def _cover_without(kept: int, apart: list[int], size: int) -> int | None:
    """Return at most `size` vertices, none of them in `kept`, that touch all edges, as bits."""
    forced = 0
    for v in _members(kept):
        forced |= apart[v]
    rest = ((1 << len(apart)) - 1) & ~kept & ~forced
    cover = _cover(apart, rest, size - forced.bit_count())
    return None if cover is None else cover | forced


def _cover(edges: list[int], among: int, size: int) -> int | None:
    """Return at most `size` of the vertices `among` that touch all edges between them, as bits."""
    taken = 0
    while True:
        degrees = {v: (edges[v] & among).bit_count() for v in _members(among)}
        most = max(degrees.values(), default=0)
        if size < 0 or (most and not size):
            return None
        if not most:
            return taken
        leaf = next((v for v, degree in degrees.items() if degree == 1), None)
        if most <= size and leaf is not None:
            (best,) = _members(edges[leaf] & among)  # touches no fewer edges than the leaf
        else:
            best = max(degrees, key=degrees.__getitem__)
            if 2 < most <= size:
                break  # to be tried; else it has too many neighbors to take, or is on a cycle
        among &= ~(1 << best)
        taken |= 1 << best
        size -= 1
    ranked = sorted(degrees.values(), reverse=True)
    if 2 * sum(ranked[:size]) < sum(ranked):
        return None
    for choice in (1 << best, edges[best] & among):  # the vertex, or else all its neighbors
        cover = _cover(edges, among & ~(1 << best) & ~choice, size - choice.bit_count())
        if cover is not None:
            return taken | choice | cover
    return None


def _members(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def smallest_variance_subset(squares: Tensor, size: int) -> list[int]:
    """Return the `size` rows, in ascending order, that vary least in the direction they vary most.

    Minimizes the largest eigenvalue of the covariance over all subsets, exactly.  Of the
    covariance ``[d, d]`` and the centered Gram matrix ``[size, size]`` the nonzero eigenvalues
    are the same, and squared distances, centered, are that Gram matrix.  The sum of the squared
    eigenvalues over their sum, which is cheap, is a lower bound that spares most subsets of
    attacked rounds the rest.  Of equally good subsets it is one without the last rows.
    """
    n = len(squares)
    squares = squares.cpu()
    start = smallest_diameter_subset(squares, size)
    limit = _largest_variances(squares, torch.tensor([start])).item()
    best, chosen = torch.inf, start
    for batch in _subsets(n, size):
        inside = batch[_variance_bounds(squares, batch, size) <= limit * (1 + _EQUAL)]
        members = inside.nonzero()[:, 1].reshape(len(inside), size)
        variances = _largest_variances(squares, members)
        smallest = min(variances.tolist(), default=torch.inf)
        if smallest < best * (1 - _EQUAL):
            ties = variances <= smallest * (1 + _EQUAL)
            best, chosen = smallest, members[ties.nonzero()[0, 0]].tolist()
            limit = min(limit, best)
    return chosen


def smallest_trace_subset(squares: Tensor, size: int) -> list[int]:
    """Return the `size` rows, in ascending order, whose squared distances have the smallest sum.

    That sum is `size` squared times the trace of their covariance.  Exact: it looks at all subsets,
    and adds without subtracting.  Of equally good subsets it is one without the last rows.
    """
    squares = squares.cpu()
    best, chosen = torch.inf, list(range(size))
    for inside in _subsets(len(squares), size):
        sums = (inside @ squares * inside).sum(dim=1)
        smallest = sums.min().item()
        if smallest < best * (1 - _EQUAL):
            best, first = smallest, (sums <= smallest * (1 + _EQUAL)).nonzero()[0, 0]
            chosen = inside[first].nonzero()[:, 0].tolist()
    return chosen


def _subsets(n: int, size: int) -> Iterator[Tensor]:
    """Yield all subsets of n rows, in batches ``[b, n]`` of 0 and 1; the last rows go first."""
    left_out = combinations(range(n - 1, -1, -1), n - size)
    while batch := list(islice(left_out, _BATCH)):
        outside = torch.tensor(batch, dtype=torch.int64).reshape(len(batch), -1)
        yield torch.ones(len(batch), n, dtype=torch.float64).scatter_(1, outside, 0.0)


def _variance_bounds(squares: Tensor, inside: Tensor, size: int) -> Tensor:
    """Return lower bounds ``[b]`` of the largest eigenvalues for subsets ``[b, n]`` of 0 and 1."""
    sums = inside @ squares * inside
    total = sums.sum(dim=1)
    fourth = (inside @ squares.square() * inside).sum(dim=1)
    eigenvalues = total / (2 * size)
    squared = (fourth - 2 / size * sums.square().sum(dim=1) + (total / size).square()) / 4
    bounds: Tensor = (squared / eigenvalues).nan_to_num(nan=0.0)
    return bounds * (1 - 1e-9)  # what rounding can amount to


def _largest_variances(squares: Tensor, members: Tensor) -> Tensor:
    """Return the largest eigenvalues ``[b]`` of the Gram matrices of subsets ``[b, size]``."""
    if not len(members):
        return torch.zeros(0, dtype=torch.float64)
    inside = squares[members[:, :, None], members[:, None, :]]
    means = inside.mean(dim=2)
    centered = inside - means[:, :, None] - means[:, None, :] + means.mean(dim=1)[:, None, None]
    eigenvalues: Tensor = torch.linalg.eigvalsh(-0.5 * centered)  # ascending
    return eigenvalues[:, -1].clamp(min=0.0)


def geometric_median(
    squares: Tensor, smoothing: float = 0.0, tolerance: float = 1e-8, max_iterations: int = 1000
) -> Tensor:
    """Return the weights ``[n]`` of the rows in the point closest to all of them together.

    Minimizes the sum of distances r_i by Weiszfeld's iteration, in which a row weighs 1 / r_i, or
    1 / `smoothing` if r_i is less, until it moves by less than `tolerance` times the median r_i.

    It starts from the best of the rows.  Without smoothing, that row is the answer unless the
    pull of the others exceeds it; otherwise the first step is Vardi and Zhang's, after which the
    sum is smaller than at any row, so that no iterate meets one.  Where several rows are best,
    all points between them are, and the answer is their mean.

    Distances that differ by a factor of 1e8 or more do not tell directions: rounding hides them.
    """
    squares = squares.cpu()
    sums = squares.sqrt().sum(dim=1)
    best = int(sums.argmin())
    weights = torch.zeros(len(squares), dtype=torch.float64)
    weights[best] = 1.0
    away = squares[best]
    copies = away <= _SAME * away.sort().values[len(away) // 2]
    pulls = torch.where(copies, 0.0, away.clamp(min=_TINY).rsqrt())  # [n] 1 / r_i
    cosines = (away[:, None] + away - squares) / 2 * pulls[:, None] * pulls
    pull = cosines.clamp(-1.0, 1.0).sum().clamp(min=0.0).sqrt().item()
    if pull > copies.sum() * (1 + _EQUAL):
        weights += (1 - copies.sum() / pull) * (pulls / pulls.sum() - weights)
    elif not smoothing:
        ties = sums <= sums[best] * (1 + _EQUAL)
        return ties / ties.sum(dtype=torch.float64)
    for _ in range(max_iterations):
        spread = squares @ weights
        lengths = (spread - weights @ spread / 2).clamp(min=_TINY).sqrt()  # r_i
        shares = 1 / lengths.clamp(min=smoothing)
        step = shares / shares.sum() - weights
        weights = weights + step
        if square_length(step, squares).sqrt() <= tolerance * lengths.median():
            break
    return weights
