"""Noise on the training inputs: a baseline that needs no citation."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.task import Batch

__all__ = ["FeatureNoise"]

_NUMBERS = 16381  # drawn a step; a prime, so that examples of any size do not fall on the same ones


class FeatureNoise(Attack):
    """Train honestly on inputs with Gaussian noise on them.

    The mildest way to poison data: what is learned from noise is nothing, rather than something
    wrong, and the mean suffers little even from inputs that are nearly all noise.  Updates are
    unlike all others, which is what `foolsgold` trusts, and what distances (`krum`) leave out.

    Noise is new in every step.  Each number of a batch has a draw of its own as long as there are
    no more than 16,381; in larger batches they are used again, shifted from example to example.

    Fields:
        std: of the noise, in the units that the model sees.
    """

    std: PositiveFloat = 1.0

    def draw(self, params: Tensor, generator: torch.Generator) -> Draws:
        return {"noise": torch.randn(_NUMBERS, generator=generator)}

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        place = torch.arange(batch.x.numel(), device=batch.x.device) % _NUMBERS
        noise = draws["noise"][place].reshape(batch.x.shape)
        return batch._replace(x=batch.x + self.std * noise.to(batch.x)), memory
