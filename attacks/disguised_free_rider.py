"""Disguised free-riding.

Fraboni, Vidal and Lorenzi, "Free-rider Attacks on Model Aggregation in Federated Learning",
AISTATS 2021, https://arxiv.org/abs/2006.11901.
"""

from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["DisguisedFreeRider"]


class DisguisedFreeRider(Attack):
    """Take part without training: send noise that wanes as training goes on.

    Honest updates get shorter when the model is nearly learned, and so does the noise: its standard
    deviation is ``c sigma t^-gamma`` in round t after the client's first.  It learns sigma from the
    model: what the client's first round changed a parameter by, on average.  The mean is slowed
    down as by `free_rider`, and the noise averages out.

    Where clients take several steps a round, or gamma is 1, honest updates are much longer.  So
    rules that look for the middle of all updates prefer it (`krum`), as does one that trusts
    whoever is unlike the others (`foolsgold`), and a bound on the shortest length gives it away.
    Its direction agrees with nobody's: `fltrust` gives it next to no weight.

    Its first round is the first in which it attacks.

    A client that is not asked in the round after its first takes all that changed until it is, and
    divides it by the number of rounds, which the paper leaves open.

    Fields:
        multiplier: of the noise (c in the paper, 1 or 3).
        gamma: how fast it wanes (gamma in the paper, 0.5, 1 or 2).
        first: sigma in the first round, when nothing is known.
    """

    trains: ClassVar[bool] = False

    multiplier: PositiveFloat = 1.0
    gamma: NonNegativeFloat = 1.0
    first: NonNegativeFloat = 1e-3

    def discards(self, knowledge: Knowledge) -> bool:
        return True

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        noise = torch.randn(view.own.shape, generator=view.generator).to(view.own)
        if not state:
            return self.multiplier * self.first * noise, {"round": view.round, "model": view.params}
        t = max(1, view.round - state["round"])
        if "model" in state:
            moved = view.params.double() - state["model"].double()
            state = {"round": state["round"], "sigma": float(moved.abs().mean()) / t}
        return self.multiplier * state["sigma"] * t**-self.gamma * noise, state
