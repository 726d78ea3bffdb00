"""The rules by their definitions, in float64, to see how exact everyone's answers are."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["RULES"]

Matrix = NDArray[np.float64]  # [n, d]


def squared_distances(rows: Matrix) -> Matrix:
    """Return all squared distances ``[n, n]``; rows are not small beside their differences."""
    centered = rows - rows.mean(0)
    gram = centered @ centered.T
    lengths = gram.diagonal()
    return np.maximum(lengths[:, None] + lengths - 2 * gram, 0) * (1 - np.eye(len(rows)))


def _krum_order(rows: Matrix, f: int) -> NDArray[np.int64]:
    nearest = np.sort(squared_distances(rows), axis=1)[:, 1 : len(rows) - f]
    return nearest.sum(1).argsort(kind="stable")


def krum(rows: Matrix, f: int) -> Matrix:
    return rows[_krum_order(rows, f)[0]]


def multi_krum(rows: Matrix, f: int) -> Matrix:
    return rows[_krum_order(rows, f)[: len(rows) - f]].mean(0)


def median(rows: Matrix, f: int) -> Matrix:
    return np.median(rows, axis=0)


def trimmed_mean(rows: Matrix, f: int) -> Matrix:
    return np.sort(rows, axis=0)[f : len(rows) - f].mean(0)


def meamed(rows: Matrix, f: int) -> Matrix:
    return _mean_near(rows, f, median(rows, f))


def phocas(rows: Matrix, f: int) -> Matrix:
    return _mean_near(rows, f, trimmed_mean(rows, f))


def _mean_near(rows: Matrix, f: int, center: Matrix) -> Matrix:
    far = np.abs(rows - center).argsort(axis=0, kind="stable")
    return np.take_along_axis(rows, far[: len(rows) - f], axis=0).mean(0)


def nnm(rows: Matrix, f: int) -> Matrix:
    nearest = squared_distances(rows).argsort(axis=1, kind="stable")[:, : len(rows) - f]
    mixing = np.zeros((len(rows), len(rows)))
    np.put_along_axis(mixing, nearest, 1 / (len(rows) - f), axis=1)
    return mixing @ rows


def geometric_median(rows: Matrix, f: int) -> Matrix:
    squares, n = squared_distances(rows), len(rows)
    weights = np.full(n, 1 / n)
    for _ in range(2000):  # Weiszfeld's steps, on the distances alone
        to_center = squares @ weights - weights @ squares @ weights / 2
        weights = 1 / np.sqrt(np.maximum(to_center, 1e-300))
        weights /= weights.sum()
    return weights @ rows


def centered_clipping(rows: Matrix, f: int, radius: float, iterations: int) -> Matrix:
    center = np.zeros(rows.shape[1])
    for _ in range(iterations):
        away = rows - center
        lengths = np.linalg.norm(away, axis=1)
        center = center + np.minimum(1, radius / lengths) @ away / len(rows)
    return center


def mda(rows: Matrix, f: int) -> Matrix:
    """Find the smallest diameter for which f rows can be dropped, then those rows."""
    squares = squared_distances(rows)
    diameters = np.unique(squares)
    low, high = 0, len(diameters) - 1
    while low < high:
        middle = (low + high) // 2
        if _cover(squares > diameters[middle], f) is None:
            low = middle + 1
        else:
            high = middle
    dropped = _cover(squares > diameters[low], f) or []
    kept = [i for i in range(len(rows)) if i not in dropped]
    return rows[kept[: len(rows) - f]].mean(0)


def _cover(far: NDArray[np.bool_], f: int) -> list[int] | None:
    """Return at most f rows that every pair in `far` has one of; None if there are none."""
    degrees = far.sum(1)
    worst = int(degrees.argmax())
    if not degrees[worst]:
        return []
    if f == 0 or degrees.sum() > 2 * f * degrees[worst]:
        return None
    for chosen in ([worst], far[worst].nonzero()[0].tolist()):
        if len(chosen) <= f:
            left = far.copy()
            left[chosen], left[:, chosen] = False, False
            if (rest := _cover(left, f - len(chosen))) is not None:
                return chosen + rest
    return None


def smea(rows: Matrix, f: int) -> Matrix:
    """Try all subsets: keep that whose covariance has the smallest largest eigenvalue."""
    centered = rows - rows.mean(0)
    gram, m = centered @ centered.T, len(rows) - f
    subsets = np.array(list(combinations(range(len(rows)), m)))
    inner = gram[subsets[:, :, None], subsets[:, None, :]]
    middle = np.eye(m) - 1 / m
    largest = np.linalg.eigvalsh(middle @ inner @ middle)[:, -1]
    return rows[subsets[largest.argmin()]].mean(0)


RULES = {
    rule.__name__: rule
    for rule in (median, trimmed_mean, krum, multi_krum, geometric_median, nnm, mda, smea)
} | {"centered_clipping": centered_clipping, "meamed": meamed, "phocas": phocas}
