"""Clients that drop out.

The memory of an outage is the two-state Markov chain of Gilbert, "Capacity of a Burst-Noise
Channel", Bell System Technical Journal 39(5), 1960,
https://doi.org/10.1002/j.1538-7305.1960.tb03959.x.
"""

import torch
from pydantic import Field

from fedrobust.core.mishap import Fate, Mishap, Outcome, State, Transit

__all__ = ["DropOut"]


class DropOut(Mishap):
    """Lose the replies of clients that are down: missing, never zeros.

    By itself it costs little: the mean of fewer updates is noisier, and rules that withstand f of
    n have to withstand f of fewer.  It hurts where each client is needed: with very different
    data, a rule with a pivot, or a round so small that a rule's bound fails and the model stays.

    With `recovery` outages last: a client that is up fails with the probability, one that is down
    recovers with `recovery`, and stays down for 1 / recovery rounds on average.  In the long run,
    and from the first round on, it is down in probability / (probability + recovery) of the
    rounds.  Rounds pass for clients that are not sampled, too.

    Only the reply is lost.  The client has trained, and what it keeps between rounds has changed.

    Fields:
        probability: how likely it is that a client is down in a round; with `recovery`, that one
            that is up fails.
        recovery: how likely it is that a client that is down recovers before the next round; None
            for rounds that have nothing to do with each other.
        share: the share of clients that can drop out; each is one of them, or not, for the run.
    """

    probability: float = Field(0.05, ge=0, le=1)
    recovery: float | None = Field(None, gt=0, le=1)
    share: float = Field(1.0, gt=0, le=1)

    def befall(self, transit: Transit, state: State) -> Outcome:
        down: dict[int, list[int]] = dict(state)  # client: the last round it was asked, whether
        fates = {}
        for client in transit.updates:
            if not transit.happens(client, self.share, round=0):
                continue
            if self.recovery is None:
                lost = transit.happens(client, self.probability)
            else:
                lost = self._is_down(transit, client, self.recovery, down.get(client))
                down[client] = [transit.round, int(lost)]
            if lost:
                fates[client] = Fate("dropped out")
        return Outcome(fates, down)

    def _is_down(
        self, transit: Transit, client: int, recovery: float, known: list[int] | None
    ) -> bool:
        """Return where the chain has come since it was last known, or since before round 1."""
        if known is None:
            drawn = torch.rand(2, generator=transit.generator(client, 0), dtype=torch.float64)
            long_run = self.probability / (self.probability + recovery)
            known = [0, int(drawn[1].item() < long_run)]  # the first number decides about the share
        last, down = known[0], bool(known[1])
        for round in range(last + 1, transit.round + 1):
            down = transit.happens(client, 1 - recovery if down else self.probability, round)
        return down
