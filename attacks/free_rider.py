"""Free-riding.

Fraboni, Vidal and Lorenzi, "Free-rider Attacks on Model Aggregation in Federated Learning",
AISTATS 2021, https://arxiv.org/abs/2006.11901.
"""

from typing import ClassVar

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory

__all__ = ["FreeRider"]


class FreeRider(Attack):
    """Take part without training: send back the global model, perhaps with noise to hide it.

    Plain free-riders slow training down and give the model nothing; they want the model, not
    harm.  They are plain to see by the length of their updates unless they add noise, and rules
    that select what lies in the middle may prefer them to honest clients.

    Fields:
        noise: the standard deviation of what is added to each parameter; 0 for plain free-riding.
    """

    trains: ClassVar[bool] = False

    noise: NonNegativeFloat = 0.0

    def draw_submit(self, params: Tensor, generator: torch.Generator) -> Draws:
        if not self.noise:
            return {}
        return {"noise": torch.randn(params.shape, generator=generator).to(params)}

    def submit(self, update: Tensor, memory: Memory, draws: Draws) -> tuple[Tensor, Memory]:
        sent = self.noise * draws["noise"] if self.noise else torch.zeros_like(update)
        return sent, memory
