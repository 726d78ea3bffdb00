"""Coordinate-wise median.

Yin, Chen, Ramchandran and Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates", ICML 2018, https://arxiv.org/abs/1803.01498.
"""

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["CoordinateMedian"]


class CoordinateMedian(Aggregator):
    """Take the median of each coordinate, midway between the two middle values if n is even.

    Each coordinate stays within the range of the honest values as long as they are a majority;
    how many are malicious need not be known.  It does not average noise away, so it is far from
    the honest mean where clients differ: pair it with `client_momentum`, and expect it to ignore
    what only a minority of clients learns.  It cannot say which clients counted.

    Cost: a sort of each column, O(n log n) times d.
    """

    def kappa(self, n: int, f: int) -> float | None:
        return 4 * (1 + f / (n - 2 * f)) ** 2  # of the distance, in each coordinate

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n = len(updates)
        return Aggregate(rows.rank_mean(updates, (n - 1) // 2, n // 2 + 1), state)
