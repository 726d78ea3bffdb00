"""Min-Sum.

Shejwalkar and Houmansadr, "Manipulating the Byzantine: Optimizing Model Poisoning Attacks and
Defenses for Federated Learning", NDSS 2021, https://doi.org/10.14722/ndss.2021.24498.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["MinSum"]


class MinSum(Attack):
    """Send one update, no farther from all benign updates together than one of those is.

    The sum of its squared distances to them reaches that of a benign update and no more, which
    comes to this: it lies as far from the benign mean as that update does.  Rules that add
    distances up cannot call it an outlier, and it hurts the same rules as `min_max`, by about as
    much; it may lie nearer or farther than what that sends.  Its room is the spread of honest
    updates: where clients are alike that is noise, and `client_momentum` takes it away.

    The paper searches for the shift in steps; here it is solved for, exactly.  An adversary that
    sees one update, or equal ones, sends their mean.

    Fields:
        direction: where to: "std" takes some of its standard deviation from each coordinate, "unit"
            goes against the benign mean, and "sign" against its signs.
        bound: which benign update it may be as far away as: "max" for the farthest, as in the
            paper, or "min" for the nearest, as in its authors' code.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    direction: Literal["std", "unit", "sign"] = "std"
    bound: Literal["max", "min"] = "max"

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
        length = p.norm()
        if not length:
            return mean.to(view.own).expand_as(view.own), state
        away = centered.norm(dim=1)
        shift = (away.max() if self.bound == "max" else away.min()) / length
        return (mean - shift * p).to(view.own).expand_as(view.own), state
