"""Split directions: colluders share out what they would all have sent.

Our own construction against rules that look for clients who push the same way, such as that of
Fung, Yoon and Beschastnikh, "The Limitations of Federated Learning in Sybil Settings", RAID 2020,
https://arxiv.org/abs/1808.04866.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from fedrobust.core.adversary import Attack, Knowledge, View
from fedrobust.core.aggregator import State

__all__ = ["Split"]


class Split(Attack):
    """Deal the parameters out to the colluders; each sends the sum of all in its own, else zero.

    A disguise: write it after an attack whose clients push the same way.  Their updates add up to
    what they would have added up to, so that averages are the same, but stand at right angles to
    each other: `foolsgold`, which gives copies nothing, takes each for a client like no other and
    gives it more than an honest one.  Where the parameters are dealt out anew in each round, sums
    over rounds become alike again and `foolsgold` recovers, if there is still a model to save;
    dealt out once, they stay apart for good.

    Each update is about sqrt(m) times as long for m colluders, and zero almost everywhere.  Rules
    that tell by distance or length see that: multi-Krum, which copies of `ipm` deceive, leaves them
    out, and `norm_clipping` and `centered_clipping` take away part.  Where the middle of each
    parameter counts (`coordinate_median`), colluders act as zeros.

    The paper's sybils only add noise (`jitter`).  One colluder alone sends what it would.

    Fields:
        deal: when to deal out: "each_round", or "once", which is again when the number of colluders
            who take part changes, because shares go by their order.
    """

    composes: ClassVar[bool] = True
    default_knowledge: ClassVar[Knowledge] = Knowledge.COLLUDING

    deal: Literal["each_round", "once"] = "each_round"

    def init(self, params: Tensor) -> State:
        return {}

    @property
    def least_knowledge(self) -> Knowledge:
        return Knowledge.COLLUDING

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        m, d = view.own.shape
        if state.get("among") != m:
            state = {"among": m, "owner": torch.randperm(d, generator=view.generator) % m}
        mine = torch.arange(m)[:, None] == state["owner"]  # [m, d]
        total = view.own.sum(dim=0, dtype=torch.float64).to(view.own).nan_to_num()
        sent = torch.where(mine.to(view.own.device), total, 0.0)
        return sent, state if self.deal == "once" else {}
