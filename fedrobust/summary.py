"""What a run came to, in numbers and in words."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from fedrobust.results.store import Store
from fedrobust.scenario import Scenario

__all__ = ["Summary", "summarise"]

_LAST = 5  # evaluations, at most, that the final figures are averaged over
_TAIL = 0.1  # the share of the rounds, at the end, that they must lie in
_MOSTLY = 0.5  # a client is called excluded if it counted for nothing in more of its rounds


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Final figures are means over the last evaluations, five at most, in the last tenth of the
    rounds: under attack, single rounds jump.
    """

    accuracy: float | None
    averaged: int  # how many evaluations the final figures are means of
    worst_class_accuracy: float | None
    attack_success: float | None
    rounds: int
    kept: int  # rounds that kept the old model
    kept_note: str  # why the last of them did
    dropped: dict[str, int]  # replies dropped, by what was wrong with them
    malicious: int  # how many clients adversaries control
    excluded_malicious: list[int]  # clients that mostly counted for nothing, and should
    excluded_honest: list[int]  # clients that mostly counted for nothing, and should not
    selective: bool  # whether the rule leaves out most honest clients too, by design
    relative_weight: float | None  # of a malicious client, where an honest one counts 1
    seconds: float

    def table(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)

    def sentences(self) -> Iterator[str]:
        """Yield what happened, in words."""
        if self.accuracy is not None:
            worst = f" ({self.worst_class_accuracy:.1%} in the worst class)"
            over = f", on average over the last {self.averaged} evaluations"
            yield (
                f"The model classifies {self.accuracy:.1%} of the test data correctly{worst}"
                f"{over if self.averaged > 1 else ''}."
            )
        if self.attack_success is not None:
            yield f"The attackers' goal is reached on {self.attack_success:.1%} of test inputs."
        if self.malicious and self.relative_weight is not None:
            yield (
                f"A malicious client counted {self.relative_weight:.2f} times as much as an "
                "honest one."
            )
            if self.selective:
                yield "The rule takes only a few updates a round, so most clients are left out."
            else:
                yield self._exclusion()
        for fault, count in sorted(self.dropped.items()):
            yield f"{count} replies were dropped: {fault}."
        if self.kept:
            yield f"{self.kept} of {self.rounds} rounds kept the old model. {self.kept_note}"

    def _exclusion(self) -> str:
        caught, wrong = self.excluded_malicious, self.excluded_honest
        if not caught and not wrong:
            return "No client was excluded from the aggregate in most of its rounds."
        of = f"{len(caught)} of {self.malicious} malicious clients"
        listed = f" (clients {_listed(wrong)})" if wrong else ""
        return (
            f"Excluded from the aggregate in most rounds: {of}, and {len(wrong)} honest "
            f"ones wrongly{listed}."
        )


def summarise(store: Store, run: str, scenario: Scenario) -> Summary:
    """Read what a store holds about a run, and say what it came to."""
    sql = store.connection
    last = sql.execute(
        "SELECT accuracy, worst_class_accuracy, attack_success FROM rounds WHERE run = ? "
        "AND accuracy IS NOT NULL AND (round > ? OR round = ?) ORDER BY round DESC LIMIT ?",
        (run, (1 - _TAIL) * scenario.rounds, scenario.rounds, _LAST),
    ).fetchall()
    rounds, kept = sql.execute(
        "SELECT count(*), coalesce(sum(NOT applied), 0) FROM rounds WHERE run = ?", (run,)
    ).fetchone()
    note = sql.execute(
        "SELECT note FROM rounds WHERE run = ? AND NOT applied ORDER BY round DESC", (run,)
    ).fetchone()
    dropped = sql.execute(
        "SELECT fault, count(*) FROM clients WHERE run = ? AND fault IS NOT NULL GROUP BY fault",
        (run,),
    ).fetchall()
    weighed = sql.execute(
        "SELECT client, role, avg(weight), avg(weight = 0) FROM clients WHERE run = ? "
        "AND weight IS NOT NULL GROUP BY client, role ORDER BY client",
        (run,),
    ).fetchall()
    (seconds,) = sql.execute(
        "SELECT coalesce(sum(seconds), 0) FROM timings WHERE run = ?", (run,)
    ).fetchone()
    honest = [weight for _, role, weight, _ in weighed if role == "honest"]
    hostile = [weight for _, role, weight, _ in weighed if role != "honest"]
    fair = sum(honest) / len(honest) if honest else 0.0
    out = [(client, role) for client, role, _, nothing in weighed if nothing > _MOSTLY]
    return Summary(
        accuracy=_mean([row[0] for row in last]),
        averaged=len(last),
        worst_class_accuracy=_mean([row[1] for row in last]),
        attack_success=_mean([row[2] for row in last]),
        rounds=rounds,
        kept=kept,
        kept_note=note[0] if note else "",
        dropped=dict(dropped),
        malicious=sum(len(adversary.clients) for adversary in scenario.adversaries),
        excluded_malicious=[client for client, role in out if role != "honest"],
        excluded_honest=[client for client, role in out if role == "honest"],
        selective=2 * sum(role == "honest" for _, role in out) > len(honest),
        relative_weight=sum(hostile) / len(hostile) / fair if hostile and fair else None,
        seconds=seconds,
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _listed(clients: list[int]) -> str:
    shown = ", ".join(str(client) for client in clients[:10])
    return shown if len(clients) <= 10 else f"{shown} and {len(clients) - 10} more"
