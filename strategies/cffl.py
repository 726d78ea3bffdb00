"""Collaborative fair federated learning (CFFL).

Lyu, Xu, Wang and Yu, "Collaborative Fairness in Federated Learning", in Federated Learning,
Springer 2020, https://arxiv.org/abs/2008.12161, and the authors' code.
"""

from math import sinh
from typing import Any, ClassVar

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo
from fedrobust.core.rewards import largest
from fedrobust.core.standing import Standing, judged, shares_of, with_newcomers

__all__ = ["CFFL"]

_MOST = 300.0  # of what sinh is taken of; beyond 700 a double has no such number


class CFFL(Aggregator):
    """Weigh and reward clients by how good their models are on examples of the server's own.

    The forerunner of `reputation`.  A client's contribution is the accuracy of its own model,
    after its own training, as a share of that of all; it adds up with a fading memory, and a
    hyperbolic sine of that sets clients apart: their reputations.  Whoever falls below a share of
    the average is removed for good.  Each client keeps a model of its own, which moves by its own
    update and by as much of the others' as its reputation is worth, beside the highest: the
    coordinates that move most.

    It knows free-riders by models that know nothing, and clients who hold few classes for what they
    are worth on the server's examples; these have to be there, and to be like everybody's.  A model
    that is good is reputable, whoever made it.  So free-riders have to be found before they are
    given anything, after `pretraining` and not later: whoever got through sends next to nothing,
    keeps a good model, and stays.  Backdoors do not show.

    Choices: clients upload whole updates (theta = 1), and the accuracy judged is that of the model
    they have trained, as in the authors' code; updates are weighed by reputation (its
    "credit-sum").  What is taken off a reward is a client's own update by its weight, where the
    code takes off all of it; and how many examples a client claims plays no part, where the code
    multiplies quotas by it.  An update longer than `max_norm` is cut to it, as in `reputation`,
    where the authors cut every coordinate.  Everyone begins with the same reputation, and a
    newcomer with the average.  The threshold is that before any removal of the round.  While
    clients learn alone, the server's model stands still.  Sampling and drop-outs, weights, scores
    and quotas are those of `reputation`.

    Cost: O(n d log d), n models evaluated on the server's examples, and n models ``[d]``.

    Fields:
        max_norm: the bound on the norm of each update.
        punishment: how far the hyperbolic sine sets clients apart (alpha).
        memory: how much of a reputation the past makes; the authors' code has 0.2, the paper 0.5.
        threshold: the share of the average reputation below which a client is removed (c_th |R|).
        pretraining: rounds in which a client learns alone, before it is judged and rewarded.
    """

    scores_trust: ClassVar[bool] = True
    keeps_reputations: ClassVar[bool] = True

    max_norm: PositiveFloat = 0.5
    punishment: PositiveFloat = 5.0
    memory: float = Field(0.2, ge=0, lt=1)
    threshold: float = Field(1 / 3, ge=0, lt=1)
    pretraining: NonNegativeInt = 5

    @property
    def by_client(self) -> bool:
        return True

    @property
    def needs_root(self) -> bool:
        return True

    @property
    def probation(self) -> int | None:
        return self.pretraining if self.threshold else None

    def init(self, params: Tensor) -> dict[int, Any]:
        return {}

    def aggregate(self, updates: Tensor, state: dict[int, Any], info: RoundInfo) -> Aggregate:
        clients = info.clients.tolist()
        known = with_newcomers({c: Standing(*kept) for c, kept in state.items()}, clients)
        factors = rows.clip_factors(updates, self.max_norm).to(updates)
        scaled = updates * factors[:, None]
        trained = info.starting_points + scaled

        reputable = torch.tensor([known[c].removed == 0 for c in clients])
        held = torch.tensor([known[c].reputation for c in clients], dtype=torch.float64)
        contribution = shares_of(info.require_root(self).accuracies(trained).cpu(), reputable)
        credit = self.memory * shares_of(held, reputable) + (1 - self.memory) * contribution
        earned = (shares_of(self._set_apart(credit), reputable) * held.sum()).tolist()
        new = judged(known, clients, earned, info.number, self.threshold, self.pretraining)

        scores = torch.tensor([new[c].reputation for c in clients], dtype=torch.float64)
        ready = torch.tensor([new[c].rounds > self.pretraining for c in clients])
        weights = shares_of(scores * ready, ready & (scores > 0)).to(updates)
        update = weights @ scaled
        quotas = scores * ready / (max(standing.reputation for standing in new.values()) or 1.0)
        granted = largest(update.expand_as(scaled), quotas, (updates.shape[1],))
        return Aggregate(
            update,
            {client: tuple(standing) for client, standing in new.items()},
            weights * factors if ready.any() else None,
            scores.to(updates),
            trained + granted - weights[:, None] * scaled,
            quotas.to(updates),
        )

    def _set_apart(self, credit: Tensor) -> Tensor:
        sines = [sinh(min(self.punishment * c, _MOST)) for c in credit.tolist()]
        return torch.tensor(sines, dtype=torch.float64)
