"""What a federation was worth to each client that got a model of its own."""

from dataclasses import dataclass
from math import isnan

from fedrobust.core import fairness
from fedrobust.results.outcomes import LAST
from fedrobust.results.store import Store

__all__ = ["Collaboration", "collaboration", "own_accuracies"]


@dataclass(frozen=True)
class Collaboration:
    """What honest clients' own models came to at the end."""

    mean: float  # accuracy on the test data
    best: float
    worst: float
    alone: float | None = None  # mean accuracy of the same clients without a federation
    fairness: float | None = None  # in percent, collaborative; None where it is undefined
    rank_fairness: float | None = None  # the same of ranks (Spearman), from -1 to 1

    def sentence(self) -> str:
        """Return this in words."""
        said = (
            f"Honest clients' own models classify {self.mean:.1%} correctly on average, the best "
            f"{self.best:.1%} and the worst {self.worst:.1%}"
        )
        if self.alone is None:
            return f"{said}."
        fair = "undefined" if self.fairness is None else f"{self.fairness:.0f} of 100"
        return f"{said}; alone they reach {self.alone:.1%}. Collaborative fairness is {fair}."


def collaboration(
    store: Store, run: str, since: float, honest: set[int], alone: str | None
) -> Collaboration | None:
    """Return what clients' own models came to; None where they have none.

    Fairness is collaborative as in Xu and Lyu, https://arxiv.org/abs/2011.10464: the correlation
    over honest clients of what they reach alone and what the federation gave them.

    Args:
        store: where the run is.
        run: its id.
        since: the round after which evaluations count, but for a client's last one.
        honest: the clients that count.
        alone: the run in which each of them learned alone, if there is one.
    """
    final = {c: rate for c, rate in own_accuracies(store, run, since).items() if c in honest}
    if not final:
        return None
    rates = list(final.values())
    found = Collaboration(sum(rates) / len(rates), max(rates), min(rates))
    before = own_accuracies(store, alone, since) if alone is not None else {}
    known = [client for client in final if client in before]
    if not known:
        return found
    there, here = [before[c] for c in known], [final[c] for c in known]
    return Collaboration(
        found.mean,
        found.best,
        found.worst,
        sum(there) / len(there),
        _defined(100 * fairness.pearson(there, here)),
        _defined(fairness.spearman(there, here)),
    )


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
