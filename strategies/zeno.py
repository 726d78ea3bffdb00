"""Zeno.

Xie, Koyejo and Gupta, "Zeno: Distributed Stochastic Gradient Descent with Suspicion-based
Fault-tolerance", ICML 2019, https://arxiv.org/abs/1805.10032, Definition 2 and Algorithm 1.
"""

from typing import ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from fedrobust.core import pairwise, rows
from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, RoundInfo, State

__all__ = ["Zeno"]

_WORST = 1e300  # loss, of a model that has none


class Zeno(Bounded, Aggregator):
    """Average the n - f updates that lower the loss the most on a few examples of the server's own.

    All but one of the clients may be malicious, as long as f says how many: what an update does is
    measured, not how many agree with it.  Updates that are no worse on those examples pass, above
    all backdoors, and so do small steps the wrong way if f is too small; honest clients whose data
    the server's examples do not show are left out.

    An update's score is the loss of the server's model, less that of the model with the update
    added, less a penalty for its length.  The paper scores gradients, which it multiplies by a
    learning rate gamma; for updates its penalty is rho / gamma^2.  Unless you choose one it is
    small, so that it stops huge steps that happen to hit and hardly counts otherwise.  Of equal
    scores the first update wins.  Where the server's model has no finite loss, 0 is put in its
    place: it shifts all scores alike, and updates are ranked by the losses they lead to.

    Cost: n + 1 models' losses on the server's examples, and a copy of the updates.

    Fields:
        num_malicious: how many updates to leave out (b in the paper, at least as many as are
            malicious); None for as many malicious ones as the server expects.
        penalty: how much a unit of an update's squared length costs, in units of loss (rho).
        examples: on how many of the server's examples to compare, drawn afresh each round (n_r).
    """

    scores_trust: ClassVar[bool] = True

    penalty: NonNegativeFloat = 0.01
    examples: PositiveInt = 32

    @property
    def needs_root(self) -> bool:
        return True

    @property
    def bound(self) -> tuple[int, int]:
        return 1, 1

    def aggregate(self, updates: Tensor, state: State, info: RoundInfo) -> Aggregate:
        n, f = len(updates), self.malicious_among(len(updates), info)
        models = torch.cat([info.params[None], info.params + updates])
        losses = info.require_root(self).losses(models, self.examples)
        start, reached = losses[0].nan_to_num(nan=0.0, posinf=0.0), losses[1:]
        cost = reached.nan_to_num(nan=_WORST, posinf=_WORST)
        cost = cost + self.penalty * rows.norms(updates).square()
        kept = cost.argsort(stable=True)[: n - f]  # `start` may be so large that it hides the rest
        weights = pairwise.averaging(kept.tolist(), updates)
        return Aggregate(weights @ updates, state, weights, start - cost)
