"""A shift along the direction of most variance: our own design, which needs no citation.

Made against Smallest Maximum Eigenvalue Averaging, which leaves out what adds variance in one
direction: here the variance is that of honest updates.
"""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows, spectral
from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["SpectralShift"]


class SpectralShift(Attack):
    """Send the benign mean, shifted along the direction in which benign updates vary most.

    Rules that go by variance (`smea`, `dnc`) cannot tell it from the honest clients at that end,
    and leave out some at the other end instead.  Three of eleven move SMEA's result farther than
    they can by `alie`; fewer do as much either way.  It shifts to the side that is against the
    benign mean.  From about twice the default on it is found and left out.  Where clients are alike
    the shift is short, and attacks that reverse the mean (`ipm`) slow training down more.

    The direction is exact: the first principal component of the updates it sees, from their
    distances.  An adversary that sees one update, or equal ones, sends their mean.

    Fields:
        shift: how far, in standard deviations of benign updates in that direction.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    shift: PositiveFloat = 1.5

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.COLLUDING

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        benign = view.benign
        squares = rows.squared_distances(benign)
        variance, along = spectral.principal(squares, torch.ones_like(squares[0]))
        mean = benign.mean(dim=0, dtype=torch.float64)
        if not variance:
            return mean.to(view.own).expand_as(view.own), state
        u = (along @ (benign - mean)) / (len(benign) * variance)  # [d], of length 1
        side = -1.0 if u @ mean > 0 else 1.0
        sent = mean + side * self.shift * variance**0.5 * u
        return sent.to(view.own).expand_as(view.own), state
