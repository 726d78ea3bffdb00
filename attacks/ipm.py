"""Inner product manipulation.

Xie, Koyejo and Gupta, "Fall of Empires: Breaking Byzantine-tolerant SGD by Inner Product
Manipulation", UAI 2019, https://arxiv.org/abs/1903.03936.
"""

from typing import ClassVar

from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["IPM"]


class IPM(Attack):
    """Send the negative of the benign mean, scaled.

    With a small scale it hides among noisy updates, and rules that choose some (`krum`,
    `coordinate_median`) follow it; to turn the plain mean around, m malicious of n clients need a
    scale above (n - m) / m.  It fails once honest updates are longer than their noise.

    Fields:
        epsilon: the scale (epsilon in the paper).
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OMNISCIENT

    epsilon: PositiveFloat = 0.1

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        return (-self.epsilon * view.benign.mean(dim=0)).expand_as(view.own), state
