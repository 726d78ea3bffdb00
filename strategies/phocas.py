"""Phocas.

Xie, Koyejo and Gupta, "Phocas: dimensional Byzantine-resilient stochastic gradient descent", 2018,
https://arxiv.org/abs/1805.09682.
"""

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["Phocas"]


class Phocas(Bounded, Aggregator):
    """Average, in each coordinate, the n - f values nearest to their trimmed mean.

    Like `mean_around_median`, but around the mean of the values that are left without the f
    largest and the f smallest: a center with less noise, which all honest clients have a part in.
    It keeps more of what they know than `trimmed_mean` does, and values that are all on one side
    can pull it somewhat farther.  Attacks that hide among the honest values (`alie`) bias it: pair
    it with `client_momentum`.  It cannot say which clients counted.

    With n = 2f + 1 or 2f + 2 the trimmed mean is the median, and this is `mean_around_median`.  Of
    two values equally far from it the smaller counts; the paper leaves that open.

    Cost: a sort of each column, O(n log n) times d.

    Fields:
        num_malicious: how many values to leave out (f; b in the paper); None for as many malicious
            clients as the server expects.
    """

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        return Aggregate(rows.mean_near(updates, n - f, f, n - f), state)
