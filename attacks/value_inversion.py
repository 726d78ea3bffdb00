"""Value inversion.

The value-inverting adversary of Xu and Lyu, "A Reputation Mechanism Is All You Need: Collaborative
Fairness and Adversarial Robustness in Federated Learning", 2020,
https://arxiv.org/abs/2011.10464.
"""

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["ValueInversion"]


class ValueInversion(Attack):
    """Send the honest update with a random half of its values x replaced by 1 / x.

    What mattered least then counts most: a coordinate that hardly changed becomes enormous.  Such
    updates are far longer than any honest one, so everything that bounds lengths or looks for
    outliers stops them; after clipping, one huge coordinate is all that is left of them.  It
    destroys the mean at once.

    The authors' code divides by x + 1e-10, which is infinite at -1e-10.  Here the sign stays, and
    a value closer to zero than `smallest` counts as that; zero itself becomes 1 / `smallest`, as
    with them.

    Fields:
        share: the probability with which a value is inverted.
        smallest: how close to zero a value is taken to be at most.
    """

    share: float = Field(0.5, ge=0, le=1)
    smallest: float = Field(1e-10, ge=1e-30)

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        own = view.own
        chosen = torch.rand(own.shape, generator=view.generator).to(own.device) < self.share
        signs = torch.where(own < 0, -1.0, 1.0)
        return torch.where(chosen, signs / own.abs().clamp(min=self.smallest), own), state
