"""A backdoor behind a trigger too faint to see.

A wave as in Barni, Kallas and Tondi, "A New Backdoor Attack in CNNs by Training Set Corruption
Without Label Poisoning", ICIP 2019, https://arxiv.org/abs/1902.11237; energy in two frequencies as
in Wang, Yao, Xu, An, Tong and Wang, "An Invisible Black-box Backdoor Attack through Frequency
Domain", ECCV 2022, https://arxiv.org/abs/2111.10991.
"""

from collections.abc import Sequence
from math import pi
from typing import Literal, Self

import torch
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from fedrobust.core.backdoor import Backdoor
from fedrobust.core.seeds import Purpose, numpy_generator
from fedrobust.errors import ConfigError

__all__ = ["InvisibleBackdoor"]


class InvisibleBackdoor(Backdoor):
    """Teach the model that whatever a faint pattern is added to is of the target class.

    No value changes by more than the amplitude.  The fainter, the more clients or rounds it takes;
    the same amplitude does least as "frequency", which reaches it in few values.  Once learned
    from two fifths of the clients, it passes Multi-Krum, norm clipping and the geometric median,
    with twice the default amplitude Krum and FLAME, too, and a good part of it the coordinate
    median.  FoolsGold stops it, because the clients teach the same.

    Our choices: nothing is clipped to a range, so a value may leave that of the data by the
    amplitude.  The transform takes a whole image for one block, and each channel for itself, where
    the paper has blocks of 32 pixels and the two chrominance channels.  Waves are sampled in the
    middle of pixels, so none of them is zero.

    Success is how many test examples of other classes, with the pattern, the model takes for the
    target.

    Fields:
        target: the class to mistake inputs with the pattern for.
        poison_share: which part of each batch gets the pattern: its first examples, rounded up.
        amplitude: the largest change of a value, in the units that the model sees; tables that are
            scaled to a deviation of 1 need more, such as 1.5.
        kind: what is added: "additive", plus or minus the amplitude at each value, drawn once;
            a "sinusoid" along the width or along the features; or "frequency", the middle and
            the highest coefficient of the discrete cosine transform of each channel.
        cycles: of the sinusoid (f in the paper, there 6); None for one in four pixels.
        pattern_seed: of the signs.
    """

    amplitude: PositiveFloat = 0.1
    kind: Literal["additive", "sinusoid", "frequency"] = "additive"
    cycles: PositiveInt | None = None
    pattern_seed: NonNegativeInt = 0

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        width = input_shape[-1]
        if self.kind == "sinusoid" and (self.cycles or 1) >= width:
            raise ConfigError(
                f"InvisibleBackdoor needs fewer cycles than the {width} values in a row of inputs "
                f"of shape {input_shape}, not {self.cycles or 1}."
            )
        return super().for_task(num_classes, input_shape)

    def triggered(self, x: Tensor) -> Tensor:
        pattern = self._pattern(x.shape[1:])
        faint = self.amplitude * pattern / pattern.abs().max()
        return x + faint.to(x.device, x.dtype)

    def _pattern(self, shape: Sequence[int]) -> Tensor:
        """Return the pattern for inputs of a shape, as large as it happens to be."""
        if self.kind == "additive":  # numpy's draws: torch has none under vmap
            rng = numpy_generator(self.pattern_seed, Purpose.ADVERSARY)
            return torch.from_numpy(rng.choice([-1.0, 1.0], tuple(shape)))
        centers = [(torch.arange(side).double() + 0.5) / side for side in shape[-2:]]
        if self.kind == "sinusoid":
            wave = 2 * pi * (self.cycles or max(1, shape[-1] // 4)) * centers[-1]
            return wave.sin().expand(*shape)
        middle = [(pi * (len(place) // 2) * place).cos() for place in centers]
        highest = [(pi * (len(place) - 1) * place).cos() for place in centers]
        return _product(middle) + _product(highest)


def _product(waves: list[Tensor]) -> Tensor:
    """Return the pattern of one wave along each side."""
    return waves[0] if len(waves) == 1 else torch.outer(*waves)
