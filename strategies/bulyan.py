"""Bulyan.

El Mhamdi, Guerraoui and Rouault, "The Hidden Vulnerability of Distributed Learning in Byzantium",
ICML 2018, https://arxiv.org/abs/1802.07927.
"""

from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["Bulyan"]


class Bulyan(Bounded, Aggregator):
    """Choose all but 2f updates by Krum, one after another, and average their middle values.

    Krum alone lets an update through that is wild in one coordinate and close in all others.
    Here, of the n - 2f chosen values of each coordinate only the n - 4f nearest to their median
    count, so that it has to be close everywhere.  It needs many honest clients, discards much of
    what they know where they differ, and attacks that stay close (`alie`) still bias it: pair it
    with `client_momentum`.  It cannot say which clients counted; scores are Krum's.

    Each choice is made among the updates not chosen yet, by the sum of an update's squared
    distances to its nearest neighbors among them: all but f + 2 of them, and at least one.  With
    one neighbor two updates always have the same sum; the one with the nearer next neighbor wins.
    The paper leaves open what the last choices look at, which have too few updates for Krum.

    Cost: all pairwise distances, O(n^2 d), then O(n^3 log n), and a sort of each column.

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
    """

    @property
    def bound(self) -> tuple[int, int]:
        return 4, 3

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        squares = rows.squared_distances(updates).cpu()
        chosen: list[int] = []
        left = list(range(n))
        while len(chosen) < n - 2 * f:
            sums = pairwise.nearest_sums(squares[left][:, left])
            nearest = max(len(left) - f - 2, 1)
            scores = sums[:, nearest : nearest + 2].tolist()  # and with one more, for ties
            chosen.append(left.pop(min(range(len(left)), key=scores.__getitem__)))
        update = rows.mean_near_median(updates[sorted(chosen)], n - 4 * f)
        return Aggregate(update, state, scores=pairwise.nearest_sums(squares)[:, n - f - 2])
