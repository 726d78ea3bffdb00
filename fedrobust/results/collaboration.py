"""What a federation was worth to each client that got a model of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

from fedrobust.core import fairness
from fedrobust.results.outcomes import LAST, final_since
from fedrobust.results.reputations import Removals, final_quotas, removals
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario

__all__ = ["Collaboration", "alone", "collaboration", "own_accuracies"]


@dataclass(frozen=True)
class Collaboration:
    """What honest clients' own models came to at the end, and who was not let go on."""

    mean: float  # accuracy on the test data
    best: float
    worst: float
    alone: float | None = None  # mean accuracy of the same clients without a federation
    fairness: float | None = None  # in percent, collaborative; None where it is undefined
    rank_fairness: float | None = None  # the same of ranks (Spearman), from -1 to 1
    jain: float | None = None  # Jain's index of the accuracies: 1 if all are equal
    gini: float | None = None  # of the last quotas: 0 if all are equal; None where there are none
    removals: Removals | None = None  # None where the rule keeps no reputations

    def sentences(self) -> Iterator[str]:
        """Yield this in words."""
        said = (
            f"Honest clients' own models classify {self.mean:.1%} correctly on average, the best "
            f"{self.best:.1%} and the worst {self.worst:.1%}"
        )
        if self.alone is None:
            yield f"{said}."
        else:
            fair = "undefined" if self.fairness is None else f"{self.fairness:.0f} of 100"
            yield f"{said}; alone they reach {self.alone:.1%}. Collaborative fairness is {fair}."
        if self.jain is not None:
            quotas = (
                "" if self.gini is None else f", the Gini coefficient of quotas {self.gini:.3f}"
            )
            yield f"Jain's index of these accuracies is {self.jain:.3f}{quotas}."
        if self.removals is not None:
            yield self.removals.sentence()


def collaboration(store: Store, run: str, scenario: Scenario) -> Collaboration | None:
    """Return what clients' own models came to; None where they have none.

    Fairness is collaborative as in Xu and Lyu, https://arxiv.org/abs/2011.10464: the correlation
    over honest clients of what they reach alone and what the federation gave them.

    Args:
        store: where the run is, and the one in which each client learned alone, if there is one.
        run: its id.
        scenario: what was run.
    """
    since = final_since(scenario.rounds)
    hostile = {client for adversary in scenario.adversaries for client in adversary.clients}
    final = {c: rate for c, rate in own_accuracies(store, run, since).items() if c not in hostile}
    if not final:
        return None
    single = alone(store, scenario)
    before = {} if single is None else own_accuracies(store, single, since)
    known = [client for client in final if client in before]
    there, here = [before[c] for c in known], [final[c] for c in known]
    rates = list(final.values())
    quotas = [quota for c, quota in final_quotas(store, run).items() if c not in hostile]
    rule = scenario.rule.rule
    removed = removals(store, run, rule) if rule.keeps_reputations else None
    return Collaboration(
        mean=sum(rates) / len(rates),
        best=max(rates),
        worst=min(rates),
        alone=sum(there) / len(there) if known else None,
        fairness=_defined(100 * fairness.pearson(there, here)),
        rank_fairness=_defined(fairness.spearman(there, here)),
        jain=_defined(fairness.jain(rates)),
        gini=_defined(fairness.gini(quotas)),
        removals=None if removed is None else Removals.of(removed, hostile),
    )


def alone(store: Store, scenario: Scenario) -> str | None:
    """Return the run in which each client of a scenario learned alone, if the folder has it."""
    single = scenario.standalone()
    twins = (single.model_copy(update={"evaluate_clients": looked}) for looked in (False, True))
    found = (store.latest(twin.digest(), status="finished") for twin in twins)
    return next((row.id for row in found if row is not None), None)


def own_accuracies(store: Store, run: str, since: float) -> dict[int, float]:
    """Return the final accuracy of each client's own model, by client."""
    rows = store.connection.execute(
        "SELECT client, round, own_accuracy FROM clients "
        "WHERE run = ? AND own_accuracy IS NOT NULL ORDER BY client, round DESC",
        (run,),
    ).fetchall()
    found: dict[int, list[float]] = {}
    for client, round, accuracy in rows:
        rates = found.setdefault(client, [])
        if not rates or (round > since and len(rates) < LAST):
            rates.append(accuracy)
    return {client: sum(rates) / len(rates) for client, rates in found.items()}


def _defined(value: float) -> float | None:
    return None if isnan(value) else value
