"""MoNNA's rule: the mean of the updates nearest to a pivot.

Farhadkhani, Guerraoui, Gupta, Hoang, Pinot and Stephan, "Robust Collaborative Learning with Linear
Gradient Overhead", ICML 2023, https://arxiv.org/abs/2209.10931.
"""

from typing import Literal

from pydantic import NonNegativeInt
from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State
from fedrobust.errors import AggregationError

__all__ = ["MoNNA"]


class MoNNA(Bounded, Aggregator):
    """Average the n - f updates nearest to a pivot that the server has reason to trust.

    A malicious update counts only if it is nearer to the pivot than an honest one that was left
    out; it costs n distances rather than the n^2 of `krum`.  It is as good as its pivot: attacks
    that stay close (`alie`) are kept, the more so the more honest clients differ; pair it with
    `client_momentum`, as the paper does.

    In the paper there is no server: every node takes its own update for the pivot.  A server has
    none, so unless you choose it is the median of each coordinate, which is no client's update but
    which a minority cannot carry off: our choice.  With examples of the server's own, "root" is
    nearest to the paper.  A client can be named too, if you trust it: it has to take part in every
    round, a round without its update is not aggregated, and a step before this rule must not mix
    clients.

    Scores are distances from the pivot; of equally near updates the first counts.

    Cost: two passes over the updates, O(n d), and for the median a sort of each column.

    Fields:
        num_malicious: how many updates to leave out (f); None for as many malicious ones as the
            server expects.
        pivot: the "median" of each coordinate, "root" for the update that the server trained
            itself, or the number of a client that is trusted.
    """

    pivot: Literal["median", "root"] | NonNegativeInt = "median"

    @property
    def needs_root(self) -> bool:
        return self.pivot == "root"

    @property
    def by_client(self) -> bool:
        return isinstance(self.pivot, int)

    @property
    def needs_clients(self) -> tuple[int, ...]:
        return (self.pivot,) if isinstance(self.pivot, int) else ()

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        distances = rows.distances(updates, self._pivot(updates, info))
        weights = pairwise.averaging(distances.argsort(stable=True)[: n - f].tolist(), updates)
        return Aggregate(weights @ updates, state, weights, distances)

    def _pivot(self, updates: Tensor, info: RoundInfo) -> Tensor:
        if self.pivot == "median":
            return rows.rank_mean(updates, (len(updates) - 1) // 2, len(updates) // 2 + 1)
        if self.pivot == "root":
            return info.require_root(self).update
        clients = info.clients.tolist()
        if self.pivot not in clients:
            raise AggregationError(
                f"MoNNA needs the update of client {self.pivot}, its pivot, in every round: this "
                f"one has those of {len(clients)} others."
            )
        return updates[clients.index(self.pivot)]
