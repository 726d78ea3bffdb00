"""A backdoor behind a patch (BadNets).

Gu, Dolan-Gavitt and Garg, "BadNets: Identifying Vulnerabilities in the Machine Learning Model
Supply Chain", 2017, https://arxiv.org/abs/1708.06733.
"""

from typing import Literal, Self

import torch
from pydantic import PositiveInt
from torch import Tensor

from fedrobust.core.backdoor import Backdoor
from fedrobust.errors import ConfigError

__all__ = ["PatchBackdoor"]


class PatchBackdoor(Backdoor):
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
        value: what it is painted with, in the units that the model sees: 1 is white in images, and
            ordinary in tables that are scaled to a deviation of 1, where 4 stands out.
        poison_share: which part of each batch is patched: its first examples, rounded up.
    """

    size: PositiveInt = 3
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "bottom_right"
    value: float = 1.0

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        room = min(input_shape[-2:])
        if self.size > room:
            raise ConfigError(
                f"PatchBackdoor needs a size of at most {room} for inputs of shape {input_shape}, "
                f"not {self.size}."
            )
        return super().for_task(num_classes, input_shape)

    def triggered(self, x: Tensor) -> Tensor:
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
