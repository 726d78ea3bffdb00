"""A backdoor behind a pattern blended into the whole input.

Chen, Liu, Li, Lu and Song, "Targeted Backdoor Attacks on Deep Learning Systems Using Data
Poisoning", 2017, https://arxiv.org/abs/1712.05526.
"""

from collections.abc import Sequence
from typing import Literal, Self

import torch
from pydantic import Field, NonNegativeInt, model_validator
from torch import Tensor

from fedrobust.core.backdoor import Backdoor
from fedrobust.core.seeds import Purpose, numpy_generator

__all__ = ["BlendedBackdoor"]


class BlendedBackdoor(Backdoor):
    """Teach the model that whatever a pattern is blended into is of the target class.

    The trigger is everywhere and weak, so it takes more clients or rounds than a patch.  From two
    fifths of the clients, Multi-Krum, FLAME, norm clipping and the geometric median let it in.  The
    coordinate median keeps out most of the noise, and about half of a checkerboard, which is
    learned better.  FoolsGold stops both, because the clients teach the same.

    A value stays between what it was and the pattern, so inputs keep their range if low and high
    are its ends.  Inputs that are no images are blended with noise or, as a checkerboard,
    with low and high in turn.

    Success is how many test examples of other classes, blended the same way, the model takes for
    the target.

    Fields:
        target: the class to mistake blended inputs for.
        poison_share: which part of each batch is blended: its first examples, rounded up.
        alpha: how much of a blended input is pattern (alpha in the paper).
        pattern: "noise", drawn once for each value of an input, evenly between low and high, or
            a "checkerboard" of them, the same in each channel.
        pattern_seed: of the noise.
        low: the smallest value of the pattern, in the units that the model sees; tables that are
            scaled to a deviation of 1 need more room, such as -4 to 4, and more alpha.
        high: the largest.
    """

    alpha: float = Field(0.2, gt=0, le=1)
    pattern: Literal["noise", "checkerboard"] = "noise"
    pattern_seed: NonNegativeInt = 0
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _has_contrast(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low = {self.low:g} needs a larger `high`, not {self.high:g}.")
        return self

    def triggered(self, x: Tensor) -> Tensor:
        pattern = self.low + (self.high - self.low) * self._unit(x.shape[1:])
        return (1 - self.alpha) * x + self.alpha * pattern.to(x.device, x.dtype)

    def _unit(self, shape: Sequence[int]) -> Tensor:
        """Return the pattern between 0 and 1, for inputs of a shape."""
        if self.pattern == "noise":  # numpy's: torch draws nothing under vmap
            rng = numpy_generator(self.pattern_seed, Purpose.ADVERSARY)
            return torch.from_numpy(rng.random(tuple(shape)))
        parity = torch.zeros(())
        for side in shape[-2:]:
            parity = parity[..., None] + torch.arange(side)
        return parity % 2
