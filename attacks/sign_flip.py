"""Sign flipping, also called bit flipping.

As in Karimireddy, He and Jaggi, "Learning from History for Byzantine Robust Optimization", ICML
2021, https://arxiv.org/abs/2012.10333, whose malicious clients flip the sign of what they learned.
"""

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, View
from fedrobust.core.aggregator import State

__all__ = ["SignFlip"]


class SignFlip(Attack):
    """Send the negative of the honest update.

    Crude: robust rules withstand it as long as honest clients agree on a direction, and a large
    scale is easy to clip.  It needs no knowledge of others.

    Fields:
        scale: how many times as long as the honest update to make it.
    """

    scale: PositiveFloat = 1.0

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        return -self.scale * view.own, state
