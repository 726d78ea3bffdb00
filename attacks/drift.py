"""A drift away from what the server remembers, after ROP (relocated orthogonal perturbation).

Özfatura, Özfatura, Küpçü and Gündüz, "Byzantines can also Learn from History: Fall of Centered
Clipping in Federated Learning", https://arxiv.org/abs/2208.09894.
"""

from math import cos, pi, sin
from typing import ClassVar

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Drift"]


class Drift(Attack):
    """Start from where the server stands, and push the same way in every round.

    A rule that clips updates around its last one (`centered_clipping`) goes by how far they are
    from it, not by the direction: one that starts there keeps all of its push, and the server
    remembers it.  So it hurts that rule, with `client_momentum` or without, more than `alie` and
    `ipm` do, and also those that average what is near (`krum` with more than one update to keep,
    `nearest_neighbor_mixing`).  `signguard` withstands a fifth of such clients, not two fifths.
    Rules that look for outliers (`dnc`, `smea`) are hurt more without the relocation.

    The server's last update is the difference of the last two models it sent: known to every
    client, exact where no round is missed, and otherwise the mean of those missed.  Our choices:
    the push is as long as benign updates differ, not of a length in absolute units, and goes
    straight back by default.  A right angle with history = 0.9, as in the paper, hurts less here.

    Fields:
        angle: from the reference to the push, in degrees, on the side of the standard deviation of
            each coordinate in the first round; from 180 on, on the other side.
        history: how much of the reference is the server's last update (lambda in the paper's code);
            the rest is the benign mean.
        length: of the push, in root mean square distances of benign updates from their mean.
        relocation: where to start from: 0 for the benign mean, 1 for the server's last update (pi).
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    angle: float = Field(180.0, ge=0, le=360)
    history: float = Field(0.0, ge=0, le=1)
    length: NonNegativeFloat = 1.0
    relocation: float = Field(1.0, ge=0, le=1)

    def init(self, params: Tensor) -> State:
        return ()

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        mean = view.benign.mean(dim=0, dtype=torch.float64)
        centered = view.benign - mean
        spread, last, aside = centered.norm() / len(centered) ** 0.5, mean, centered.norm(dim=0)
        if state:
            params, round, aside = state
            last = (view.params.double() - params) / max(1, view.round - round)
        along = _unit(torch.lerp(mean, last, self.history))
        across = _unit(aside - (aside @ along) * along)
        push = cos(pi * self.angle / 180) * along + sin(pi * self.angle / 180) * across
        sent = torch.lerp(mean, last, self.relocation) + self.length * spread * push
        return sent.to(view.own).expand_as(view.own), (view.params, view.round, aside)


def _unit(vector: Tensor) -> Tensor:
    """Return a vector of length 1 in the same direction; zero has none, and stays zero."""
    length = vector.norm()
    return vector / length if length else vector
