"""Nearest-neighbor mixing (NNM).

Allouah, Farhadkhani, Guerraoui, Gupta, Pinot and Stephan, "Fixing by Mixing: A Recipe for Optimal
Byzantine ML under Heterogeneity", AISTATS 2023, https://arxiv.org/abs/2302.01772.
"""

import torch
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Bounded, PreAggregator, RoundInfo, State, Transformed

__all__ = ["NearestNeighborMixing"]


class NearestNeighborMixing(Bounded, PreAggregator):
    """Replace every update by the mean of the n - f nearest to it, itself included.

    Where clients differ by their data, honest updates lie far apart and a robust rule takes some
    for outliers.  Mixed ones lie close together, so that rules like `trimmed_mean`, `krum` and
    `geometric_median` behind it come close to the best that is possible.  It is no defense by
    itself: f mixtures are still around malicious updates, and malicious updates that are near to
    honest ones are in many mixtures.

    Of equally near updates the first is taken.  The rule behind it still has to withstand f of n.

    Cost: all pairwise distances and all mixtures, O(n^2 d) each.

    Fields:
        num_malicious: how many updates to leave out of each mixture (f); None for as many
            malicious ones as the server expects.
    """

    def kappa(self, n: int, f: int, behind: float) -> float | None:
        return 8 * f / (n - f) * (1 + behind)

    def transform(self, updates: Tensor, state: State, info: RoundInfo) -> Transformed:
        n, f = len(updates), self.malicious_among(len(updates), info)
        itself = torch.eye(n, dtype=torch.bool, device=updates.device)
        squares = rows.squared_distances(updates).masked_fill(itself, -1.0)
        nearest = squares.argsort(dim=1, stable=True)[:, : n - f]
        mixing = torch.zeros(n, n, dtype=updates.dtype, device=updates.device)
        mixing.scatter_(1, nearest, 1 / (n - f))
        return Transformed(mixing @ updates, state, mixing)
