"""Gaussian noise: a baseline that needs no citation."""

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["GaussianNoise"]


class GaussianNoise(Attack):
    """Send random numbers in place of the honest update; `additive_noise` adds them to it.

    A check that a defense does anything at all: random updates are long and agree on nothing, so
    every robust rule withstands them, and the mean only averages them with the rest.

    Fields:
        mean: of each random number.
        std: their standard deviation; compare it to the norm of honest updates over sqrt(d).
    """

    mean: float = 0.0
    std: NonNegativeFloat = 1.0

    def discards(self, knowledge: Knowledge) -> bool:
        return True

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        noise = torch.randn(view.own.shape, generator=view.generator).to(view.own)
        return self.mean + self.std * noise, state
