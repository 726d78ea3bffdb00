"""Min-Max.

Shejwalkar and Houmansadr, "Manipulating the Byzantine: Optimizing Model Poisoning Attacks and
Defenses for Federated Learning", NDSS 2021, https://doi.org/10.14722/ndss.2021.24498.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["MinMax"]


class MinMax(Attack):
    """Send one update, no farther from any benign update than two of those are from each other.

    It is shifted away from the benign mean until it meets that bound, so rules that compare
    distances cannot call it an outlier.  It is made for no rule in particular and hurts those that
    average what is near or in the middle (`bulyan`, `trimmed_mean`, `krum` with more than one
    update to keep); Krum's single choice is closer to the rest.  Its room is the spread of honest
    updates: where clients are alike that is noise, and `client_momentum` takes it away.

    The paper searches for the longest such shift in steps; here it is solved for, exactly.  An
    adversary that sees one update, or equal ones, sends their mean.

    Fields:
        direction: where to: "std" takes some of its standard deviation from each coordinate, "unit"
            goes against the benign mean, and "sign" against its signs.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    direction: Literal["std", "unit", "sign"] = "std"

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.COLLUDING

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        mean = view.benign.mean(dim=0, dtype=torch.float64)
        centered = view.benign - mean
        towards = {"std": centered.norm(dim=0), "unit": mean, "sign": mean.sign()}
        p = towards[self.direction]  # of any length: the shift is as long as it has to be
        squared = p @ p
        if not squared:
            return mean.to(view.own).expand_as(view.own), state
        farthest = rows.squared_distances(view.benign).max()
        along = centered @ p
        left = (farthest - centered.norm(dim=1).square()).clamp(min=0.0)
        shift = ((along.square() + squared * left).sqrt() - along).min() / squared
        return (mean - shift * p).to(view.own).expand_as(view.own), state
