"""Whom a rule that keeps reputations removed, as a store holds it."""

from fedrobust.results.store import Store

__all__ = ["removals"]

# A reputation of zero may recover, as long as its client is not removed.
_REMOVED = """WITH kept AS (
    SELECT client, max(CASE WHEN score > 0 THEN round ELSE 0 END) AS last FROM clients
    WHERE run = ?1 AND score IS NOT NULL GROUP BY client)
  SELECT client, min(round) FROM clients JOIN kept USING (client)
  WHERE run = ?1 AND score = 0 AND round > last GROUP BY client ORDER BY client"""


def removals(store: Store, run: str) -> dict[int, int]:
    """Return in which round each client was removed: its reputation is zero from there on.

    Args:
        store: where the run is.
        run: its id; its rule is one that keeps reputations.
    """
    return dict(store.connection.execute(_REMOVED, (run,)).fetchall())
