"""Gaussian noise: a baseline that needs no citation."""

from typing import Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["GaussianNoise"]


class GaussianNoise(Attack):
    """Send random numbers, instead of the honest update or on top of it.

    A check that a defense does anything at all: random updates are long and agree on nothing, so
    every robust rule withstands them, and the mean only averages them with the rest.

    Fields:
        mode: "replace" the honest update, or "add" to it.
        mean: of each random number.
        std: their standard deviation; compare it to the norm of honest updates over sqrt(d).
    """

    mode: Literal["replace", "add"] = "replace"
    mean: float = 0.0
    std: NonNegativeFloat = 1.0

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        noise = torch.randn(view.own.shape, generator=view.generator).to(view.own)
        sent = self.mean + self.std * noise
        return (view.own + sent if self.mode == "add" else sent), state
