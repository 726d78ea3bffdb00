"""Delta weights.

Lin, Du and Liu, "Free-riders in Federated Learning: Attacks and Defenses", 2019,
https://arxiv.org/abs/1911.12560.
"""

from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["DeltaWeights"]

_ADAPTIVE = (1e-3, 1e-4, 1e-5)  # the paper's standard deviations of different parameters


class DeltaWeights(Attack):
    """Take part without training: repeat what the global model did since the last time.

    A client that was sent w' the last time it did so, and now w, sends w - w'.  That is what all
    clients did together since, so it points where they do, and more steadily than any of
    them: `fltrust` trusts it twice as much as an honest client.  To the mean it is momentum, which
    does not even slow it down.  Rules that look for the middle of all updates prefer it; `krum` and
    `geometric_median` then follow little else, and the model hardly moves on.

    Rounds in which it attacks count: before the first, a sleeper has nothing to repeat.

    Several clients send the same, by which `foolsgold` knows them, and `signguard` leaves out even
    one, by the shares of its signs; noise changes neither.

    The paper writes updates as old minus new; here the movement is repeated, not undone.  It does
    not say which parameters get which noise in its adaptive attack; here each one draws its
    standard deviation in each round.

    Fields:
        noise: the standard deviation of what is added to each parameter: 0 for "delta weights",
            1e-3 for the paper's "advanced delta weights", "adaptive" for one of 1e-3, 1e-4 and
            1e-5 a parameter.
        bound: in its first round, without a movement to repeat, a client sends numbers between
            -bound and bound, as `random_weights` does.
    """

    trains: ClassVar[bool] = False

    noise: NonNegativeFloat | Literal["adaptive"] = 0.0
    bound: PositiveFloat = 1e-3

    def discards(self, knowledge: Knowledge) -> bool:
        return True

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        seen = (view.params,)
        if not state:
            uniform = torch.rand(view.own.shape, generator=view.generator).to(view.own)
            return self.bound * (2 * uniform - 1), seen
        (before,) = state
        moved = (view.params.double() - before.double()).to(view.own).expand_as(view.own)
        if not self.noise:
            return moved, seen
        noise = torch.randn(view.own.shape, generator=view.generator)
        return moved + (self._deviations(view) * noise).to(view.own), seen

    def _deviations(self, view: View) -> Tensor:
        """Return the noise's standard deviation in each coordinate, ``[]`` or ``[m, d]``."""
        if self.noise != "adaptive":
            return torch.tensor(self.noise)
        drawn = torch.randint(len(_ADAPTIVE), view.own.shape, generator=view.generator)
        return torch.tensor(_ADAPTIVE)[drawn]
