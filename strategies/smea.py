"""Smallest-maximum-eigenvalue averaging (SMEA).

Allouah, Guerraoui, Gupta, Pinot and Stephan, "On the Privacy-Robustness-Utility Trilemma in
Distributed Learning", ICML 2023, https://arxiv.org/abs/2302.04787.
"""

from typing import ClassVar

from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, RoundInfo, State
from fedrobust.core.enumerating import Enumerating

__all__ = ["SMEA"]


class SMEA(Enumerating):
    """Average the n - f updates that vary least in the direction in which they vary most.

    Made for updates with noise of their own, as under differential privacy: noise is spread over
    all directions, colluding attackers show in one, and the error depends on the largest
    eigenvalue of the honest updates' covariance rather than on its trace, up to d times as large.
    It looks at every subset, so it is for few clients or few attackers; `nearest_neighbor_mixing`
    before `trimmed_mean` is the usual choice for more.

    Exact; of equal updates the last are left out.

    Cost: all pairwise distances, O(n^2 d), and up to O(n^3) for each of n! / (f! (n - f)!)
    subsets.  Without attackers 15,504 subsets for f = 5 of n = 20 take a fifth of a second and
    19,600 for f = 3 of n = 50 two; with crude attackers nearly all of them are skipped.

    Fields:
        num_malicious: how many updates to leave out (f); None for as many malicious ones as the
            server expects.
        max_subsets: how many subsets to look at, at most; a round that has more is not
            aggregated.
    """

    by_distance: ClassVar[bool] = True

    def kappa(self, n: int, f: int) -> float | None:
        return 4 * f / (n - 2 * f)  # in the form with the largest eigenvalue, too

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        kept = pairwise.smallest_variance_subset(rows.squared_distances(updates), n - f)
        weights = pairwise.averaging(kept, updates)
        return Aggregate(weights @ updates, state, weights)
