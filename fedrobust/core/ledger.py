"""What happened to each client in each round."""

from dataclasses import dataclass, field

from fedrobust.core.admission import Fault

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


@dataclass
class RoundLedger:
    """One round, as the server saw it."""

    number: int
    entries: list[Entry] = field(default_factory=list)  # in the order of client ids
    applied: bool = True  # whether the model changed
    note: str = ""  # why not, where it did not
    seconds: dict[str, float] = field(default_factory=dict)  # phase: how long it took

    @property
    def admitted(self) -> int:
        """How many replies were fit to aggregate."""
        return sum(entry.fault is None for entry in self.entries)
