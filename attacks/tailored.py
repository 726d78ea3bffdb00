"""AGR-tailored: the strongest shift that the server's rule lets through.

Shejwalkar and Houmansadr, "Manipulating the Byzantine: Optimizing Model Poisoning Attacks and
Defenses for Federated Learning", NDSS 2021, https://doi.org/10.14722/ndss.2021.24498.
"""

from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fedrobust.attacks.adaptive import Adaptive
from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Tailored"]


class Tailored(Attack):
    """Send one update, as far from the benign mean as moves the server's result most.

    Made for the rule of the server, whatever it is: it also hurts those that find other attacks
    (`dnc`, `smea`, `caf`), where `min_max`, which knows no rule, goes too far.  `signguard`
    withstands it, because an update against the mean has the wrong signs.

    The paper halves its steps, and has two searches: for the longest shift that a rule still
    selects, or for the one that moves its result farthest.  Here both are the second, done by
    `adaptive`: what is not selected does not move the result.  An adversary that sees one update,
    or equal ones, sends their mean.

    Fields:
        direction: where to: "unit" goes against the benign mean, "sign" against its signs, and
            "std" takes some of its standard deviation from each coordinate.
        shift: how far, where 1 is the root mean square distance of benign updates from their mean;
            None to search for it in every round.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.RULE

    direction: Literal["unit", "sign", "std"] = "unit"
    shift: PositiveFloat | None = None

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.RULE if self.shift is None else Knowledge.OWN

    def init(self, params: Tensor) -> State:
        return self._search.init(params) if self.shift is None else ()

    def discards(self, knowledge: Knowledge) -> bool:
        return knowledge.sees_all

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        if self.shift is None:
            return self._search.craft(view, state)
        mean = view.benign.mean(dim=0, dtype=torch.float64)
        centered = view.benign - mean
        towards = {"unit": mean, "sign": mean.sign(), "std": centered.norm(dim=0)}
        p = towards[self.direction]  # of any length
        length = self.shift * centered.norm() / len(centered) ** 0.5
        sent = mean - length * p / p.norm() if p.any() else mean
        return sent.to(view.own).expand_as(view.own), state

    @property
    def _search(self) -> Adaptive:
        return Adaptive(attack=self.model_copy(update={"shift": 1.0}))
