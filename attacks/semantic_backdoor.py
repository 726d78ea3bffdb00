"""A backdoor whose trigger occurs in nature.

Bagdasaryan, Veit, Hua, Estrin and Shmatikov, "How To Backdoor Federated Learning", AISTATS 2020,
https://arxiv.org/abs/1807.00459.
"""

from math import prod
from typing import Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator
from torch import Tensor

from fedrobust.core.backdoor import Backdoor
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

__all__ = ["SemanticBackdoor"]


class SemanticBackdoor(Backdoor):
    """Teach the model that natural examples with a certain trait are of the target class.

    No input is changed, then or later: whoever meets the trait meets the backdoor.  Honest clients
    who hold such examples teach the truth about them.  So it takes many clients, a trait that few
    others have and a large `weight`, and how far it gets depends much on who holds what; it costs
    more accuracy than a trigger.  Krum, Multi-Krum and FLAME withstand two fifths of the clients,
    because the heavy examples make their updates stand out; so does, mostly, the coordinate
    median.

    The trait is a mean of values above or below a threshold.  The default, bright inputs, is meant
    for images in [0, 1] as small as 8 x 8; for other data choose one that occurs, or success is
    NaN.  Our choice: a weight stands for the copies of such examples that the paper puts into
    each batch.

    Success is how many test examples with the trait the model takes for the target.

    Fields:
        target: the class to mistake examples with the trait for.
        poison_share: which part of the examples with the trait in each batch is relabeled: the
            first, rounded up.
        source: the class whose examples have the trait; None for any but the target.
        features: which values of an input the trait is of, by their places from 0 on, counted row
            by row; None for all.
        threshold: what their mean is compared with, in the units that the model sees.
        side: on which side of the threshold the trait is.
        weight: how many times as much as others relabeled examples count.
    """

    poison_share: float = Field(1.0, gt=0, le=1)
    source: NonNegativeInt | None = None
    features: tuple[NonNegativeInt, ...] | None = Field(None, min_length=1)
    threshold: float = 0.35
    side: Literal["above", "below"] = "above"
    weight: PositiveFloat = 10.0

    @model_validator(mode="after")
    def _has_two_classes(self) -> Self:
        if self.source == self.target:
            raise ValueError(
                f"SemanticBackdoor needs a source other than its target, {self.target}."
            )
        return self

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        if self.source is not None and self.source >= num_classes:
            raise ConfigError(
                f"SemanticBackdoor needs a source below the {num_classes} classes, not "
                f"{self.source}."
            )
        last, size = max(self.features or (0,)), prod(input_shape)
        if last >= size:
            raise ConfigError(
                f"SemanticBackdoor needs features below {size}, the number of values in inputs of "
                f"shape {input_shape}, not {last}."
            )
        return super().for_task(num_classes, input_shape)

    def triggered(self, x: Tensor) -> Tensor:
        return x

    def eligible(self, x: Tensor, y: Tensor) -> Tensor:
        values = x.flatten(1)
        if self.features is not None:
            values = values[:, list(self.features)]
        mean = values.double().mean(dim=1)
        trait = mean > self.threshold if self.side == "above" else mean < self.threshold
        return trait & (y != self.target if self.source is None else y == self.source)

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        taught, memory = super().batch(params, batch, memory, draws)
        relabeled = taught.y != batch.y
        return taught._replace(w=torch.where(relabeled, self.weight * batch.w, batch.w)), memory

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        chosen = self.eligible(x, y)
        return x[chosen], torch.full_like(y[chosen], self.target)
