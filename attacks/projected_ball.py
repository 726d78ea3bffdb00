"""Projected gradient descent (PGD).

Wang, Sreenivasan, Rajput, Vishwakarma, Agarwal, Sohn, Lee and Papailiopoulos, "Attack of the Tails:
Yes, You Really Can Backdoor Federated Learning", NeurIPS 2020, https://arxiv.org/abs/2007.05084;
before them Sun, Kairouz, Suresh and McMahan, "Can You Really Backdoor Federated Learning?", 2019,
https://arxiv.org/abs/1911.07963.
"""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Loss, Memory
from fedrobust.core.task import Batch

__all__ = ["ProjectedBall"]


class ProjectedBall(Attack):
    """Train within a ball around the received model, and send nothing that leaves it.

    A disguise: write it after a backdoor.  `norm_clipping` with a bound of at least the radius
    clips nothing of it, and rules that compare distances (`krum` that keeps many) take it in where
    they leave out the backdoor alone.  Under clipping the backdoor is learned sooner than without,
    and comes to the same in the end: the client knows where it has to stay, and finds what works
    there.  `coordinate_median` withstands it.

    The papers train and project back every few steps.  Here gradients are taken at the point of the
    ball that is nearest to where training is (lazy projection), and the update is projected at the
    end; differentiating through the projection came to the same on the digits.  To project at the
    end only, use `model_replacement` with factor = 1 and this radius as max_norm: slower at first,
    and after 40 rounds as good or better.

    Weight decay acts on where training is, outside the ball too.

    Cost: two passes over the parameters a step; clients are not stacked.

    Fields:
        radius: how far from the received model to go (epsilon in Wang et al.); the default is that
            of the bound of `norm_clipping`.
    """

    composes: ClassVar[bool] = True

    radius: PositiveFloat = 1.0

    def loss(self, loss: Loss, anchor: Tensor) -> Loss:
        def within(params: Tensor, batch: Batch) -> Tensor:
            away = (params - anchor).detach()
            return loss(params + (self._projected(away) - away), batch)

        return within

    def submit(self, update: Tensor, memory: Memory, draws: Draws) -> tuple[Tensor, Memory]:
        return self._projected(update), memory

    def _projected(self, update: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(update, dtype=torch.float64)
        factor = (self.radius / length).clamp(max=1.0)  # infinite at zero, and clamped
        return update * factor.to(update.dtype)
