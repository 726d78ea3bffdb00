"""The mean of the updates by how many examples clients say they have: federated averaging.

McMahan, Moore, Ramage, Hampson and Agüera y Arcas, "Communication-Efficient Learning of Deep
Networks from Decentralized Data", AISTATS 2017, https://arxiv.org/abs/1602.05629.
"""

from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["WeightedMean"]

_LARGEST = 1e100  # claim: the sum of any number of them is finite


class WeightedMean(Aggregator):
    """Average the updates, weighted by how many examples each client claims to have.

    What federated averaging does: where all tell the truth, every example counts the same.  No
    robustness, and less than `mean` has: how many examples a client has is its own claim.  Use it
    to reproduce work that weights, without attackers or to show what they do with it.

    Whatever the rule, the server counts a claim beyond a hundred times the round's median as that
    much, and one that is no positive number as one example.  So with "claimed" an attacker among
    20 clients who claim the same has at most 100 / 119 of the weight, and owns the model; among
    1000 it has 9 percent.

    By default a claim above the median counts as the median, which is honest or less than an
    honest one as long as most clients are: whatever a client claims, it then counts at most twice
    as much as an average one.  That is ours, not the paper's.  Of an even number of claims the
    lower of the middle ones is their median.  Used without such a server, where all claims may be
    zero, it then counts all clients the same.

    Cost: one pass over the updates, O(n d).

    Fields:
        examples: which claims to weight by: those "capped" at a multiple of their median, all as
            "claimed" (the paper's), up to the server's own limit, or "ignored" for the plain mean.
        cap: that multiple; a client counts at most 2 `cap` times as much as an average one, or
            twice if `cap` is below 1.
    """

    examples: Literal["capped", "claimed", "ignored"] = "capped"
    cap: PositiveFloat = 1.0

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        claims = info.examples.double().nan_to_num(nan=0.0).clamp(0.0, _LARGEST)
        if self.examples == "capped":
            claims = claims.clamp(max=self.cap * claims.median().item())  # the lower one, by torch
        if self.examples == "ignored" or not claims.any():
            claims = torch.ones_like(claims)
        weights = (claims / claims.sum()).to(updates)
        return Aggregate(weights @ updates, state, weights)
