"""Random weights.

Lin, Du and Liu, "Free-riders in Federated Learning: Attacks and Defenses", 2019,
https://arxiv.org/abs/1911.12560.
"""

from typing import ClassVar

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory

__all__ = ["RandomWeights"]


class RandomWeights(Attack):
    """Take part without training: send small random numbers in place of an update.

    The least that a free-rider can do not to be known by an update of zeros.  The mean is slowed
    down as by `free_rider`.  It hurts rules that trust whoever is unlike the others (`foolsgold`),
    and, as long as it is shorter than honest updates, those that look for the middle of all
    (`krum`).  Its direction agrees with nobody's: `fltrust` gives it next to no weight.

    Fields:
        bound: each number lies between -bound and bound (R in the paper).  Where that makes it
            longer than honest updates, distances give it away (`krum`).
    """

    trains: ClassVar[bool] = False

    bound: PositiveFloat = 1e-3

    def draw_submit(self, params: Tensor, generator: torch.Generator) -> Draws:
        return {"uniform": torch.rand(params.shape, generator=generator).to(params)}

    def submit(self, update: Tensor, memory: Memory, draws: Draws) -> tuple[Tensor, Memory]:
        return self.bound * (2 * draws["uniform"] - 1), memory
