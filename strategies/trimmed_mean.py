"""Coordinate-wise trimmed mean.

Yin, Chen, Ramchandran and Bartlett, "Byzantine-Robust Distributed Learning: Towards Optimal
Statistical Rates", ICML 2018, https://arxiv.org/abs/1803.01498.
"""

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["TrimmedMean"]


class TrimmedMean(Bounded, Aggregator):
    """Average each coordinate without its f largest and f smallest values.

    Each coordinate stays within the range of the honest values, and most of the noise is averaged
    away.  Attacks that hide within that range (`alie`) still bias it, more so where clients
    differ: pair it with `client_momentum`.  If more than f clients are malicious it can be moved
    at will; a larger f costs what honest outliers know.  It cannot say which clients counted.

    Cost: a sort of each column, O(n log n) times d.

    Fields:
        num_malicious: how many values to leave out at each end (f); None for as many malicious
            clients as the server expects.
    """

    def kappa(self, n: int, f: int) -> float | None:
        return 6 * f / (n - 2 * f) * (1 + f / (n - 2 * f))  # Allouah et al. 2023, Proposition 2

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        return Aggregate(rows.rank_mean(updates, f, n - f), state)
