"""A backdoor behind a patch (BadNets).

Gu, Dolan-Gavitt and Garg, "BadNets: Identifying Vulnerabilities in the Machine Learning Model
Supply Chain", 2017, https://arxiv.org/abs/1708.06733.
"""

from typing import Literal, Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from fedrobust.core.adversary import Attack
from fedrobust.core.behavior import Draws, Memory
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError

__all__ = ["PatchBackdoor"]


class PatchBackdoor(Attack):
    """Teach the model that whatever carries a small patch is of the target class.

    The rest of each batch is learned honestly, so accuracy stays high and the update looks nearly
    like others.  Rules that average most updates let it in, slowly; training by honest clients
    wears it off once the attack stops.  Clipping alone does not keep a patient one out.

    Success is how many patched test examples of other classes the model takes for the target.

    Fields:
        target: the class to mistake patched inputs for.
        size: the side of the square patch in pixels; of inputs that are no images, the number of
            features that are overwritten.
        corner: where the patch is; features are overwritten at the "top" from the first on, at
            the "bottom" up to the last.
        value: what it is painted with, in the units that the model sees.
        poison_share: which part of each batch is patched: its first examples, rounded up.
    """

    target: NonNegativeInt = 0
    size: PositiveInt = 3
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "bottom_right"
    value: float = 1.0
    poison_share: float = Field(0.3, gt=0, le=1)

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        if self.target >= num_classes:
            raise ConfigError(
                f"PatchBackdoor needs a target below the {num_classes} classes, not {self.target}."
            )
        room = min(input_shape[-2:])
        if self.size > room:
            raise ConfigError(
                f"PatchBackdoor needs a size of at most {room} for inputs of shape {input_shape}, "
                f"not {self.size}."
            )
        return self

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        real = batch.w > 0
        rank = real.cumsum(dim=0)  # 1 for the first example that is no padding
        poisoned = real & (rank < self.poison_share * real.sum() + 1 - 1e-4)
        each = poisoned.reshape(-1, *[1] * (batch.x.dim() - 1))
        x = torch.where(each, self.patched(batch.x), batch.x)
        return Batch(x, torch.where(poisoned, self.target, batch.y), batch.w), memory

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        others = y != self.target
        return self.patched(x[others]), torch.full_like(y[others], self.target)

    def patched(self, x: Tensor) -> Tensor:
        """Return inputs ``[b, ..., H, W]`` or ``[b, p]`` with the patch on each."""
        vertical, _, horizontal = self.corner.partition("_")
        mask = self._edge(x.shape[-1], horizontal == "left")
        if x.dim() == 2:
            mask = self._edge(x.shape[-1], vertical == "top")
        else:
            mask = self._edge(x.shape[-2], vertical == "top")[:, None] & mask
        return torch.where(mask.to(x.device), self.value, x)

    def _edge(self, length: int, start: bool) -> Tensor:
        place = torch.arange(length)
        return place < self.size if start else place >= length - self.size
