"""Inputs as a bad camera or bad weather would make them.

The kinds are those of Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision", 2019,
https://arxiv.org/abs/1906.02337.
"""

from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.corruptions import corrupted
from fedrobust.core.task import Batch

__all__ = ["CorruptedInputs"]

_SEEDS = 2**31


class CorruptedInputs(Attack):
    """Train honestly on inputs that are corrupted, each in its own way in each step.

    A client whose camera is bad, more than a foe: a few who blur, turn or cover what they see
    hardly hurt the mean, and noise makes a model no worse.  What inverts much of the image
    ("stripe") teaches something wrong; many clients of that kind hurt the mean, and more so rules
    that look for the middle of all updates (`krum`, `coordinate_median`).  A server that has
    examples of its own withstands them (`fltrust`).

    Dark and bright are the least and the largest value of each batch.  Clients are trained one by
    one, which takes longer.

    Fields:
        kind: of corruption: "gaussian_noise", "shot_noise", "impulse_noise" or "brightness", and
            for images also "gaussian_blur", "glass_blur", "motion_blur", "translate", "rotate",
            "scale", "shear", "stripe", "fog", "spatter", "dotted_line" or "zigzag".
        severity: from 1 to 5.
    """

    vectorized: ClassVar[bool] = False

    kind: str = "gaussian_noise"
    severity: int = Field(5, ge=1, le=5)

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        corrupted(torch.zeros(0, *input_shape), self.kind, self.severity, torch.Generator())
        return self

    def draw(self, params: Tensor, generator: torch.Generator) -> Draws:
        return {"seed": torch.randint(_SEEDS, (), generator=generator)}

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        generator = torch.Generator().manual_seed(int(draws["seed"]))
        return batch._replace(x=corrupted(batch.x, self.kind, self.severity, generator)), memory
