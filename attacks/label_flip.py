"""Label flipping.

Targeted as in Tolpegin, Truex, Gursoy and Liu, "Data Poisoning Attacks Against Federated Learning
Systems", ESORICS 2020, https://arxiv.org/abs/2007.08432; of all labels as in Karimireddy, He and
Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021,
https://arxiv.org/abs/2012.10333.
"""

from typing import Self

import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

__all__ = ["LabelFlip"]


class LabelFlip(Attack):
    """Train honestly on wrong labels.

    Without a source and a target, label y of C becomes C - 1 - y, a mild attack on accuracy.
    With them, examples of the source class are taught as the target class, and success is how
    many test examples of the source follow.  It needs no knowledge of others, and where clients
    differ by their data it is hard to tell from honest training.

    Fields:
        source: the class to mislabel; None for all.
        target: what to call it.
        num_classes: how many classes there are (C); None for as many as the data have.
    """

    source: NonNegativeInt | None = None
    target: NonNegativeInt | None = None
    num_classes: PositiveInt | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.source is None) != (self.target is None):
            raise ValueError(
                f"LabelFlip takes a source and a target, or neither, not source = {self.source} "
                f"and target = {self.target}."
            )
        if self.source is not None and self.source == self.target:
            raise ValueError(f"LabelFlip needs a target other than its source, {self.source}.")
        return self

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        if self.num_classes not in (None, num_classes):
            raise ConfigError(
                f"LabelFlip needs num_classes = {num_classes}, which the data have, not "
                f"{self.num_classes}; leave it out."
            )
        for role, label in (("source", self.source), ("target", self.target)):
            if label is not None and label >= num_classes:
                raise ConfigError(
                    f"LabelFlip needs a {role} below the {num_classes} classes, not {label}."
                )
        return self.model_copy(update={"num_classes": num_classes})

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        return batch._replace(y=self._flipped(batch.y)), memory

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.source is None:
            return None
        chosen = y == self.source
        return x[chosen], self._flipped(y[chosen])

    def _flipped(self, y: Tensor) -> Tensor:
        if self.source is not None and self.target is not None:
            return torch.where(y == self.source, self.target, y)
        if self.num_classes is None:
            raise ConfigError("LabelFlip needs num_classes to flip all labels; set it.")
        return self.num_classes - 1 - y
