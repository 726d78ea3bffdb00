"""How well a rule told malicious clients from honest ones, as a store holds it."""

from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

from fedrobust.core.admission import Fault
from fedrobust.results.roc import auc
from fedrobust.results.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "RoleReport",
    "Tally",
    "exclusions",
    "judged",
    "overall",
    "per_round",
    "relative_weight",
    "report",
]

_HARMLESS = ", ".join(f"'{fault}'" for fault in Fault if not fault.hostile)

# A client is excluded from a round if its update counts for nothing there, or was malformed; who
# did not answer, or an error did, was not judged, and nobody is by a rule that gives no weights.
_JUDGED = f"""(SELECT round, client, weight, role != 'honest' AS hostile,
  coalesce(weight = 0, 1) AS out FROM clients
  WHERE run = ?1 AND (weight IS NOT NULL OR fault NOT IN ({_HARMLESS}))
  AND EXISTS (SELECT 1 FROM clients WHERE run = ?1 AND weight IS NOT NULL))"""


class Tally(NamedTuple):
    """Updates by what became of them: a positive is an update that was excluded."""

    caught: int  # malicious and excluded
    missed: int  # malicious and counted
    wronged: int  # honest and excluded
    spared: int  # honest and counted

    @property
    def precision(self) -> float | None:
        """Which share of the excluded updates were malicious; None if there were none."""
        return _ratio(self.caught, self.caught + self.wronged)

    @property
    def recall(self) -> float | None:
        """Which share of the malicious updates were excluded; None if there were none."""
        return _ratio(self.caught, self.caught + self.missed)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where neither is known."""
        return _ratio(2 * self.caught, 2 * self.caught + self.missed + self.wronged)

    @property
    def false_positive_rate(self) -> float | None:
        """Which share of the honest updates were excluded; None if there were none."""
        return _ratio(self.wronged, self.wronged + self.spared)


@dataclass(frozen=True)
class RoleReport:
    """What became of the clients that played one role: honest, or an attack."""

    role: str
    clients: int
    updates: int  # they sent in all rounds, lost ones included
    lost: int  # on the way, or instead of which came an error
    malformed: int  # dropped before the rule
    excluded: float | None  # which share of those judged; None where the rule gives no weights
    relative_weight: float | None  # of an update, where an honest one counts 1
    reward: float | None  # share of all weight that they received
    fair_share: float  # their share of all updates
    auc: float | None  # that the rule suspects one of them more than an honest client; 0.5: chance
    updates_to_detection: float | None  # judged until the median client is excluded; None: never


def per_round(store: Store, run: str) -> dict[int, Tally]:
    """Return the tally of each round; nothing for a rule that does not say what counted."""
    rows = store.connection.execute(
        "SELECT round, sum(hostile AND out), sum(hostile AND NOT out), sum(NOT hostile AND out), "
        f"sum(NOT hostile AND NOT out) FROM {_JUDGED} GROUP BY round ORDER BY round",
        (run,),
    ).fetchall()
    return {round: Tally(*counts) for round, *counts in rows}


def exclusions(store: Store, run: str, *, hostile: bool) -> dict[int, float]:
    """Return in which share of their judged rounds clients were excluded, by client.

    Args:
        store: where the run is.
        run: its id.
        hostile: whether to tell of rounds in which clients were malicious, or honest.
    """
    rows = store.connection.execute(
        f"SELECT client, avg(out) FROM {_JUDGED} WHERE hostile = ? GROUP BY client ORDER BY client",
        (run, hostile),
    ).fetchall()
    return dict(rows)


def relative_weight(store: Store, run: str) -> float | None:
    """Return the mean weight of a malicious update, where that of an honest one is 1."""
    hostile, honest = store.connection.execute(
        "SELECT avg(CASE WHEN hostile THEN weight END), avg(CASE WHEN NOT hostile THEN weight END) "
        f"FROM {_JUDGED}",
        (run,),
    ).fetchone()
    return hostile / honest if hostile is not None and honest else None


def overall(store: Store, run: str) -> Tally | None:
    """Return the tally of all rounds; None for a rule that does not say what counted."""
    tallies = per_round(store, run).values()
    return Tally(*map(sum, zip(*tallies, strict=True))) if tallies else None


def judged(store: Store, run: str, *, trust: bool) -> "DataFrame":
    """Return a row for each client and round, with how the rule judged it.

    Columns ``excluded`` (true, false, or missing where it was not judged) and ``suspicion``: the
    rank of the update among those of its round, from 0 for the least suspect to 1, by the rule's
    scores or, where it has none, by its weights; missing where it has neither.

    Args:
        store: where the run is.
        run: its id.
        trust: whether the rule's scores grow with trust rather than with suspicion.
    """
    import pandas as pd

    names = "round, client, role, fault, note, norm, cosine, weight, score, quota"
    query = f"SELECT {names} FROM clients WHERE run = ?"
    rows = pd.read_sql_query(query, store.connection, params=(run,))
    for known in ("weight", "score", "quota"):
        rows[known] = rows[known].astype(float)
    harmless = [str(fault) for fault in Fault if not fault.hostile]
    rows["lost"] = rows.fault.isin(harmless)
    rows["malformed"] = rows.fault.notna() & ~rows.lost
    out = (rows.weight == 0) | rows.malformed
    weighs = bool(rows.weight.notna().any())
    rows["excluded"] = out.where(rows.weight.notna() | (rows.malformed & weighs)).astype("boolean")
    value = -rows.weight if rows.score.isna().all() else (-rows.score if trust else rows.score)
    ranks = value.groupby(rows["round"]).rank()
    most = ranks.groupby(rows["round"]).transform("count")
    rows["suspicion"] = (ranks - 1) / (most - 1).where(most > 1)
    return rows


def report(rows: "DataFrame") -> list[RoleReport]:
    """Return what became of each role, honest clients first.

    Args:
        rows: of a run, as `judged` returns them.
    """
    fair = rows[rows.role == "honest"].weight.mean()
    total = rows.weight.sum()
    reports = []
    for role, own in sorted(rows.groupby("role"), key=lambda pair: (pair[0] != "honest", pair[0])):
        weighed = own.weight.notna().any()
        reports.append(
            RoleReport(
                role=str(role),
                clients=own.client.nunique(),
                updates=len(own),
                lost=int(own.lost.sum()),
                malformed=int(own.malformed.sum()),
                excluded=_known(own.excluded.astype(float).mean()),
                relative_weight=_known(own.weight.mean() / fair) if weighed and fair else None,
                reward=_known(own.weight.sum() / total) if total else None,
                fair_share=len(own) / len(rows),
                auc=None if role == "honest" else auc(rows, str(role)),
                updates_to_detection=_until_excluded(own),
            )
        )
    return reports


def _until_excluded(rows: "DataFrame") -> float | None:
    """Return after how many of its updates the median client is excluded for the first time."""
    known = rows[rows.excluded.notna()]
    if not len(known):
        return None
    firsts = []
    for _, own in known.sort_values("round").groupby("client"):
        out = own.excluded.to_numpy(dtype=bool)
        firsts.append(float(out.argmax() + 1) if out.any() else float("inf"))
    middle = sorted(firsts)[(len(firsts) - 1) // 2]
    return None if middle == float("inf") else middle


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _known(value: Any) -> float | None:
    return None if value is None or isnan(float(value)) else float(value)
