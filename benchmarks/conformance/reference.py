"""The rules by their papers' definitions, in float64, as plainly as they can be written.

They try all subsets and take all distances one by one, so they are for a dozen updates;
`benchmarks.reference` has some of them for large matrices.  Where a definition leaves a choice,
as between updates with equal scores, all answers it allows are returned.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Matrix",
    "adaptive_clipping",
    "averaged_by_examples",
    "best_subsets",
    "bucketing",
    "bulyan",
    "caf",
    "caf_by",
    "centered_clipping",
    "clip",
    "clipped_mean",
    "geometric_median",
    "krum",
    "krum_scores",
    "lowest",
    "mda",
    "mean",
    "mean_around",
    "mean_around_median",
    "median",
    "monna",
    "nnm",
    "smea",
    "squared_distances",
    "trimmed_mean",
]

Matrix = NDArray[np.float64]  # [n, d], or [r, n, d] for rules that remember r - 1 rounds
Top = Callable[[Matrix, Matrix], tuple[float, Matrix]]  # of centered rows and their weights
_EQUAL = 1e-9  # relative difference below which scores are the same


def mean(rows: Matrix, f: int) -> Matrix:
    return rows.mean(0)


def averaged_by_examples(rows: Matrix, f: int) -> Matrix:
    """Update i counts i + 1 times: client i says that it has so many examples."""
    return np.average(rows, axis=0, weights=np.arange(len(rows)) + 1)


def median(rows: Matrix, f: int) -> Matrix:
    return np.median(rows, axis=0)


def trimmed_mean(rows: Matrix, f: int) -> Matrix:
    return np.sort(rows, axis=0)[f : len(rows) - f].mean(0)


def mean_around_median(rows: Matrix, f: int) -> list[Matrix]:
    return mean_around(rows, len(rows) - f, median(rows, f))


def mean_around(rows: Matrix, kept: int, center: Matrix) -> list[Matrix]:
    """Average the values nearest to the center, in each coordinate on its own."""
    choices = []
    for column, middle in zip(rows.T, center, strict=True):
        means = [column[chosen].mean() for chosen in lowest(np.abs(column - middle), kept)]
        choices.append(np.unique(np.round(means, 12)) if len(means) > 1 else means)
    return [np.array(means) for means in product(*choices)]


def squared_distances(rows: Matrix) -> Matrix:
    return np.array([[((x - y) ** 2).sum() for y in rows] for x in rows])


def lowest(scores: Matrix, number: int) -> Iterator[list[int]]:
    """Yield every choice of the lowest scores: more than one where scores are equal."""
    last = np.sort(scores)[number - 1]
    equal = np.isclose(scores, last, rtol=_EQUAL, atol=0)
    sure = [i for i in range(len(scores)) if scores[i] < last and not equal[i]]
    for more in combinations(np.flatnonzero(equal).tolist(), number - len(sure)):
        yield sure + list(more)


def krum_scores(squares: Matrix, neighbors: int) -> Matrix:
    return np.array(
        [np.sort(np.delete(squares[i], i))[:neighbors].sum() for i in range(len(squares))]
    )


def krum(rows: Matrix, f: int, fewer: int, several: bool) -> list[Matrix]:
    """Count n - f - `fewer` neighbors; average `several` updates: n - f."""
    scores = krum_scores(squared_distances(rows), len(rows) - f - fewer)
    kept = len(rows) - f if several else 1
    return [rows[chosen].mean(0) for chosen in lowest(scores, kept)]


def bulyan(rows: Matrix, f: int) -> list[Matrix]:
    """Choose n - 2f updates one by one, each by Krum among those that are left."""
    left = list(range(len(rows)))
    chosen: list[int] = []
    while len(chosen) < len(rows) - 2 * f:
        squares = squared_distances(rows[left])
        nearest = max(len(left) - f - 2, 1)
        scores = [krum_scores(squares, k).tolist() for k in (nearest, nearest + 1)]
        best = min(range(len(left)), key=lambda i: (scores[0][i], scores[1][i]))
        chosen.append(left.pop(best))
    return mean_around(rows[chosen], len(rows) - 4 * f, median(rows[chosen], f))


def geometric_median(rows: Matrix, f: int) -> Matrix:
    """Take Weiszfeld's steps for long; an update that is as good as where they lead is better."""
    center = np.median(rows, axis=0)
    for _ in range(20_000):
        weights = 1 / np.maximum(np.linalg.norm(rows - center, axis=1), 1e-300)
        before, center = center, weights / weights.sum() @ rows
        if np.array_equal(before, center):
            break
    sums = [np.linalg.norm(rows - point, axis=1).sum() for point in (*rows, center)]
    return (*rows, center)[int(np.argmin(sums))]


def best_subsets(rows: Matrix, f: int, measure: Callable[[Sequence[int]], float]) -> list[Matrix]:
    subsets = [list(subset) for subset in combinations(range(len(rows)), len(rows) - f)]
    measures = np.array([measure(subset) for subset in subsets])
    best = np.flatnonzero(measures <= measures.min() * (1 + _EQUAL))
    return [rows[subsets[i]].mean(0) for i in best]


def mda(rows: Matrix, f: int) -> list[Matrix]:
    """Average the n - f updates whose farthest pair is the closest."""
    squares = squared_distances(rows)
    return best_subsets(rows, f, lambda subset: squares[np.ix_(subset, subset)].max())


def smea(rows: Matrix, f: int) -> list[Matrix]:
    """Average the n - f updates whose covariance has the smallest largest eigenvalue."""

    def largest(subset: Sequence[int]) -> float:
        away = rows[list(subset)] - rows[list(subset)].mean(0)
        return float(np.linalg.eigvalsh(away @ away.T)[-1].clip(min=0))

    return best_subsets(rows, f, largest)


def caf(rows: Matrix, f: int) -> list[Matrix]:
    """Take weight from what sticks out; return the mean whose covariance was the smallest.

    Two readings: beside the farthest update that still has weight, or beside the farthest of all.
    """
    return [caf_by(rows, f, _top, among_all) for among_all in (False, True)]


def _top(away: Matrix, weights: Matrix) -> tuple[float, Matrix]:
    scaled = np.sqrt(weights / weights.sum())[:, None] * away
    _, lengths, directions = np.linalg.svd(scaled, full_matrices=False)
    return float(lengths[0] ** 2), directions[0]


def caf_by(rows: Matrix, f: int, top: Top, among_all: bool) -> Matrix:
    weights, best, answer = np.ones(len(rows)), np.inf, rows.mean(0)
    while weights.sum() > len(rows) - 2 * f:
        center = weights @ rows / weights.sum()
        largest, direction = top(rows - center, weights)
        if largest < best:
            best, answer = largest, center
        squares = ((rows - center) @ direction) ** 2
        farthest = squares[(weights > 0) | among_all].max()
        if farthest <= 1e-24 * (rows**2).max():
            break  # all updates are the same
        weights = weights * (1 - squares / farthest).clip(min=0)
    return answer


def monna(rows: Matrix, f: int, trusted: int = 0) -> list[Matrix]:
    """Average the n - f updates nearest to the trusted one."""
    squares = ((rows - rows[trusted]) ** 2).sum(1)
    return [rows[chosen].mean(0) for chosen in lowest(squares, len(rows) - f)]


def centered_clipping(rounds: Matrix, f: int, radius: float, iterations: int) -> Matrix:
    """Start from zero, and each round from the answer of the one before."""
    center = np.zeros(rounds.shape[2])
    for rows in rounds:
        for _ in range(iterations):
            lengths = np.maximum(np.linalg.norm(rows - center, axis=1), 1e-300)
            center = center + np.minimum(1, radius / lengths) @ (rows - center) / len(rows)
    return center


def nnm(rows: Matrix, f: int) -> Matrix:
    order = squared_distances(rows) - np.eye(len(rows))  # an update is the nearest to itself
    return np.stack([rows[o.argsort(kind="stable")[: len(rows) - f]].mean(0) for o in order])


def clip(rows: Matrix, f: int, radius: float) -> Matrix:
    lengths = np.maximum(np.linalg.norm(rows, axis=1), 1e-300)
    return np.minimum(1, radius / lengths)[:, None] * rows


def clipped_mean(rows: Matrix, f: int, radius: float) -> Matrix:
    return clip(rows, f, radius).mean(0)


def adaptive_clipping(rows: Matrix, f: int) -> Matrix:
    """Clip to the norm above which there are floor(2 f (n - f) / n)."""
    n, lengths = len(rows), np.linalg.norm(rows, axis=1)
    return clip(rows, f, float(np.sort(lengths)[n - 2 * f * (n - f) // n - 1]))


def bucketing(rows: Matrix, f: int, size: int, answer: Matrix) -> Matrix:
    """Return the means of a partition into buckets that comes nearest to `answer`.

    The order is random: that each row is the mean of updates that no other has is what can be
    checked.
    """
    n = len(rows)
    if answer.shape != (-(-n // size), rows.shape[1]):
        return np.full_like(answer, np.inf)
    left, means = set(range(n)), []
    for number, row in enumerate(answer):
        buckets = [*combinations(sorted(left), min(size, n - number * size))]
        candidates = [rows[list(bucket)].mean(0) for bucket in buckets]
        best = int(np.argmin([np.abs(one - row).max() for one in candidates]))
        means.append(candidates[best])
        left -= set(buckets[best])
    return np.stack(means)
