"""Nullification, also called the zero-gradient attack.

As in Wu, Ling, Chen and Giannakis, "Federated Variance-Reduced Stochastic Gradient Descent With
Robustness to Byzantine Attacks", IEEE Transactions on Signal Processing 2020,
https://arxiv.org/abs/1912.12716.
"""

from typing import ClassVar

import torch
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Nullification"]


class Nullification(Attack):
    """Send what makes the sum of all updates zero, so that the mean learns nothing.

    With h honest clients and m malicious ones it is the benign mean times -h / m.  The fewer they
    are, the longer their updates and the easier to see: rules that leave out who is far away
    (`smea`, `krum` with more than one update to keep) withstand it.  `coordinate_median` and
    `geometric_median` slow down, as under any attack that reverses the mean.

    Without omniscience the adversary takes the mean of its own clients for that of the others;
    the sum is then zero only as far as they are alike.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        m = view.num_controlled
        others = view.num_clients - m if view.honest is None else len(view.honest)
        mean = view.benign.mean(dim=0, dtype=torch.float64)
        return (-others / m * mean).to(view.own).expand_as(view.own), state
