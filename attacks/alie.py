"""A Little Is Enough.

Baruch, Baruch and Goldberg, "A Little Is Enough: Circumventing Defenses For Distributed
Learning", NeurIPS 2019, https://arxiv.org/abs/1902.06156.
"""

import logging
from statistics import NormalDist
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["ALIE"]

_COLUMNS = 1 << 13  # converted to float64 at a time: `std` takes several times as long

_log = logging.getLogger(__name__)


class ALIE(Attack):
    """Send one update, shifted from the benign mean by as much as benign noise could explain.

    Hides from rules that look for outliers, and adds up because it pushes the same way every
    round.  Its room is the spread of honest updates: it is strong where they are noisy, and
    `client_momentum` takes that room away.

    The shift that the paper prescribes grows with the share of malicious clients.  Where it is
    zero (2 of 10) or there is one benign update to learn from, the attack does nothing, and says
    so once; set z or take more clients.

    Fields:
        z: the shift in standard deviations; None for the largest that still lets enough honest
            clients lie farther out (z_max in the paper).
        sign: on which side of the mean, 1 or -1.
        ddof: a standard deviation divides by so many less than there are updates: 1, as PyTorch
            does, or 0, as NumPy does; None for 1.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    z: NonNegativeFloat | None = None
    sign: Literal[1, -1] = 1
    ddof: Literal[0, 1] | None = None

    def init(self, params: Tensor) -> State:
        return False  # whether it has said that it does nothing

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        z = z_max(view.num_clients, view.num_controlled) if self.z is None else self.z
        benign = view.benign
        center, spread = _moments(benign, 1 if self.ddof is None else self.ddof)
        if not state and (z == 0 or not spread.any()):
            _log.warning(
                "ALIE does nothing: z = %g with %d of %d clients malicious, and %d benign "
                "updates to learn from. Set z, or give it more clients or knowledge.",
                *(z, view.num_controlled, view.num_clients, len(benign)),
            )
            state = True
        shifted = center + self.sign * z * spread
        return shifted.to(view.own).expand_as(view.own), state


def _moments(rows: Tensor, ddof: int) -> tuple[Tensor, Tensor]:
    """Return the mean ``[d]`` and the standard deviation of each coordinate, in float64."""
    means, deviations = [], []
    for block in torch.split(rows, _COLUMNS, dim=1):
        exact = block.double()
        means.append(exact.mean(dim=0))
        squares = (exact - means[-1]).square().sum(dim=0)
        deviations.append((squares / max(1, len(rows) - ddof)).sqrt())
    return torch.cat(means), torch.cat(deviations)


def z_max(n: int, m: int) -> float:
    """Return the largest z such that enough of n clients, m of them malicious, lie farther out.

    Enough is what the malicious ones lack for a majority, and at least one.

    >>> round(z_max(n=50, m=24), 3)
    1.426
    >>> z_max(n=10, m=2)
    0.0
    """
    supporters = max(1, n // 2 + 1 - m)
    inside = 1 - supporters / max(1, n - m)
    return NormalDist().inv_cdf(inside) if inside > 0.5 else 0.0
