"""Values that arithmetic does not survive: a check that needs no citation."""

from typing import Literal

import torch
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["NonFinite"]

_VALUES = {"nan": float("nan"), "inf": float("inf"), "overflow": 1e30}


class NonFinite(Attack):
    """Send numbers that are not finite, or whose squares are not.

    One such update turns a mean, a distance or a sort into NaN, and with it the model for good,
    wherever a server aggregates what it was sent.  Here it fails: such a reply is dropped and
    reported before any rule sees it, and the round goes on with the others.  It shows that, and
    what becomes of rules of one's own elsewhere.

    Fields:
        kind: "nan", "inf", or "overflow" for 1e30, finite in float32 as its square is not.
    """

    kind: Literal["nan", "inf", "overflow"] = "overflow"

    def discards(self, knowledge: Knowledge) -> bool:
        return True

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        return torch.full_like(view.own, _VALUES[self.kind]), state
