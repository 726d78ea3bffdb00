"""Whom a rule that keeps reputations removed, and what clients were given, as a store holds it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from fedrobust.core.aggregator import Aggregator
from fedrobust.results.store import Store

__all__ = ["Removals", "final_quotas", "removals"]

# A reputation of zero may recover, as long as its client is not removed.
_REMOVED = """WITH judged AS (
    SELECT client, round, score, row_number() OVER (PARTITION BY client ORDER BY round) AS times,
      max(CASE WHEN score > 0 THEN round ELSE 0 END) OVER (PARTITION BY client) AS last
    FROM clients WHERE run = ?1 AND score IS NOT NULL)
  SELECT client, min(round) FROM judged
  WHERE score = 0 AND round > last AND times > ?2 GROUP BY client ORDER BY client"""

_LAST = """SELECT client, quota, max(round) FROM clients
  WHERE run = ? AND quota IS NOT NULL GROUP BY client ORDER BY client"""


@dataclass(frozen=True)
class Removals:
    """Whom a rule removed for good, and in which round."""

    malicious: int  # how many clients adversaries control
    caught: dict[int, int]  # malicious client: round
    wronged: dict[int, int]  # honest client: round

    @classmethod
    def of(cls, removed: Mapping[int, int], hostile: Collection[int]) -> Self:
        """Return removals by client, with malicious clients told apart."""
        return cls(
            len(hostile),
            {client: round for client, round in removed.items() if client in hostile},
            {client: round for client, round in removed.items() if client not in hostile},
        )

    def sentence(self) -> str:
        """Return this in words."""
        ids = ", ".join(map(str, self.wronged))
        which = f"client{'s' if len(self.wronged) > 1 else ''} {ids}"
        honest = f"{len(self.wronged)} honest ({which})" if ids else "no honest one"
        if not self.malicious:
            return f"Removed for good: {honest if ids else 'nobody'}."
        when = f", the last in round {max(self.caught.values())}" if self.caught else ""
        caught = f"{len(self.caught)} of {self.malicious} malicious clients"
        return f"Removed for good: {caught}{when}, and {honest}."


def removals(store: Store, run: str, rule: Aggregator) -> dict[int, int]:
    """Return in which round each client was removed: its reputation is zero from there on.

    Nothing for a rule that removes nobody.

    Args:
        store: where the run is.
        run: its id.
        rule: its rule.
    """
    if rule.probation is None:
        return {}
    return dict(store.connection.execute(_REMOVED, (run, rule.probation)).fetchall())


def final_quotas(store: Store, run: str) -> dict[int, float]:
    """Return how much of the aggregate each client got when it last took part, by client.

    Nothing for a rule that has no quotas.
    """
    rows = store.connection.execute(_LAST, (run,)).fetchall()
    return {client: quota for client, quota, _ in rows}
