"""Lying about how badly the model serves a client: the weakness of fairness by claims.

Losses as weights are those of Li, Sanjabi, Beirami and Smith, "Fair Resource Allocation in
Federated Learning", ICLR 2020, https://arxiv.org/abs/1905.10497; the server cannot check them.
"""

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack

__all__ = ["LossInflation"]

_LARGEST = 1e300  # claim; more could come out infinite, which no server counts


class LossInflation(Attack):
    """Claim to lose more by the model than is true, and train honestly.

    It adds to other attacks: listed with `sign_flip` it makes the flipped updates count more.  It
    hurts rules that let those count more whom the model serves worse (`q_fed_avg`), and no other:
    clients are not asked for their losses elsewhere, and the attack then does nothing.  The server
    counts no claim beyond a hundred times the round's median.

    Fields:
        factor: how many times as much to claim.
    """

    factor: PositiveFloat = 10.0

    def losses(self, losses: Tensor) -> Tensor:
        return (self.factor * losses).clamp(max=_LARGEST)
