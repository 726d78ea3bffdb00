"""Geometric median, and the smoothed one of Robust Federated Aggregation (RFA).

Pillutla, Kakade and Harchaoui, "Robust Aggregation for Federated Learning", IEEE Transactions on
Signal Processing 2022, https://arxiv.org/abs/1912.13445.  Vardi and Zhang, "The multivariate
L1-median and associated data depth", PNAS 2000, https://doi.org/10.1073/pnas.97.4.1423, say what
to do at an update; Beck and Sabach, "Weiszfeld's Method: Old and New Results", JOTA 2015,
https://doi.org/10.1007/s10957-014-0586-7, where to start.
"""

from typing import ClassVar

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["GeometricMedian"]

_TOLERANCE, _ITERATIONS = 1e-8, 1000  # as good as converged
_FAR = 1e7  # in typical distances; beyond it, distances alone do not tell the direction


class GeometricMedian(Aggregator):
    """Take the point whose distances to all updates have the smallest sum.

    Every update pulls with the same strength, however far away it is, so a minority of any size
    cannot carry the result off, and how many are malicious need not be known.  A minority that
    pulls the same way still shifts it, the more so the more honest clients differ: put
    `nearest_neighbor_mixing` before it, or pair it with `client_momentum`.

    An update's weight is its coefficient in the result, the smaller the farther away it is; if
    one update is the answer, it has all the weight.  Where the answer is not unique, as for an
    even number of updates on a line, it is midway between the best updates.

    RFA is usually run for a few iterations.  This goes on until it has converged, unless told
    otherwise, and starts from the update whose distances to the others have the smallest sum.  An
    update ten million times as far out as most is first brought in to that distance.

    Proven constants are those of the answer itself: there are none with smoothing, nor if it may
    stop earlier than it does by default.

    Cost: all pairwise distances, O(n^2 d), then O(n^2) an iteration.

    Fields:
        smoothing: the distance below which an update pulls less than its full strength (nu in
            the paper), in the units of an update; 0 for the geometric median itself.
        tolerance: the step, relative to the median distance, at which to stop.
        max_iterations: after how many iterations to stop in any case (R in the paper).
    """

    by_distance: ClassVar[bool] = True

    smoothing: NonNegativeFloat = 0.0
    tolerance: PositiveFloat = _TOLERANCE
    max_iterations: PositiveInt = _ITERATIONS

    def kappa(self, n: int, f: int) -> float | None:
        stops_early = self.tolerance > _TOLERANCE or self.max_iterations < _ITERATIONS
        return None if self.smoothing or stops_early else 4 * (1 + f / (n - 2 * f)) ** 2

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        squares = rows.squared_distances(updates)
        radii = squares.sort(dim=1).values[:, len(updates) // 2]  # [n] squared, around a majority
        center = int(radii.argmin())
        limit = _FAR * radii[center].sqrt().clamp(min=self.smoothing)
        factors = (limit / squares[center].sqrt()).nan_to_num(nan=1.0).clamp(max=1.0)
        if (far := factors < 1).any():
            origin = updates[center].double()
            brought = origin + factors[far, None] * (updates[far].double() - origin)
            near = updates.index_put((far,), brought.to(updates.dtype))
            squares = rows.squared_distances(near)
        else:
            near = updates
        weights = pairwise.geometric_median(
            squares, self.smoothing, self.tolerance, self.max_iterations
        ).to(updates.device)
        update = weights.to(updates.dtype) @ near
        weights[center] += weights @ (1 - factors)
        return Aggregate(update, state, (weights * factors).to(updates.dtype))
