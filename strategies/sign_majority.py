"""SignSGD with majority vote.

Bernstein, Zhao, Azizzadenesheli and Anandkumar, "signSGD with Majority Vote is Communication
Efficient And Fault Tolerant", ICLR 2019, https://arxiv.org/abs/1810.05291, algorithm 1.
"""

from math import sqrt
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo, State

__all__ = ["SignMajority"]

_COLUMNS = 1 << 16  # at a time, so that votes take little memory


class SignMajority(Aggregator):
    """Move every coordinate one step of fixed size, whichever way more clients vote.

    Length gains an attacker nothing, and where most honest clients agree on a coordinate's
    direction a minority cannot turn it.  Where they are split, as where their data differ, a few
    malicious votes decide; `sign` before `mean` moves such coordinates less.  All coordinates move
    equally far, those of noise too, so that a model comes to circle around its optimum: let the
    learning rate fall.

    The paper's step is the learning rate, a number to tune along with the model.  Unless you choose
    one, it follows the updates: the aggregate is as long as the update of median length, which is
    between two honest lengths as long as honest clients are a majority.  A tie moves a coordinate
    nowhere, and a zero is an abstention.

    It cannot say how much a client counted.  Its score is how many coordinates it voted for with
    the majority, less those against, as a share of all: 1 for always with it, -1 for never.

    Cost: two passes over the updates, O(n d).

    Fields:
        scale: the size of a step (eta in the paper), in the units of an update; "median" for the
            median length divided by the square root of d.
    """

    magnitudes: ClassVar[bool] = False
    scores_trust: ClassVar[bool] = True

    scale: PositiveFloat | Literal["median"] = "median"

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        scale = self.scale
        if scale == "median":
            scale = rows.norms(updates).quantile(0.5).item() / sqrt(updates.shape[1])
        agreements = torch.zeros(len(updates), dtype=torch.float64, device=updates.device)
        majorities = []
        for block in torch.split(updates, _COLUMNS, dim=1):
            votes = block.sign()
            majority = votes.sum(dim=0).sign()
            majorities.append(majority)
            agreements += votes @ majority
        update = scale * torch.cat(majorities)
        return Aggregate(update, state, scores=agreements / updates.shape[1])
