"""Label flipping.

Targeted as in Tolpegin, Truex, Gursoy and Liu, "Data Poisoning Attacks Against Federated Learning
Systems", ESORICS 2020, https://arxiv.org/abs/2007.08432; of all labels as in Karimireddy, He and
Jaggi, "Learning from History for Byzantine Robust Optimization", ICML 2021,
https://arxiv.org/abs/2012.10333.  Random labels need no citation.
"""

from typing import Literal, Self

import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

__all__ = ["LabelFlip"]

_NUMBERS = 4093  # random numbers drawn a step; larger batches use them again


class LabelFlip(Attack):
    """Train honestly on wrong labels.

    Without a source and a target, label y of C becomes C - 1 - y, a mild attack on accuracy.
    With them, examples of the source class are taught as the target class, and success is how
    many test examples of the source follow.  It needs no knowledge of others, and where clients
    differ by their data it is hard to tell from honest training.

    Random labels teach nothing, so updates are shorter and nearer to the middle of all, where
    rules that look at distances prefer them (`krum`, also with more than one update to keep).  A
    server that compares directions with its own (`fltrust`) gives them next to no weight.

    Fields:
        source: the class to mislabel; None for all.
        target: what to call it; "random" for any class, the right one included, drawn anew for
            each example in each step.
        num_classes: how many classes there are (C); None for as many as the data have.
    """

    source: NonNegativeInt | None = None
    target: NonNegativeInt | Literal["random"] | None = None
    num_classes: PositiveInt | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.source is None) != (self.target is None) and self.target != "random":
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
            if isinstance(label, int) and label >= num_classes:
                raise ConfigError(
                    f"LabelFlip needs a {role} below the {num_classes} classes, not {label}."
                )
        return self.model_copy(update={"num_classes": num_classes})

    def draw(self, params: Tensor, generator: torch.Generator) -> Draws:
        if self.target != "random":
            return {}
        return {"labels": torch.randint(self._classes(), (_NUMBERS,), generator=generator)}

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        wrong = self._wrong(batch.y, draws)
        if self.source is not None:
            wrong = torch.where(batch.y == self.source, wrong, batch.y)
        return batch._replace(y=torch.where(batch.w > 0, wrong, batch.y)), memory

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        if self.source is None or not isinstance(self.target, int):
            return None
        chosen = y == self.source
        return x[chosen], torch.full_like(y[chosen], self.target)

    def _wrong(self, y: Tensor, draws: Draws) -> Tensor:
        """Return what to call examples with labels ``[b]``, if they are to be mislabeled."""
        if self.target == "random":
            return draws["labels"][torch.arange(len(y), device=y.device) % _NUMBERS]
        if self.target is None:
            return self._classes() - 1 - y
        return torch.full_like(y, self.target)

    def _classes(self) -> int:
        if self.num_classes is None:
            raise ConfigError("LabelFlip needs num_classes to flip all labels; set it.")
        return self.num_classes
