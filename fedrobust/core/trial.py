"""How good models are for an adversary, on examples that its own clients hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedrobust.core.adversary import Adversary
from fedrobust.core.metrics import agreement
from fedrobust.core.task import Task
from fedrobust.core.world import World

__all__ = ["Trial"]

_EXAMPLES = 1024  # tried at most: twenty models a round should not take longer than training


@dataclass(frozen=True, eq=False)
class Trial:
    """Models tried on examples of some clients of an adversary; it holds no others."""

    task: Task  # whose training examples are those
    adversary: Adversary

    @classmethod
    def of(cls, world: World, adversary: Adversary, clients: Sequence[int]) -> Self:
        """Return a trial with examples of some clients of a world."""
        shards = world.federation.shards
        held = torch.cat([shards[client] for client in clients])
        data, chosen = world.placed.data, held[:: -(-len(held) // _EXAMPLES)]
        x, y = data.x[chosen], data.y[chosen]
        own = replace(data, x=x, y=y, x_test=x[:0], y_test=y[:0], groups=None)
        return cls(Task(world.placed.model, own), adversary)

    @torch.no_grad()
    def loss(self, params: Tensor) -> float:
        """Return the mean loss of a model ``[d]``."""
        x, y = self.task.data.x, self.task.data.y
        return float(cross_entropy(self.task.logits(params.to(x.device), x), y))

    def success(self, params: Tensor) -> float:
        """Return how often a model ``[d]`` does what is wanted; NaN if nothing is."""
        x, y = self.task.data.x, self.task.data.y
        wanted = self.adversary.goal(x, y)
        return agreement(self.task, params.to(x.device), *wanted) if wanted else float("nan")
