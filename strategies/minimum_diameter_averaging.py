"""Minimum-diameter averaging (MDA).

El Mhamdi, Guerraoui, Guirguis, Hoang and Rouault, "Genuinely Distributed Byzantine Machine
Learning", PODC 2020, https://arxiv.org/abs/1905.03853.
"""

from typing import ClassVar

from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["MinimumDiameterAveraging"]


class MinimumDiameterAveraging(Bounded, Aggregator):
    """Average the n - f updates whose farthest pair is as close as it can be.

    It averages as many updates as can be honest, which removes noise, and is at most
    2f / (n - f) times the honest updates' diameter away from their mean.  Where clients differ
    that diameter is large and attackers within it are kept: it is weak against `alie` and `ipm`
    unless `client_momentum` or `nearest_neighbor_mixing` comes first.  It leaves out f clients
    even if all are honest.

    Exact, for any number of clients.  Where several subsets have the same diameter, their second
    farthest pairs decide, and so on; of equal updates the last are left out.

    Cost: all pairwise distances, O(n^2 d); then a search that takes milliseconds for a hundred
    clients and a second for 500, though in theory it could be exponential in f.

    Fields:
        num_malicious: how many updates to leave out (f); None for as many malicious ones as the
            server expects.
    """

    by_distance: ClassVar[bool] = True

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        kept = pairwise.smallest_diameter_subset(rows.squared_distances(updates), n - f)
        weights = pairwise.averaging(kept, updates)
        return Aggregate(weights @ updates, state, weights)
