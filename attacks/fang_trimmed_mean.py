"""The attack on the trimmed mean and the median.

Fang, Cao, Jia and Gong, "Local Model Poisoning Attacks to Byzantine-Robust Federated Learning",
USENIX Security 2020, https://arxiv.org/abs/1911.11815.
"""

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["FangTrimmedMean"]


class FangTrimmedMean(Attack):
    """Send numbers just outside the honest ones, in each coordinate on the side that does harm.

    Where honest clients increase a parameter, these go below the lowest of them, elsewhere above
    the highest.  `trimmed_mean` and `coordinate_median` then take the honest numbers of that side,
    or keep these.  The numbers are random and differ between clients, so that they do not look
    alike.  Rules that compare whole updates (`krum`) see them far away, and it fails where the
    honest numbers lie close together.

    An omniscient adversary draws between the extreme number and `stretch` times that, or, where
    this would lead back among the honest ones, that number divided by `stretch`.  Any other one
    does not know the extremes and draws 3 to 4 standard deviations from the mean, estimated from
    its clients' own updates; with one update to learn from, it sends that.

    Fields:
        stretch: how much farther to go at most (b in the paper).
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    stretch: float = Field(2.0, ge=1, le=1e6)

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.COLLUDING

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        benign = view.benign
        mean = benign.mean(dim=0, dtype=torch.float64)
        if benign is view.own:
            squares = (benign - mean).square().sum(dim=0)
            spread = (squares / max(1, len(benign) - 1)).sqrt()
            near, far = _outwards(mean, 3 * spread), _outwards(mean, 4 * spread)
        else:
            lowest, highest = benign.aminmax(dim=0)
            near = torch.where(mean < 0, highest, lowest).double()
            outwards = (near > 0) == (mean < 0)
            far = near * torch.where(outwards, self.stretch, 1 / self.stretch)
        shares = torch.rand(view.own.shape, generator=view.generator).to(near)
        return (near + shares * (far - near)).to(view.own), state


def _outwards(mean: Tensor, distance: Tensor) -> Tensor:
    """Return the numbers at a distance from the mean ``[d]``, on the side away from its sign."""
    return torch.where(mean < 0, mean + distance, mean - distance)
