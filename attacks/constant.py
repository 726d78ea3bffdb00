"""The same value in every coordinate.

The same-value attack of Li, Xu, Chen, Giannakis and Ling, "RSA: Byzantine-Robust Stochastic
Aggregation Methods for Distributed Learning from Heterogeneous Datasets", AAAI 2019,
https://arxiv.org/abs/1811.03761.
"""

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Constant"]

_LARGEST = torch.finfo(torch.float32).max


class Constant(Attack):
    """Send the same number in every coordinate, whatever was learned.

    With 0 the clients contribute nothing, and the mean slows down by their share.  Where honest
    clients differ, nothing at all lies in their midst: `krum` then takes the zeros, and so does
    `coordinate_median` if there are many.  Any other number pushes the mean the same way every
    round.  Far from honest updates it fails against robust rules, and all copies are equal, which
    rules that look for collusion notice.

    Fields:
        value: the number, in the units of an update; 100 in the paper, which sends models.
    """

    value: float = Field(0.0, ge=-_LARGEST, le=_LARGEST)

    def discards(self, knowledge: Knowledge) -> bool:
        return True

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        return torch.full_like(view.own, self.value), state
