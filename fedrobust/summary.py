"""What a run came to, in numbers and in words."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from fedrobust.core.admission import Fault
from fedrobust.core.mishap import WAITING
from fedrobust.results import detection, outcomes, roc
from fedrobust.results.collaboration import Collaboration, collaboration
from fedrobust.results.detection import Tally
from fedrobust.results.outcomes import Goal, Minority, average
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario

__all__ = ["Summary", "summarise"]

_MOSTLY = 0.5  # a client is called excluded if it counted for nothing in more of its rounds


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Final figures are means over the last evaluations, five at most, in the last tenth of the
    rounds: under attack, single rounds jump.
    """

    accuracy: float | None
    averaged: int  # how many evaluations the final figures are means of
    validation_accuracy: float | None  # on what the server held back; None if that is nothing
    worst_class_accuracy: float | None
    worst_client_accuracy: float | None  # of an honest client, on its own mixture of classes
    corrupted_accuracy: dict[str, float]  # on corrupted test inputs, by how; the worst first
    attack_success: float | None  # the highest of all adversaries with a goal
    goals: list[Goal]  # how far each of them got
    chance: float | None  # success of a model that guesses
    clean_accuracy: float | None  # of the same run without attackers, where the folder has it
    rounds: int
    kept: int  # rounds that kept the old model
    kept_note: str  # why the last of them did
    dropped: dict[str, int]  # replies dropped, by what was wrong with them
    malicious: int  # how many clients adversaries control
    excluded_malicious: list[int]  # clients that mostly counted for nothing, and should
    excluded_honest: list[int]  # clients that mostly counted for nothing, and should not
    selective: bool  # whether the rule leaves out most honest clients too, by design
    relative_weight: float | None  # of a malicious client, where an honest one counts 1
    tally: Tally | None  # of updates that were excluded or not; None if the rule does not say
    auc: float | None  # how often it suspects a malicious client more than an honest one
    minority: Minority | None  # whose class the wrongly excluded honest clients hold
    distance: float | None  # of a step from the mean of the honest updates; median
    kappa: float | None  # its square over the variance of the honest updates; median
    seconds: float
    collaboration: Collaboration | None = None  # None unless clients have models of their own

    def table(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        table = asdict(self)
        if self.tally is not None:
            rates = ("precision", "recall", "f1", "false_positive_rate")
            told = {name: getattr(self.tally, name) for name in rates}
            table["tally"] = {**self.tally._asdict(), **told}
        return table

    def sentences(self) -> Iterator[str]:
        """Yield what happened, in words."""
        if self.accuracy is not None:
            worst = f" ({self.worst_class_accuracy:.1%} in the worst class)"
            over = f", on average over the last {self.averaged} evaluations"
            yield (
                f"The model classifies {self.accuracy:.1%} of the test data correctly{worst}"
                f"{over if self.averaged > 1 else ''}."
            )
        if self.validation_accuracy is not None:
            yield f"Of the validation data it classifies {self.validation_accuracy:.1%} correctly."
        if self.clean_accuracy is not None:
            yield f"Without attackers it classifies {self.clean_accuracy:.1%} correctly."
        if rates := self.corrupted_accuracy:
            worst, least = next(iter(rates.items()))
            yield (
                f"On corrupted test inputs it classifies {sum(rates.values()) / len(rates):.1%} "
                f"correctly, {least:.1%} under {worst}."
            )
        for goal in self.goals:
            yield self._success(goal)
        yield from self._judgements()
        if self.collaboration is not None:
            yield from self.collaboration.sentences()
        for fault, count in sorted(self.dropped.items()):
            yield f"{count} replies were dropped: {fault}."
        if self.kept:
            yield f"{self.kept} of {self.rounds} rounds kept the old model. {self.kept_note}"

    def _judgements(self) -> Iterator[str]:
        if self.malicious and self.relative_weight is not None:
            yield (
                f"A malicious client counted {self.relative_weight:.2f} times as much as an "
                "honest one."
            )
        if self.tally is not None and (self.malicious or self.excluded_honest):
            if self.selective:
                yield "The rule takes only a few updates a round, so most clients are left out."
            else:
                yield self._exclusion()
                if self.malicious and self.tally.precision is not None:
                    yield (
                        f"Of all updates left out {self.tally.precision:.0%} were malicious "
                        f"(precision), and {self.tally.recall or 0:.0%} of the malicious ones were "
                        "left out (recall)."
                    )

    def _exclusion(self) -> str:
        caught, wrong = self.excluded_malicious, self.excluded_honest
        if not caught and not wrong:
            return "No client was excluded from the aggregate in most of its rounds."
        of = f"{len(caught)} of {self.malicious} malicious clients"
        listed = f" (clients {_listed(wrong)})" if wrong else ""
        owners = ""
        if self.minority is not None:
            owners = (
                f" They hold {self.minority.share:.0%} of the examples of class "
                f"{self.minority.label}."
            )
        return (
            f"Excluded from the aggregate in most rounds: {of}, and {len(wrong)} honest "
            f"ones wrongly{listed}.{owners}"
        )

    def _success(self, goal: Goal) -> str:
        beside = [] if self.chance is None else [f"{self.chance:.1%} by chance"]
        if goal.clean is not None:
            beside.append(f"{goal.clean:.1%} without attackers")
        compared = f" ({', '.join(beside)})" if beside else ""
        halved = "" if goal.half_life is None else f" It halved {goal.half_life} rounds after."
        return (
            f"The goal of {goal.attack} is reached on {goal.success:.1%} of test inputs"
            f"{compared}.{halved}"
        )


def summarise(store: Store, run: str, scenario: Scenario) -> Summary:
    """Read what a store holds about a run, and say what it came to."""
    sql = store.connection
    since = outcomes.final_since(scenario.rounds)
    last = sql.execute(
        "SELECT accuracy, worst_class_accuracy, attack_success, validation_accuracy FROM rounds "
        "WHERE run = ? AND accuracy IS NOT NULL AND (round > ? OR round = ?) "
        "ORDER BY round DESC LIMIT ?",
        (run, since, scenario.rounds, outcomes.LAST),
    ).fetchall()
    rounds, kept = sql.execute(
        "SELECT count(*), coalesce(sum(NOT applied), 0) FROM rounds WHERE run = ?", (run,)
    ).fetchone()
    note = sql.execute(
        "SELECT note FROM rounds WHERE run = ? AND NOT applied ORDER BY round DESC", (run,)
    ).fetchone()
    dropped = sql.execute(
        "SELECT CASE WHEN fault = ? AND note LIKE '%(simulated)' THEN 'lost to a simulated fault' "
        "ELSE fault END AS reason, count(*) FROM clients WHERE run = ? AND fault IS NOT NULL "
        "GROUP BY reason",
        (str(Fault.ERROR), run),
    ).fetchall()
    (seconds,) = sql.execute(
        "SELECT coalesce(sum(seconds), 0) FROM timings WHERE run = ? AND phase != ?", (run, WAITING)
    ).fetchone()
    reached = outcomes.goals(store, run, since)
    clean = _clean(store, scenario, since)
    hostile = {client for adversary in scenario.adversaries for client in adversary.clients}
    accuracies = outcomes.client_accuracies(store, run, since)
    spared = [rate for client, rate in accuracies.items() if client not in hostile]
    distance, kappa = outcomes.deviations(store, run)
    (classes,) = sql.execute(
        "SELECT count(DISTINCT class) FROM classes WHERE run = ?", (run,)
    ).fetchone()
    honest = detection.exclusions(store, run, hostile=False)
    caught = detection.exclusions(store, run, hostile=True)
    wrong = [client for client, share in honest.items() if share > _MOSTLY]
    selective = 2 * len(wrong) > len(honest)
    return Summary(
        accuracy=average([row[0] for row in last]),
        averaged=len(last),
        validation_accuracy=average([row[3] for row in last]),
        worst_class_accuracy=average([row[1] for row in last]),
        corrupted_accuracy=outcomes.corrupted(store, run),
        worst_client_accuracy=min(spared, default=None),
        attack_success=average([row[2] for row in last]),
        goals=[
            replace(
                goal,
                half_life=_half_life(store, run, scenario, place),
                clean=clean.goals[place].success if clean and place in clean.goals else None,
            )
            for place, goal in reached.items()
        ],
        chance=1 / classes if classes else None,
        clean_accuracy=clean.accuracy if clean else None,
        rounds=rounds,
        kept=kept,
        kept_note=note[0] if note else "",
        dropped=dict(dropped),
        malicious=len(hostile),
        excluded_malicious=[client for client, share in caught.items() if share > _MOSTLY],
        excluded_honest=wrong,
        selective=selective,
        tally=detection.overall(store, run),
        auc=_auc(store, run, scenario) if hostile else None,
        minority=outcomes.minority(store, run, wrong) if wrong and not selective else None,
        distance=distance,
        kappa=kappa,
        relative_weight=detection.relative_weight(store, run),
        seconds=seconds,
        collaboration=collaboration(store, run, scenario),
    )


def _auc(store: Store, run: str, scenario: Scenario) -> float | None:
    """Return how often malicious clients are the more suspect; None if nobody is judged."""
    rows = detection.judged(store, run, trust=scenario.rule.rule.scores_trust)
    return roc.auc(rows) if rows.suspicion.nunique() > 1 else None


class _Clean(NamedTuple):
    accuracy: float | None
    goals: dict[int, Goal]


def _clean(store: Store, scenario: Scenario, since: float) -> _Clean | None:
    """Return what the same scenario came to while its adversaries slept, if it was run."""
    if not scenario.adversary or scenario.is_control:
        return None
    twin = store.latest(scenario.control().digest(), status="finished")
    if twin is None or twin.summary is None:
        return None
    return _Clean(twin.summary["accuracy"], outcomes.goals(store, twin.id, since))


def _half_life(store: Store, run: str, scenario: Scenario, place: int) -> int | None:
    end = scenario.adversary[place].active.last(scenario.rounds)
    return outcomes.half_life(store, run, place, end) if end else None


def _listed(clients: list[int]) -> str:
    shown = ", ".join(str(client) for client in clients[:10])
    return shown if len(clients) <= 10 else f"{shown} and {len(clients) - 10} more"
