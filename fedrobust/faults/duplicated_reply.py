"""Replies that arrive twice.

A network delivers them so when it repeats what it thinks was lost; that needs no citation.
"""

from pydantic import Field

from fedrobust.core.mishap import Fate, Mishap, Outcome, State, Transit

__all__ = ["DuplicatedReply"]


class DuplicatedReply(Mishap):
    """Deliver a client's reply a second time.

    Our strategies count the first reply of a client and say in the ledger that there were two, so
    nothing changes.  A server that counts messages rather than clients would let the client weigh
    twice as much: run one of Flower's own strategies to see it.

    Fields:
        probability: how likely it is that a reply comes twice.
        share: the share of clients it can happen to; each is one of them, or not, for the run.
    """

    probability: float = Field(0.05, ge=0, le=1)
    share: float = Field(1.0, gt=0, le=1)

    def befall(self, transit: Transit, state: State) -> Outcome:
        return Outcome(
            {
                client: Fate("arrived twice", copies=2)
                for client in transit.updates
                if transit.happens(client, self.share, round=0)
                and transit.happens(client, self.probability)
            }
        )
