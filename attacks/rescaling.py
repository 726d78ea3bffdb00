"""Rescaling.

By one factor, as in Bagdasaryan, Veit, Hua, Estrin and Shmatikov, "How To Backdoor Federated
Learning", AISTATS 2020, https://arxiv.org/abs/1807.00459; by random factors, the re-scaling
adversary of Xu and Lyu, "A Reputation Mechanism Is All You Need: Collaborative Fairness and
Adversarial Robustness in Federated Learning", 2020, https://arxiv.org/abs/2011.10464.
"""

from typing import Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["Rescaling"]


class Rescaling(Attack):
    """Send the honest update, multiplied, so that it counts more than its share.

    Among n clients, a factor of n lets one replace the mean of all by its own update, and a
    larger one makes training diverge.  Any rule that bounds lengths or leaves out what is far
    away stops it; `norm_clipping` turns it into an honest client again.  With random factors the
    direction is lost as well, and what clipping leaves is noise.

    Fields:
        factor: what to multiply by.
        kind: "constant", or "uniform" for a random factor between -factor and factor in each
            coordinate; Xu and Lyu's is "uniform" with a factor of 100.
    """

    factor: PositiveFloat = 10.0
    kind: Literal["constant", "uniform"] = "constant"

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        if self.kind == "constant":
            return self.factor * view.own, state
        shares = torch.rand(view.own.shape, generator=view.generator).to(view.own)
        return self.factor * (2 * shares - 1) * view.own, state
