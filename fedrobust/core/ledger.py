"""What happened to each client in each round."""

from dataclasses import dataclass, field

from torch import Tensor

from fedrobust.core import rows
from fedrobust.core.admission import Fault
from fedrobust.core.aggregator import Aggregate

__all__ = ["Entry", "RoundLedger"]


@dataclass
class Entry:
    """One client in one round, as the server saw it."""

    client: int
    node: int
    fault: Fault | None = None  # why its reply was dropped; None if it was admitted
    note: str | None = None  # what was odd about it, but put right
    norm: float | None = None  # of its update
    cosine: float | None = None  # between its update and the aggregate
    weight: float | None = None  # how much it counted in the aggregate, where the rule can say
    score: float | None = None  # the rule's own measure of suspicion or trust
    quota: float | None = None  # how much of the aggregate it gets, where clients are rewarded


@dataclass
class RoundLedger:
    """One round, as the server saw it."""

    number: int
    entries: list[Entry] = field(default_factory=list)  # in the order of client ids
    applied: bool = True  # whether the model changed
    note: str = ""  # why not, where it did not
    seconds: dict[str, float] = field(default_factory=dict)  # phase: how long it took
    sent_bytes: int = 0  # of the arrays in the messages to clients
    received_bytes: int = 0  # of the arrays in the replies that arrived, admitted or not
    updates: Tensor | None = None  # [n, d] of the admitted clients, while the round is at hand
    update: Tensor | None = None  # [d] of the model

    @property
    def admitted(self) -> int:
        """How many replies were fit to aggregate."""
        return sum(entry.fault is None for entry in self.entries)

    def trained(self, start: Tensor) -> dict[int, Tensor]:
        """Return the model ``[d]`` that each admitted client made of the one it was sent."""
        if self.updates is None:
            return {}
        clients = [entry.client for entry in self.entries if entry.fault is None]
        return {c: start + x for c, x in zip(clients, self.updates, strict=True)}

    def measure(self, updates: Tensor, out: Aggregate) -> None:
        """Enter what became of the admitted updates ``[n, d]``."""
        self.updates, self.update = updates, out.update
        nothing = [None] * len(updates)
        measured = zip(
            (entry for entry in self.entries if entry.fault is None),
            rows.norms(updates).tolist(),
            rows.cosines(updates, out.update).tolist(),
            nothing if out.weights is None else out.weights.tolist(),
            nothing if out.scores is None else out.scores.tolist(),
            nothing if out.quotas is None else out.quotas.tolist(),
            strict=True,
        )
        for entry, *values in measured:
            entry.norm, entry.cosine, entry.weight, entry.score, entry.quota = values
