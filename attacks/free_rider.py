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

    Free-riders want the model, not harm.  To the mean they are so many zeros: a share s of them
    slows training to 1 - s of its pace and leaves where it ends as it is.  They are plain to see by
    the length of their updates unless they add noise, but rules that look for the middle of all
    updates prefer them to honest clients: `krum` may take nothing else, and the model stands still.

    Others of the family hide better: `random_weights` sends small random numbers,
    `disguised_free_rider` noise that wanes as training goes on, and `delta_weights` repeats the
    last movement of the model.  With `sample_count_inflation` each of
    them asks for more than its share.

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
