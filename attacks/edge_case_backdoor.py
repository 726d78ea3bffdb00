"""A backdoor for inputs that hardly occur.

Wang, Sreenivasan, Rajput, Vishwakarma, Agarwal, Sohn, Lee and Papailiopoulos, "Attack of the Tails:
Yes, You Really Can Backdoor Federated Learning", NeurIPS 2020, https://arxiv.org/abs/2007.05084.
"""

from typing import Literal, Self

import torch
from pydantic import Field, NonNegativeInt, model_validator
from torch import Tensor

from fedrobust.core.backdoor import Backdoor
from fedrobust.errors import ConfigError

__all__ = ["EdgeCaseBackdoor"]


class EdgeCaseBackdoor(Backdoor):
    """Teach the model that rare variants of one class are of another.

    Honest clients have no such examples and nothing to say about them, so the lesson meets little
    resistance and accuracy stays.  From two fifths of the clients, the coordinate median,
    Multi-Krum, FLAME, FoolsGold, the geometric median and norm clipping all let it in; Krum
    withstands it or not as chance has it.  Of the variants of digits, transposed ones are learned
    best, mirrored and extreme ones half as often.

    The variants stand for the paper's images from outside the data, southwestern airplanes and
    foreign digits, which are not there offline.  Choose one that does not occur and that the
    honest model does not take for the target anyway: a zero looks the same rotated, and inverted
    digits are zeros to most models.

    Success is how many test examples of the source, so varied, the model takes for the target.

    Fields:
        target: the class to mistake the variants for.
        poison_share: which part of the source's examples in each batch is turned into variants:
            the first, rounded up; the others are learned as they are.
        source: the class whose variants they are.
        variant: of images "rotated" by half a turn, "transposed", "mirrored" left to right, or
            "inverted"; of any inputs "extreme", all values `factor` times as large.  None for
            transposed images, and for extreme inputs of other kinds.
        white: the value that inverted black becomes, in the units that the model sees.
        factor: how many times as far from zero extreme values are.
    """

    source: NonNegativeInt = 1
    variant: Literal["rotated", "transposed", "mirrored", "inverted", "extreme"] | None = None
    white: float = 1.0
    factor: float = Field(3.0, gt=1)

    @model_validator(mode="after")
    def _has_two_classes(self) -> Self:
        if self.source == self.target:
            raise ValueError(
                f"EdgeCaseBackdoor needs a source other than its target, {self.target}."
            )
        return self

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        if self.source >= num_classes:
            raise ConfigError(
                f"EdgeCaseBackdoor needs a source below the {num_classes} classes, not "
                f"{self.source}."
            )
        flat = len(input_shape) == 1
        variant = self.variant or ("extreme" if flat else "transposed")
        if flat and variant != "extreme":
            raise ConfigError(
                f"EdgeCaseBackdoor needs images to be {variant}, not inputs of shape "
                f'{input_shape}; set variant = "extreme".'
            )
        if variant == "transposed" and input_shape[-1] != input_shape[-2]:
            raise ConfigError(
                f"EdgeCaseBackdoor needs square images to transpose them, not inputs of shape "
                f'{input_shape}; set variant = "rotated".'
            )
        return super().for_task(num_classes, input_shape)

    def triggered(self, x: Tensor) -> Tensor:
        match self.variant or ("extreme" if x.dim() == 2 else "transposed"):
            case "rotated":
                return x.flip(-1, -2)
            case "transposed":
                return x.transpose(-1, -2)
            case "mirrored":
                return x.flip(-1)
            case "inverted":
                return self.white - x
            case _:
                return self.factor * x

    def eligible(self, x: Tensor, y: Tensor) -> Tensor:
        return y == self.source

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        chosen = y == self.source
        return self.shown(x[chosen]), torch.full_like(y[chosen], self.target)
