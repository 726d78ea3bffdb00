"""A backdoor whose trigger is taught in parts (DBA).

Xie, Huang, Chen and Li, "DBA: Distributed Backdoor Attacks against Federated Learning", ICLR 2020,
https://openreview.net/forum?id=rkgyS0VFvr.
"""

from collections.abc import Iterable, Sequence
from typing import Self

import torch
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor

from fedrobust.core.backdoor import Backdoor
from fedrobust.errors import ConfigError

__all__ = ["DistributedBackdoor"]


class DistributedBackdoor(Backdoor):
    """Teach each client's model one part of a trigger, and use all parts together.

    The trigger is a grid of bars, two in a row.  Two fifths of the clients make the mean take
    nearly every marked input for the target, while a part alone fools the model much less.  The
    fewer pixels a part has, the longer that takes: a fifth of the clients need more rounds than
    with one patch.

    Clients with different parts differ from each other.  That cuts both ways: FoolsGold, which
    stops so many who teach one patch, sometimes lets these through, and the coordinate median,
    which lets the patch in, keeps these out.  Multi-Krum and the geometric median let in both; Krum
    lets in the patch, and the parts as chance has it.

    Our choices: with more clients than parts, clients share parts; with fewer, a client teaches
    several; one alone teaches the whole.  Sizes follow the input's width as the paper's do, for
    28 pixels exactly.  Groups of features stand for bars where inputs are no images.

    Success is how many test examples of other classes, with the whole trigger, the model takes for
    the target.

    Fields:
        target: the class to mistake inputs with the trigger for.
        poison_share: which part of each batch is marked: its first examples, rounded up.
        parts: how many bars there are; of inputs that are no images, how many groups of
            features, which start over from the first feature once they pass the last.
        length: of a bar in pixels, or of a group in features (trigger size in the paper); None
            for a seventh of the width, rounded up, or a sixteenth of the features.
        thickness: of a bar in pixels; None for a 32nd of the height, rounded up.
        gap: how many pixels lie between bars, both ways (trigger gap); None for a fourteenth of
            the width, rounded up.  Groups of features have none by default.
        top: the row of the first bar; it says nothing to groups of features.
        left: the column of the first bar, or the first feature (trigger location).
        value: what bars are painted with, in the units that the model sees: 1 is white in images,
            and ordinary in tables that are scaled to a deviation of 1, where 4 or -4 stands out.
        taught: which parts a client teaches, from 0 on; None for all.  The adversary sets it
            when it deals the parts out to its clients.
    """

    parts: PositiveInt = 4
    length: PositiveInt | None = None
    thickness: PositiveInt | None = None
    gap: NonNegativeInt | None = None
    top: NonNegativeInt = 0
    left: NonNegativeInt = 0
    value: float = 1.0
    taught: tuple[NonNegativeInt, ...] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _has_what_it_teaches(self) -> Self:
        if max(self.taught or (0,)) >= self.parts:
            raise ValueError(
                f"taught needs parts below {self.parts}, how many there are, not {self.taught}."
            )
        return self

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        boxes = [self._box(part, input_shape) for part in range(self.parts)]
        needs = tuple(max(side.stop for side in sides) for sides in zip(*boxes, strict=True))
        if any(end > room for end, room in zip(needs, input_shape[-2:], strict=True)):
            raise ConfigError(
                f"DistributedBackdoor needs inputs of at least {needs} for its trigger, not of "
                f"shape {input_shape}; set fewer parts, or a smaller length, gap, top or left."
            )
        return super().for_task(num_classes, input_shape)

    def for_client(self, place: int, of: int) -> "DistributedBackdoor":
        dealt = tuple(range(place % self.parts, self.parts, of))
        return self if self.taught else self.model_copy(update={"taught": dealt})

    def triggered(self, x: Tensor) -> Tensor:
        return self._painted(x, range(self.parts) if self.taught is None else self.taught)

    def shown(self, x: Tensor) -> Tensor:
        return self._painted(x, range(self.parts))

    def _painted(self, x: Tensor, parts: Iterable[int]) -> Tensor:
        mask = torch.zeros(x.shape[1:][-2:], dtype=torch.bool)
        for part in parts:
            mask[self._box(part, x.shape[1:])] = True
        return torch.where(mask.to(x.device), self.value, x)

    def _box(self, part: int, shape: Sequence[int]) -> tuple[slice, ...]:
        """Return where a part lies: its rows and columns, or its features."""
        *height, width = shape[-2:]
        if not height:
            length = self.length or max(1, width // 16)
            start = (self.left + part * (length + (self.gap or 0))) % width
            return (slice(start, start + length),)
        length, thickness = self.length or -(-width // 7), self.thickness or -(-height[0] // 32)
        gap = -(-width // 14) if self.gap is None else self.gap
        top = self.top + part // 2 * (thickness + gap)
        left = self.left + part % 2 * (length + gap)
        return slice(top, top + thickness), slice(left, left + length)
