"""Clients that answer late.

Late updates count for less by the polynomial of Xie, Koyejo and Gupta, "Asynchronous Federated
Optimization", 2019, https://arxiv.org/abs/1903.03934, with the exponent 1/2.
"""

from math import exp, inf
from typing import Self

import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from fedrobust.core.mishap import Fate, Mishap, Outcome, State, Transit

__all__ = ["Straggler"]


class Straggler(Mishap):
    """Let replies take time, and lose or delay those that are later than a deadline.

    How long a reply takes is lognormal.  Some clients are slow all through the run.  Without a
    deadline the server waits for everybody, and only the seconds change.  With one, the model
    hardly ever sees the data of slow clients, which hurts where clients differ; `stale` lets them
    in again, at the price of updates that were made for an older model.

    With `stale` a client works on after the deadline, and misses the rounds meanwhile: each is
    taken to last as long as the deadline.  What it then sends stands in for the next reply that it
    is asked for, as its old update times (1 + age) ** -0.5 for an age in rounds.  A client that
    could only come later than that gives up and starts afresh.

    The seconds are simulated: nobody waits.  The reply of a client that is still at work is lost,
    but it has trained, and what it keeps between rounds has changed.

    Fields:
        median: how many seconds half of the replies of a typical client take at most.
        spread: by how much the replies of a client differ: the standard deviation of the logarithm
            of its seconds.
        variety: by how much clients differ, in the same measure: of their medians.
        slow_share: the share of slow clients; each is one of them, or not, for the run.
        slow_factor: how many times as long the replies of slow clients take.
        deadline: how many seconds the server waits; None for as long as it takes.
        stale: how many rounds late a reply may be and still count; 0 for none.
    """

    median: PositiveFloat = 1.0
    spread: float = Field(0.5, ge=0, le=10)
    variety: float = Field(0.0, ge=0, le=10)
    slow_share: float = Field(0.1, ge=0, le=1)
    slow_factor: float = Field(10.0, ge=1)
    deadline: PositiveFloat | None = None
    stale: NonNegativeInt = 0

    @model_validator(mode="after")
    def _is_ever_late(self) -> Self:
        if self.stale and self.deadline is None:
            raise ValueError(
                f"stale = {self.stale} needs a deadline for replies to be late; set deadline, such "
                f"as {2 * self.median:g}."
            )
        return self

    @property
    def patience(self) -> float:
        return inf if self.deadline is None else self.deadline

    def befall(self, transit: Transit, state: State) -> Outcome:
        now, deadline = transit.round, self.patience
        late = {c: one for c, one in state.items() if now - one["round"] <= self.stale}
        fates, seconds = {}, {}
        for client, update in transit.updates.items():
            old = late.get(client)
            age = now - old["round"] if old else 0
            took = old["seconds"] - age * deadline if old else self._seconds(transit, client)
            if took <= deadline:
                seconds[client] = max(0.0, took)
                if old:
                    stale = late.pop(client)["update"] * (1 + age) ** -0.5
                    fates[client] = Fate(f"the late reply of round {old['round']}", 1, stale)
            elif old:
                fates[client] = Fate(f"still at work for round {old['round']}")
            else:
                fates[client] = Fate(f"{took:.3g} s, later than the deadline of {deadline:g} s")
                if took <= (1 + self.stale) * deadline:
                    late[client] = {"round": now, "seconds": took, "update": update.clone()}
        return Outcome(fates, late, seconds)

    def _seconds(self, transit: Transit, client: int) -> float:
        """Return how long the reply of a client takes in this round."""
        lasting, passing = transit.generator(client, 0), transit.generator(client)
        slow = torch.rand((), generator=lasting, dtype=torch.float64).item() < self.slow_share
        usual, today = (
            torch.randn((), generator=g, dtype=torch.float64).item() for g in (lasting, passing)
        )
        factor = self.slow_factor if slow else 1.0
        return self.median * factor * exp(self.variety * usual + self.spread * today)
