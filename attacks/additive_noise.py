"""Noise on top of the honest update: a baseline that needs no citation."""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["AdditiveNoise"]


class AdditiveNoise(Attack):
    """Send the honest update plus Gaussian noise.

    A faulty or careless client more than a foe: the update points the right way on average.  Noise
    as long as the update itself, the default whatever the size of the model, hardly hurts the mean,
    and a bound on the length lets most of it through.  Noise many times as long destroys the mean,
    and robust rules withstand it.

    Fields:
        std: of the noise in each coordinate; None for the root mean square of the client's update.
    """

    std: NonNegativeFloat | None = None

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        noise = torch.randn(view.own.shape, generator=view.generator).to(view.own)
        if self.std is not None:
            return view.own + self.std * noise, state
        usual = rows.norms(view.own) / view.own.shape[1] ** 0.5  # [m]
        return view.own + usual[:, None].to(noise) * noise, state
