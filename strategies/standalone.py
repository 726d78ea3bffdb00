"""Every client for itself, which needs no citation."""

import torch
from torch import Tensor

from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo

__all__ = ["Standalone"]


class Standalone(Aggregator):
    """Leave each client with what it learned itself: the model without the federation.

    What collaboration is worth to a client, and whether a federation rewards those who contribute
    most, is measured against it: `fedrobust simulate --standalone` runs it beside a scenario.
    Nobody learns from anybody, so nobody can do harm to anybody.  The server's own model stays as
    it was at the start.

    Cost: one model ``[d]`` for each client.
    """

    @property
    def by_client(self) -> bool:
        return True

    def aggregate(self, updates: Tensor, state: tuple[()], info: RoundInfo) -> Aggregate:
        nothing = torch.zeros_like(info.params, dtype=updates.dtype)
        return Aggregate(nothing, models=info.starting_points + updates)
