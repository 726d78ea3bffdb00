"""Krum and Multi-Krum.

Blanchard, El Mhamdi, Guerraoui and Stainer, "Machine Learning with Adversaries: Byzantine
Tolerant Gradient Descent", NeurIPS 2017, https://arxiv.org/abs/1703.02757.
"""

from typing import ClassVar, Literal

from pydantic import PositiveInt
from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["Krum"]


class Krum(Bounded, Aggregator):
    """Average the updates that lie closest to their nearest neighbors; by default, take only one.

    Withstands updates that are far from the honest ones.  A single update carries its client's
    full noise and its view of the data, so Krum is weak against attacks that stay close (`alie`,
    `ipm`) and where clients differ; keeping more updates helps with the noise, and
    `client_momentum` helps in any case.

    An update's score is the sum of its squared distances to its nearest neighbors, low for those
    it trusts; of equal scores the first update wins.

    Cost: all pairwise distances, O(n^2 d).

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
        keep: how many updates to average (m); 1 is Krum, more is Multi-Krum, "n-f" and any larger
            number are all but f.
        neighbors: how many neighbors count; "n-f-2" in the paper, which needs n >= 2f + 3, and
            "n-f-1" in some later work, which needs n >= 2f + 1.
    """

    by_distance: ClassVar[bool] = True

    keep: PositiveInt | Literal["n-f"] = 1
    neighbors: Literal["n-f-2", "n-f-1"] = "n-f-2"

    @property
    def bound(self) -> tuple[int, int]:
        return (2, 3) if self.neighbors == "n-f-2" else (2, 1)

    def kappa(self, n: int, f: int) -> float | None:
        if self.keep != 1:
            return None
        return 6 * (n - f) / (n - 2 * f - (self.neighbors == "n-f-2"))

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        nearest = n - f - (2 if self.neighbors == "n-f-2" else 1)
        scores = pairwise.nearest_sums(rows.squared_distances(updates))[:, nearest]
        kept = n - f if self.keep == "n-f" else min(self.keep, n - f)
        weights = pairwise.averaging(scores.argsort(stable=True)[:kept].tolist(), updates)
        return Aggregate(weights @ updates, state, weights, scores)
