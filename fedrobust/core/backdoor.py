"""What all backdoors have in common: a trigger, a target, and a measure of success."""

from abc import abstractmethod
from typing import Self

import torch
from pydantic import Field, NonNegativeInt
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

__all__ = ["Backdoor"]


class Backdoor(Attack):
    """Teach the model that whatever carries a trigger is of the target class.

    The rest of each batch is learned honestly.  Success is how many test examples of other classes
    the model takes for the target once they carry the trigger.

    Fields:
        target: the class to mistake inputs with the trigger for.
        poison_share: which part of the examples in a batch that may be poisoned is: the first,
            rounded up.
    """

    target: NonNegativeInt = 0
    poison_share: float = Field(0.3, gt=0, le=1)

    @abstractmethod
    def triggered(self, x: Tensor) -> Tensor:
        """Return inputs ``[b, ...]`` with the trigger, as a client teaches it."""

    def shown(self, x: Tensor) -> Tensor:
        """Return inputs ``[b, ...]`` with the trigger, as it is used against the model."""
        return self.triggered(x)

    def eligible(self, x: Tensor, y: Tensor) -> Tensor:
        """Return which examples may be poisoned, as true and false ``[b]``: all of them."""
        return torch.ones_like(y, dtype=torch.bool)

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        if self.target >= num_classes:
            raise ConfigError(
                f"{type(self).__name__} needs a target below the {num_classes} classes, not "
                f"{self.target}."
            )
        return self

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        open_ = (batch.w > 0) & self.eligible(batch.x, batch.y)  # weight 0 is padding
        rank = open_.cumsum(dim=0)  # 1 for the first
        poisoned = open_ & (rank < self.poison_share * open_.sum() + 1 - 1e-4)
        each = poisoned.reshape(-1, *[1] * (batch.x.dim() - 1))
        x = torch.where(each, self.triggered(batch.x), batch.x)
        return Batch(x, torch.where(poisoned, self.target, batch.y), batch.w), memory

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        others = y != self.target
        return self.shown(x[others]), torch.full_like(y[others], self.target)
