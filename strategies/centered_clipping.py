"""Centered clipping.

Karimireddy, He and Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021,
https://arxiv.org/abs/2012.10333.
"""

from typing import Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo

__all__ = ["CenteredClipping"]


class CenteredClipping(Aggregator):
    """Average the updates after clipping each one to a ball around the last aggregate.

    However large, an update moves the aggregate by at most `radius / n` an iteration; only by
    pushing the same way every round can an attacker do more.  Pair it with `client_momentum`,
    which brings honest updates closer together.

    The paper's radius is a number, in the units of an update: gradients times learning rate times
    steps.  Well above their norm this is the mean, well below it the model hardly moves, and
    heavy-ball momentum needs it 1 / (1 - beta) times as large.  Unless you choose one, it is the
    median distance in the round: not the paper's, but an honest distance or a shorter one as long
    as honest clients are a majority.

    A row's weight is its coefficient in the aggregate.  Weights sum to less than one where rows
    were clipped: the last aggregate has the rest.

    Cost: two passes over the updates an iteration, O(n d).

    Fields:
        radius: the farthest an update may lie from the center (tau in the paper); "median" for the
            median distance from it.
        iterations: how often to move the center to the result within a round (L in the paper).
    """

    radius: PositiveFloat | Literal["median"] = "median"
    iterations: PositiveInt = 1

    def init(self, params: Tensor) -> Tensor:
        return torch.zeros_like(params)

    def aggregate(self, updates: Tensor, state: Tensor, info: RoundInfo) -> Aggregate:
        n, center = len(updates), state
        weights = torch.zeros(n, dtype=torch.float64, device=updates.device)
        for _ in range(self.iterations):
            distances = rows.distances(updates, center)
            radius = distances.median() if self.radius == "median" else self.radius
            shares = (radius / distances).nan_to_num(nan=1.0).clamp(max=1.0) / n
            weights = weights * (1 - shares.sum()) + shares
            kept = weights.to(updates.dtype)
            center = kept @ updates + (1 - kept.sum()) * state
        return Aggregate(center, center, kept)
