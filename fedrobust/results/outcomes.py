"""What the rows of a run add up to: figures for its summary, each a query."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from fedrobust.results.store import Store

__all__ = [
    "LAST",
    "Goal",
    "Minority",
    "average",
    "client_accuracies",
    "corrupted",
    "deviations",
    "final_since",
    "goals",
    "half_life",
    "minority",
]

LAST = 5  # evaluations, at most, that the final figures are averaged over
_TAIL = 0.1  # the share of the rounds, at the end, that they must lie in
_OWNS = 0.5  # of a class: clients that hold more of it between them are its owners


@dataclass(frozen=True)
class Goal:
    """How far an adversary with a goal got."""

    attack: str
    success: float  # share of test inputs on which the model does what it wants, at the end
    half_life: int | None = None  # rounds after its last in which success had halved; None: never
    clean: float | None = None  # success against a model that nobody attacked, where one is known
    validation_success: float | None = None  # share of validation inputs, where there are some


@dataclass(frozen=True)
class Minority:
    """A class that honest clients who were wrongly excluded hold most of."""

    label: int
    share: float  # of its training examples


def final_since(rounds: int) -> float:
    """Return the round after which evaluations count as final, of so many rounds."""
    return (1 - _TAIL) * rounds


def goals(store: Store, run: str, since: float) -> dict[int, Goal]:
    """Return how far each adversary got on average in its last evaluations, by its place.

    Args:
        store: where the run is.
        run: its id.
        since: the round after which evaluations count, but for the last one.
    """
    rows = store.connection.execute(
        "SELECT adversary, attack, round, success, validation_success FROM goals WHERE run = ? "
        "AND success IS NOT NULL ORDER BY round DESC",
        (run,),
    ).fetchall()
    found: dict[int, tuple[str, list[tuple[float, float | None]]]] = {}
    for place, attack, round, *rates in rows:
        _, last = found.setdefault(place, (attack, []))
        if not last or (round > since and len(last) < LAST):
            last.append((rates[0], rates[1]))
    return {
        place: Goal(
            attack,
            success=sum(success for success, _ in last) / len(last),
            validation_success=average([rate for _, rate in last]),
        )
        for place, (attack, last) in sorted(found.items())
    }


def average(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def half_life(store: Store, run: str, adversary: int, end: int) -> int | None:
    """Return how many rounds after `end`, its last, an adversary's success had halved.

    It is as exact as evaluations are frequent; None if it had not, or was never above zero.
    """
    rows = store.connection.execute(
        "SELECT round, success FROM goals WHERE run = ? AND adversary = ? AND success IS NOT NULL "
        "ORDER BY round",
        (run, adversary),
    ).fetchall()
    reached = [success for round, success in rows if round <= end]
    if not reached or reached[-1] <= 0:
        return None
    halved = (round for round, success in rows if round > end and success <= reached[-1] / 2)
    first = next(halved, None)
    return None if first is None else first - end


def deviations(store: Store, run: str) -> tuple[float | None, float | None]:
    """Return the medians over rounds of the distance from the honest mean, and of kappa."""
    rows = store.connection.execute(
        "SELECT distance, kappa FROM rounds WHERE run = ? AND distance IS NOT NULL", (run,)
    ).fetchall()
    distances = [distance for distance, _ in rows]
    kappas = [kappa for _, kappa in rows if kappa is not None]
    return (median(distances) if distances else None, median(kappas) if kappas else None)


def client_accuracies(store: Store, run: str, since: float) -> dict[int, float]:
    """Return the final accuracy on each client's own mixture of classes.

    It is the accuracy within each class, on average over the evaluations after a round, but at
    least over the last one, weighted by how many examples of the class the client holds.
    """
    within = dict(
        store.connection.execute(
            "SELECT class, avg(accuracy) FROM classes WHERE run = ?1 AND accuracy IS NOT NULL AND "
            "(round > ?2 OR round = (SELECT max(round) FROM classes WHERE run = ?1)) "
            "GROUP BY class",
            (run, since),
        ).fetchall()
    )
    held: dict[int, list[tuple[float, int]]] = {}
    query = "SELECT client, class, examples FROM holdings WHERE run = ?"
    for client, label, examples in store.connection.execute(query, (run,)):
        if label in within:
            held.setdefault(client, []).append((within[label], examples))
    return {
        client: sum(rate * n for rate, n in own) / sum(n for _, n in own)
        for client, own in held.items()
    }


def corrupted(store: Store, run: str) -> dict[str, float]:
    """Return the final model's accuracy on test inputs by how they were corrupted."""
    query = "SELECT kind, accuracy FROM corruptions WHERE run = ? ORDER BY accuracy"
    return dict(store.connection.execute(query, (run,)).fetchall())


def minority(store: Store, run: str, clients: list[int]) -> Minority | None:
    """Return the class of which some clients hold the largest part, if that is most of it."""
    rows = store.connection.execute(
        "SELECT class, client, examples FROM holdings WHERE run = ?", (run,)
    ).fetchall()
    total: dict[int, int] = {}
    held: dict[int, int] = {}
    for label, client, examples in rows:
        total[label] = total.get(label, 0) + examples
        if client in clients:
            held[label] = held.get(label, 0) + examples
    label = max(held, key=lambda c: held[c] / total[c], default=None)
    if label is None or held[label] <= _OWNS * total[label]:
        return None
    return Minority(label, held[label] / total[label])
