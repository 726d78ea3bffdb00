"""Server momentum (FedAvgM).

Hsu, Qi and Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual
Classification", 2019, https://arxiv.org/abs/1909.06335.
"""

from typing import Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fedrobust.core.aggregator import PostAggregator, RoundInfo, State

__all__ = ["ServerMomentum"]


class ServerMomentum(PostAggregator):
    """Move the model by a running sum of what the rule returned in this round and before.

    Evens out rounds that pull in different directions: where clients hold different classes, and
    where few of them take part in a round.  It is no defense: what an attacker gets through the
    rule acts for some 1 / (1 - beta) rounds.  Where rounds agree anyway, it only makes steps
    longer, and may overshoot.

    The sum is the paper's, and up to 1 / (1 - beta) times as long as an update: lower `lr` or the
    clients' learning rate with it, or use the average.  The paper has no learning rate on the
    server; with 1 this is the paper's.

    Cost: one more vector ``[d]``, kept between rounds.

    Fields:
        beta: how much of the sum to keep (beta in the paper).
        lr: by how much to multiply the sum before it is added to the model.
        form: "heavy_ball" for v = beta v + u; "average" for v = beta v + (1 - beta) u, which is
            as long as an update.
    """

    beta: float = Field(0.9, ge=0, lt=1)
    lr: PositiveFloat = 1.0
    form: Literal["heavy_ball", "average"] = "heavy_ball"

    def init(self, params: Tensor) -> Tensor:
        return torch.zeros_like(params)

    def transform(self, update: Tensor, state: State, info: RoundInfo) -> tuple[Tensor, State]:
        gain = 1 - self.beta if self.form == "average" else 1.0
        velocity = self.beta * state + gain * update
        return self.lr * velocity, velocity
