"""Bits that flip, in memory or on the way.

What a flipped bit does to a number of a network depends on which one it is: Li et al.,
"Understanding Error Propagation in Deep Learning Neural Network (DNN) Accelerators and
Applications", SC 2017, https://doi.org/10.1145/3126908.3126964.
"""

from math import ceil, inf, log1p, sqrt
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.mishap import Fate, Mishap, Outcome, State, Transit

__all__ = ["BitCorruption"]

_MASKS = torch.tensor([1 << bit for bit in range(31)] + [-(1 << 31)], dtype=torch.int32)
_BITS = {"any": (0, 32), "exponent": (23, 31)}  # of a float32, from the lowest


class BitCorruption(Mishap):
    """Flip one bit in some numbers of an update.

    A flip in the mantissa changes a number by at most half of it, one in the sign turns it around.
    One in the exponent makes a number below two nearly nothing or anything up to two, unless it
    hits the highest bit: that turns zero into two, multiplies any other number by 2 ** 128, and
    admission drops the update.  So updates of the usual sizes lose little: admission withstands
    what a single flip does to Flower's own FedAvg.  Numbers of two and more, of a large learning
    rate, may grow to anything that admission lets pass.  That ruins the mean; rules that look at
    each coordinate, such as `coordinate_median`, at whole updates or at their lengths withstand it.

    A dropped update counts as one of the malicious clients that the server expects: it cannot know
    that nobody meant it.  So corruption can use up what `trimmed_mean` would trim in a round, and
    one corrupted update that is not dropped then ruins the model; expect more malicious clients.

    Where messages hold models, as Flower's do, we flip bits of the update, not of the model.

    Fields:
        probability: how likely it is that a number has one of its bits flipped (q).
        bits: which bits: "any" of the 32, or one of the eight of the "exponent".
        share: the share of clients it can happen to; each is one of them, or not, for the run.
    """

    probability: float = Field(1e-5, gt=0, le=1)
    bits: Literal["any", "exponent"] = "any"
    share: float = Field(1.0, gt=0, le=1)

    def befall(self, transit: Transit, state: State) -> Outcome:
        fates = {}
        for client, update in transit.updates.items():
            if not transit.happens(client, self.share, round=0):
                continue
            generator = transit.generator(client)
            places = self._places(len(update), generator)
            if len(places):
                drawn = torch.randint(*_BITS[self.bits], (len(places),), generator=generator)
                corrupted = _flipped(update, places, _MASKS[drawn])
                reason = f"{len(places)} of {len(update)} numbers corrupted"
                fates[client] = Fate(reason, copies=1, update=corrupted)
        return Outcome(fates)

    def _places(self, d: int, generator: torch.Generator) -> Tensor:
        """Return which of d numbers are hit, by the gaps between them: most are never drawn."""
        expected = d * self.probability
        enough = ceil(expected + 10 * sqrt(expected) + 20)  # in all but one of 10^20 cases
        drawn = torch.rand(enough, generator=generator, dtype=torch.float64)
        spared = log1p(-self.probability) if self.probability < 1 else -inf
        gaps = (torch.log1p(-drawn) / spared).floor().clamp(max=d) + 1
        places = gaps.cumsum(dim=0).long() - 1
        return places[places < d]


def _flipped(update: Tensor, places: Tensor, masks: Tensor) -> Tensor:
    corrupted = update.float().clone()
    words, places = corrupted.view(torch.int32), places.to(update.device)
    words[places] ^= masks.to(update.device)
    return corrupted.to(update.dtype)
