"""Mean around the median (MeaMed).

Xie, Koyejo and Gupta, "Generalized Byzantine-tolerant SGD", 2018,
https://arxiv.org/abs/1802.10116.
"""

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["MeanAroundMedian"]


class MeanAroundMedian(Bounded, Aggregator):
    """Average, in each coordinate, the n - f values nearest to their median.

    Like `trimmed_mean`, but it leaves out f values in all rather than f at each end, wherever
    they are farthest: more of what honest clients know is kept, and values that are all on one
    side can pull it somewhat farther.  Attacks that hide among the honest values (`alie`) bias
    it: pair it with `client_momentum`.  It cannot say which clients counted.

    If n is even the median is midway between the two middle values.  Of two values equally far
    from it the smaller counts.

    Cost: a sort of each column, O(n log n) times d.

    Fields:
        num_malicious: how many values to leave out (f); None for as many malicious clients as the
            server expects.
    """

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        return Aggregate(rows.mean_near_median(updates, n - f), state)
