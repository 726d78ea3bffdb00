"""Robust learning rate (RLR).

Ozdayi, Kantarcioglu and Gel, "Defending against Backdoors in Federated Learning with Robust
Learning Rate", AAAI 2021, https://arxiv.org/abs/2007.03767, algorithm 1.
"""

from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor

from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["RobustLearningRate"]

_COLUMNS = 1 << 16  # at a time, so that votes take little memory


class RobustLearningRate(Bounded, Aggregator):
    """Average the updates, and turn around every coordinate on whose direction too few agree.

    Made against backdoors: what only the malicious clients want has few votes, and the model is
    moved away from it.  It bounds no lengths, so that one huge update decides every coordinate that
    enough clients agree on: put `norm_clipping` before it.

    Where honest clients disagree, as on small and noisy coordinates near the end of training or
    where their data differ, it undoes what they learn, and can be far worse than no defense: on
    digits split with alpha = 0.1, for f = 6 of 20 and nobody malicious, it is right on 0.33 of the
    images, the mean on 0.78.  Attackers need no length for that: if honest clients are not of one
    mind, updates of a tenth of theirs with the sign turned take enough votes away.

    A coordinate has as many votes as clients move it one way, less those who move it the other.
    The threshold has to be above f, or else malicious clients alone reach it, and at most n - 2f,
    or else honest clients who all agree do not reach it against them, and everything is turned
    around.  The paper uses a number found by trial; unless you choose one, it is f + 1, the lowest
    that attackers cannot reach, which follows how many of them a round may hold.  It then needs
    n >= 3f + 1, and for f = 0, when there is nobody to outvote, it is the mean.  Clients count the
    same, whatever number of examples they claim.

    It cannot say which clients counted.

    Cost: two passes over the updates, O(n d).

    Fields:
        num_malicious: how many malicious updates a round may hold (f); None for as many as the
            server expects.
        threshold: how many votes a coordinate needs (theta in the paper), or "f+1"; a number
            needs n >= 2f + threshold.
    """

    threshold: PositiveInt | Literal["f+1"] = "f+1"

    @property
    def bound(self) -> tuple[int, int]:
        return (3, 1) if self.threshold == "f+1" else (2, self.threshold)

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        lowest = f + 1 if f else 0
        threshold = lowest if self.threshold == "f+1" else self.threshold
        blocks = torch.split(updates, _COLUMNS, dim=1)
        votes = torch.cat([block.sign().sum(dim=0).abs() for block in blocks])
        weights = torch.full((n,), 1 / n, dtype=updates.dtype, device=updates.device)
        mean = weights @ updates
        return Aggregate(mean.where(votes >= threshold, -mean), state)
