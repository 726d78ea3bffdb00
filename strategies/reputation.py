"""Robust and fair federated learning (RFFL).

Xu and Lyu, "A Reputation Mechanism Is All You Need: Collaborative Fairness and Adversarial
Robustness in Federated Learning", https://arxiv.org/abs/2011.10464, and the authors' code.
Altruism and dropped updates are from Xu, Lyu, Ma, Miao, Foo and Low, "Gradient Driven Rewards to
Guarantee Fairness in Collaborative Machine Learning", NeurIPS 2021, and its code.
"""

from math import tanh
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat
from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.aggregator import Aggregate, Aggregator, RoundInfo
from fedrobust.core.rewards import Own, moves
from fedrobust.core.standing import Standing, judged, shares_of, with_newcomers

__all__ = ["Reputation"]


class Reputation(Aggregator):
    """Weigh clients by how well their past updates agreed with the aggregate, and reward them so.

    A client's contribution is the cosine between its update and the aggregate; reputation is what
    it adds up to, with a fading memory, as a share of that of all.  After a warm-up whoever falls
    below a third of the average share is removed for good.  Each client keeps a model of its own:
    it moves by its own update and by as much of the aggregate as its reputation is worth, beside
    the highest: of each layer the coordinates that move most.  So those who contribute little get a
    model that is little better than their own, without a validation set.

    Against free-riders, whose updates agree with nobody's, unless clients are so few that one of
    them is much of the aggregate.  A majority that agrees with itself takes over, and honest
    clients who hold different classes, or few examples, whose cosines are as low as noise, may lose
    their reputation instead.  An attacker who agrees with the others most of the time keeps it.
    `max_norm` has to be below the usual length of honest updates: where they are shorter, those of
    free-riders, who send what is as long as allowed, are most of the aggregate, agree with it, and
    stay.

    Choices where paper and code differ or go wrong: an update longer than `max_norm` is cut to it
    (code), or every update made as long (`norms = "equal"`, the paper's text).  Reputations below
    zero, which would turn updates around, count zero, and if all are zero they are equal again.  A
    full quota is the whole aggregate.  Everyone begins with the same reputation (code: with none,
    so that the first cosines decide alone).  The threshold is that before any removal of the round.
    A client's own update is part of the aggregate too, and counts twice for it (code).  So models
    drift apart, and even a full quota falls behind the mean.  With `own = "dropped"` they stay
    together: where clients' data are alike everybody's is about as good as the mean's, and most
    often a little better the more its client contributes.  With sampling or drop-outs, clients of a
    round share anew what reputation they had between them, others keep theirs, and a newcomer
    begins with the average; the warm-up counts the rounds in which a client took part.  The
    server's own model moves by the whole aggregate; no client has to get it.

    Weights are how much of each update is in the aggregate; scores are reputations after the round.

    Cost: O(n d + d log d), and n models ``[d]``; with `own = "excluded"` O(n d log d).

    Fields:
        max_norm: the bound on the norm of each update (Gamma).
        norms: "capped" at the bound, or "equal" to it.
        memory: how much of a reputation the past makes (alpha).
        threshold: the share of the average reputation below which a client is removed (beta |R|).
        warm_up: rounds a client takes part in before it may be removed.
        first: whose updates count how much in the first round: all the same ("uniform"), or by how
            many examples clients claim ("examples", the paper).
        reward: whether quotas differ; if not, every reputable client gets the whole aggregate.
        altruism: the larger, the more even are quotas: they are tanh(altruism * reputation), and
            without it reputation, beside the highest (beta of the second paper).
        own: what becomes of a client's own update in its own model.  The reward is "added" to it;
            or so, without what is its own in the aggregate ("excluded"); or it is "dropped", so
            that the reward is all, and the model of who is removed stays as it is (second paper).
    """

    scores_trust: ClassVar[bool] = True
    keeps_reputations: ClassVar[bool] = True

    max_norm: PositiveFloat = 0.5
    norms: Literal["capped", "equal"] = "capped"
    memory: float = Field(0.95, ge=0, lt=1)
    threshold: float = Field(1 / 3, ge=0, lt=1)
    warm_up: NonNegativeInt = 10
    first: Literal["uniform", "examples"] = "uniform"
    reward: bool = True
    altruism: PositiveFloat | None = None
    own: Own = "added"

    @property
    def by_client(self) -> bool:
        return True

    @property
    def probation(self) -> int | None:
        return self.warm_up if self.threshold else None

    def init(self, params: Tensor) -> dict[int, Any]:
        return {}

    def aggregate(self, updates: Tensor, state: dict[int, Any], info: RoundInfo) -> Aggregate:
        clients = info.clients.tolist()
        known = with_newcomers({c: Standing(*kept) for c, kept in state.items()}, clients)
        factors = self._factors(updates)
        scaled = updates * factors[:, None]

        reputable = torch.tensor([known[c].removed == 0 for c in clients])
        held = torch.tensor([known[c].reputation for c in clients], dtype=torch.float64)
        shares = shares_of(held, reputable)
        if self.first == "examples" and not state:
            shares = shares_of(info.examples.double().cpu(), reputable)
        weights = shares.to(updates)
        update = weights @ scaled

        contribution = rows.cosines(scaled, update).double().cpu().nan_to_num(nan=0.0)
        after = shares_of(self.memory * shares + (1 - self.memory) * contribution, reputable)
        earned = (after * held.sum()).tolist()
        new = judged(known, clients, earned, info.number, self.threshold, self.warm_up)
        scores = torch.tensor([new[c].reputation for c in clients], dtype=torch.float64)
        quotas = self._quotas(scores, max(standing.reputation for standing in new.values()))
        layers = info.layers or (updates.shape[1],)
        return Aggregate(
            update,
            {client: tuple(standing) for client, standing in new.items()},
            weights * factors,
            scores.to(updates),
            info.starting_points + moves(scaled, update, weights, quotas, layers, self.own),
            quotas.to(updates),
        )

    def _factors(self, updates: Tensor) -> Tensor:
        """Return by how much to scale each update."""
        if self.norms == "capped":
            return rows.clip_factors(updates, self.max_norm).to(updates)
        lengths = rows.norms(updates)
        return torch.where(lengths > 0, self.max_norm / lengths, 0.0).to(updates)

    def _quotas(self, reputations: Tensor, highest: float) -> Tensor:
        """Return which share of the aggregate clients get, in float64."""
        if not self.reward:
            return reputations.sign()
        if self.altruism is None:
            return reputations / (highest or 1.0)
        return (self.altruism * reputations).tanh() / (tanh(self.altruism * highest) or 1.0)
