"""What peers compute where they do not follow the definition, in float64.

If one of these gives the answers of a peer, that is why they differ.
"""

from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.conformance.reference import (
    Matrix,
    best_subsets,
    caf_by,
    centered_clipping,
    krum_scores,
    lowest,
    mean_around,
    median,
    squared_distances,
)
from benchmarks.conformance.server_steps import (
    adagrad_second,
    adam_second,
    adaptive,
    yogi_second,
)

__all__ = [
    "adagrad_from_zero",
    "adam_corrected",
    "bulyan_at_once",
    "caf_by_one_step",
    "caf_by_three_steps",
    "centered_clipping_afresh",
    "lower_median",
    "mean_around_lower_median",
    "smea_by_one_step",
    "weiszfeld_from_zero",
    "yogi_from_zero",
]


def lower_median(rows: Matrix, f: int) -> Matrix:
    """Take the lower of the two middle values, if their number is even."""
    middle: Matrix = np.sort(rows, axis=0)[(len(rows) - 1) // 2]
    return middle


def mean_around_lower_median(rows: Matrix, f: int) -> list[Matrix]:
    return mean_around(rows, len(rows) - f, lower_median(rows, f))


def bulyan_at_once(rows: Matrix, f: int) -> list[Matrix]:
    """Choose the n - 2f updates with the lowest of Krum's scores among all."""
    scores = krum_scores(squared_distances(rows), len(rows) - f - 2)
    return [
        answer
        for chosen in lowest(scores, len(rows) - 2 * f)
        for answer in mean_around(rows[chosen], len(rows) - 4 * f, median(rows[chosen], f))
    ]


def weiszfeld_from_zero(rows: Matrix, f: int) -> Matrix:
    """Take three of Weiszfeld's steps from zero; count no distance as less than 0.1."""
    center = np.zeros(rows.shape[1])
    for _ in range(3):
        weights = 1 / np.maximum(np.linalg.norm(rows - center, axis=1), 0.1)
        center = weights / weights.sum() @ rows
    return center


def centered_clipping_afresh(rounds: Matrix, f: int, radius: float, iterations: int) -> Matrix:
    """Start from zero in each round."""
    return centered_clipping(rounds[-1:], f, radius, iterations)


def _random_direction(size: int) -> Matrix:
    """Return the next random direction that torch draws, in float32."""
    vector = torch.randn(size)
    unit: Matrix = (vector / torch.linalg.norm(vector)).double().numpy()
    return unit


def _one_step(away: Matrix, weights: Matrix) -> tuple[float, Matrix]:
    """Return the image of a random direction, and its length for the largest eigenvalue."""
    image = (weights * (away @ _random_direction(away.shape[1]))) @ away
    length = float(np.linalg.norm(image))
    return length, image / (length or 1.0)


def smea_by_one_step(rows: Matrix, f: int) -> list[Matrix]:
    """Measure each subset by one step of a power iteration from another random direction."""
    torch.manual_seed(0)

    def estimated(subset: Sequence[int]) -> float:
        chosen = rows[list(subset)]
        return _one_step(chosen - chosen.mean(0), np.ones(len(chosen)))[0]

    return best_subsets(rows, f, estimated)


def caf_by_one_step(rows: Matrix, f: int) -> Matrix:
    """Take one step of a power iteration from a random direction."""
    torch.manual_seed(0)
    return caf_by(rows, f, lambda a, w: _one_step(a, w / w.sum()), among_all=True)


def caf_by_three_steps(rows: Matrix, f: int) -> Matrix:
    """Take three steps of a power iteration, always from the same random direction."""

    def top(away: Matrix, weights: Matrix) -> tuple[float, Matrix]:
        vector: Matrix = np.random.default_rng(0).standard_normal(away.shape[1])
        for _ in range(3):
            vector = (weights * (away @ vector)) @ away
            vector = vector / (float(np.linalg.norm(vector)) or 1.0)
        return float(weights @ (away @ vector) ** 2 / weights.sum()), vector

    return caf_by(rows, f, top, among_all=True)


def adam_corrected(
    rounds: Matrix, f: int, lr: float, beta1: float, beta2: float, tau: float
) -> Matrix:
    """Start from 0, and correct the learning rate as Kingma and Ba do, a round ahead."""

    def correction(number: int) -> float:
        return float(np.sqrt(1 - beta2 ** (number + 1)) / (1 - beta1 ** (number + 1)))

    return adaptive(rounds, adam_second, 0.0, lr, beta1, beta2, tau, correction)


def yogi_from_zero(
    rounds: Matrix, f: int, lr: float, beta1: float, beta2: float, tau: float
) -> Matrix:
    """Let the second moment start from 0."""
    return adaptive(rounds, yogi_second, 0.0, lr, beta1, beta2, tau)


def adagrad_from_zero(rounds: Matrix, f: int, lr: float, beta1: float, tau: float) -> Matrix:
    """Let the second moment start from 0."""
    return adaptive(rounds, adagrad_second, 0.0, lr, beta1, 0.0, tau)
