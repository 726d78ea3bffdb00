"""What a report reads of single runs: curves, clients, exclusions, costs."""

from collections.abc import Sequence
from math import isnan
from statistics import mean, median
from typing import TYPE_CHECKING

from fedrobust.core.mishap import WAITING
from fedrobust.report.clients import Clients, Reputations, Roc, Timeline
from fedrobust.report.content import Band, Split
from fedrobust.results import outcomes
from fedrobust.results.collaboration import alone, own_accuracies
from fedrobust.results.reputations import removals
from fedrobust.results.roc import roc
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "clients",
    "curve",
    "detection",
    "phases",
    "reputations",
    "split",
    "timeline",
    "traffic",
]

MOST_CLIENTS = 60  # that a timeline shows
MOST_LINES = 24  # of reputations; more would hide each other


def curve(store: Store, runs: Sequence[str], column: str, points: int) -> Band | None:
    """Return a column of table `rounds` over the rounds in which all runs evaluated it.

    Args:
        store: where the runs are.
        runs: their ids.
        column: "accuracy" or "attack_success".
        points: how many rounds to return at most; they are spread evenly, with the last.
    """
    found = [
        dict(
            store.connection.execute(
                f"SELECT round, {column} FROM rounds WHERE run = ? AND {column} IS NOT NULL", (run,)
            ).fetchall()
        )
        for run in runs
    ]
    rounds = sorted(set.intersection(*map(set, found))) if found else []
    if not rounds:
        return None
    step = -(-len(rounds) // points)
    rounds = rounds[::-1][::step][::-1]
    values = [[one[round] for one in found] for round in rounds]
    return Band(
        rounds, [mean(v) for v in values], [min(v) for v in values], [max(v) for v in values]
    )


def clients(store: Store, run: str, scenario: Scenario, rows: "DataFrame", most: int) -> Clients:
    """Return what each client of a run gave and got.

    Of too many clients some are returned, as many of each role as their share of all.

    Args:
        store: where the run is, and the one in which each client learned alone, if there is one.
        run: its id.
        scenario: what was run.
        rows: as `judged` returns them.
        most: how many clients to return.
    """
    since = outcomes.final_since(scenario.rounds)
    examples = dict(
        store.connection.execute(
            "SELECT client, sum(examples) FROM holdings WHERE run = ? GROUP BY client", (run,)
        ).fetchall()
    )
    accuracy = outcomes.client_accuracies(store, run, since)
    own = own_accuracies(store, run, since)
    single = alone(store, scenario) if own else None
    before = {} if single is None else own_accuracies(store, single, since)
    removed = removals(store, run, scenario.rule.rule)
    weight = rows.groupby("client").weight.sum(min_count=1)
    total = weight.sum()
    excluded = rows.assign(out=rows.excluded.astype(float)).groupby("client").out.mean()
    role = _roles(rows)
    everyone = sorted(set(examples) | set(role), key=lambda c: (role.get(c, "honest"), c))
    order = sorted(everyone[:: -(-len(everyone) // most)])
    return Clients(
        client=order,
        role=[role.get(c, "honest") for c in order],
        examples=[examples.get(c, 0) for c in order],
        reward=[_share(weight.get(c), total) for c in order],
        excluded=[_share(excluded.get(c), 1.0) for c in order],
        accuracy=[accuracy.get(c) for c in order],
        own=[own.get(c) for c in order],
        alone=[before.get(c) for c in order],
        removed=[removed.get(c) for c in order],
    )


def timeline(rows: "DataFrame", rounds: int, bins: int) -> Timeline | None:
    """Return whom the rule left out when; None if it leaves nobody out by weight.

    Of many clients those are shown that are malicious, then those left out most.

    Args:
        rows: of a run, as `judged` returns them.
        rounds: how many it has.
        bins: into how many spans of rounds to put them, at most.
    """
    if not rows.excluded.any():
        return None
    width = -(-rounds // bins)
    starts = list(range(1, rounds + 1, width))
    out = rows.assign(out=rows.excluded.astype(float), bin=(rows["round"] - 1) // width)
    share = out.groupby(["client", "bin"]).out.mean()
    role, mostly = _roles(rows), out.groupby("client").out.mean().fillna(0)
    order = sorted(role, key=lambda c: (role[c] == "honest", -mostly[c], c))[:MOST_CLIENTS]
    return Timeline(
        rounds=starts,
        client=order,
        role=[role[c] for c in order],
        excluded=["".join(_digit(share.get((c, b))) for b in range(len(starts))) for c in order],
    )


def reputations(rows: "DataFrame", rounds: int, points: int) -> Reputations | None:
    """Return how reputations and quotas went; None if nobody was ever judged.

    Of too many clients some are returned, as many of each kind as their share of all: malicious
    ones, those whose reputation ends at zero, and others by where it ends.

    Args:
        rows: of a run whose rule keeps reputations, as `judged` returns them.
        rounds: how many it has.
        points: how many rounds to return at most; they are spread evenly, with the last.
    """
    known = rows[rows.score.notna()].sort_values("round")
    if not len(known):
        return None
    ends = list(range(rounds, 0, -rounds // points))[::-1]
    role, final = _roles(rows), known.groupby("client").score.last()
    order = sorted(final.index, key=lambda c: (role[c] == "honest", final[c] > 0, -final[c], c))
    order = order[:: -(-len(order) // MOST_LINES)]

    def lines(column: str) -> list[list[float | None]]:
        table = known.pivot(index="round", columns="client", values=column).ffill()
        table = table.reindex(ends, method="ffill")
        return [[_rounded(value) for value in table[client]] for client in order]

    return Reputations(
        rounds=ends,
        client=[int(c) for c in order],
        role=[role[c] for c in order],
        reputation=lines("score"),
        quota=lines("quota"),
    )


def detection(rows: "DataFrame", points: int) -> Roc | None:
    """Return how suspicions set malicious updates apart; None if the rule judges nobody.

    Args:
        rows: of a run, as `judged` returns them.
        points: how many to return at most; they are spread evenly, with both ends.
    """
    found = roc(rows) if rows.suspicion.nunique() > 1 else None
    if found is None:
        return None
    last = len(found[0]) - 1
    kept = sorted({round(i * last / (points - 1)) for i in range(points)})
    return Roc(*([_rounded(float(line[i])) or 0.0 for i in kept] for line in found))


def split(store: Store, run: str, setting: int, seed: int) -> Split | None:
    """Return who holds how many examples of each class; None where nobody entered it."""
    rows = store.connection.execute(
        "SELECT client, class, examples FROM holdings WHERE run = ? ORDER BY client, class", (run,)
    ).fetchall()
    if not rows:
        return None
    held: dict[int, dict[int, int]] = {}
    for client, label, examples in rows:
        held.setdefault(client, {})[label] = examples
    classes = range(max(label for _, label, _ in rows) + 1)
    return Split(
        setting, seed, list(held), [[own.get(c, 0) for c in classes] for own in held.values()]
    )


def phases(store: Store, run: str) -> dict[str, float]:
    """Return the median over rounds of how many seconds each phase took, without the first round.

    The first one is for warming up, simulated waiting takes no time, and means would be those of
    whatever else the machine did.
    """
    query = (
        "SELECT phase, seconds FROM timings WHERE run = ?1 AND phase != ?2 AND "
        "(round > 1 OR (SELECT max(round) FROM rounds WHERE run = ?1) = 1) ORDER BY phase"
    )
    found: dict[str, list[float]] = {}
    for phase, seconds in store.connection.execute(query, (run, WAITING)):
        found.setdefault(phase, []).append(seconds)
    return {phase: median(values) for phase, values in found.items()}


def traffic(store: Store, run: str) -> dict[str, float]:
    """Return how many bytes the server sent and received in a round, on average, and both."""
    query = "SELECT avg(sent_bytes), avg(received_bytes) FROM rounds WHERE run = ?"
    sent, received = store.connection.execute(query, (run,)).fetchone()
    if sent is None:
        return {}
    return {"bytes": sent + received, "bytes_sent": sent, "bytes_received": received}


def _roles(rows: "DataFrame") -> dict[int, str]:
    """Return what each client was, most of all: an attack, if it ever was one."""
    found: dict[int, str] = {}
    for client, role in rows.groupby(["client", "role"]).size().index:
        if found.get(int(client), "honest") == "honest":
            found[int(client)] = str(role)
    return found


def _digit(share: float | None) -> str:
    return "." if share is None or isnan(share) else str(round(9 * share))


def _rounded(value: float) -> float | None:
    return None if isnan(value) else float(f"{value:.3g}")


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None or isnan(part) or not whole else float(part / whole)
