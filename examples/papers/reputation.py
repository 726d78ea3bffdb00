"""Studies of reputation (RFFL): what each run of them came to, and the tables of it."""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from examples.papers import grid
from fedrobust.axes import shown
from fedrobust.comparing import compare
from fedrobust.results.collaboration import collaboration, own_accuracies
from fedrobust.results.detection import judged
from fedrobust.results.outcomes import final_since
from fedrobust.results.roc import auc
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.study import Study

__all__ = ["STUDIES", "TABLES", "short", "study"]

HOME = Path(__file__).with_name("rffl")
RUNS = Path("runs") / "papers"  # where the runs of a study are kept, so that it can go on
STUDIES = {
    "rffl_fairness": "fairness.toml",
    "rffl_generous": "rewards.toml",
    "rffl_participants": "participants.toml",
    "rffl_schools": "schools.toml",
}
_FIGURES = ("fairness", "rank_fairness", "best", "mean", "worst", "alone", "jain", "gini")
_NEAR = 2.0  # points of accuracy
_MANY = 6  # runs whose removals are added up
Row = Mapping[str, Any]


def study(table: str, jobs: int = 1) -> list[dict[str, Any]]:
    """Return a row for each run of a study; those that are on record are not run again."""
    known = {row["digest"]: row for row in grid.read(table)}
    found = [(c, c.scenario) for c in Study.load(HOME / STUDIES[table]).cells() if c.scenario]
    missing = [(cell, scenario) for cell, scenario in found if scenario.digest() not in known]
    # Others are compared with what clients reach alone, which is not on record client by client.
    needed = [c for c, s in found if s.digest() not in known or (missing and s.is_standalone)]
    folder = RUNS / table.removeprefix("rffl_")
    compare(needed, folder, jobs)
    with Store(folder) as store:
        for cell, scenario in missing:
            known[scenario.digest()] = _row(store, cell.name, scenario)
    # Names may have changed since; what was run has not.
    labels = [{shown(axis): name for axis, name in c.labels.items()} for c, _ in found]
    return [
        {**own, "seed": cell.seed, **known[scenario.digest()], **own}
        for own, (cell, scenario) in zip(labels, found, strict=True)
    ]


def _row(store: Store, name: str, scenario: Scenario) -> dict[str, Any]:
    run = store.latest(scenario.digest(), status="finished")
    found = None if run is None else collaboration(store, run.id, scenario)
    if run is None or run.summary is None or found is None:
        raise SystemExit(f"{name} did not finish; run it again.")
    row: dict[str, Any] = {"accuracy": short(run.summary["accuracy"])}
    row |= {figure: short(getattr(found, figure)) for figure in _FIGURES}
    hostile = {client for adversary in scenario.adversaries for client in adversary.clients}
    own = own_accuracies(store, run.id, final_since(scenario.rounds))
    row["own"] = [short(rate) for client, rate in own.items() if client not in hostile]
    rows = judged(store, run.id, trust=scenario.rule.rule.scores_trust)
    areas = [auc(rows, role) for role in rows.role.unique() if role != "honest"]
    row["auc"] = short(next((area for area in areas if area is not None), None))
    if found.removals is not None:
        row["malicious"] = found.removals.malicious
        row["caught"] = sorted(found.removals.caught.values())
        row["wronged"] = {str(c): round for c, round in found.removals.wronged.items()}
    return row | {"digest": scenario.digest()}


def short(value: float | None) -> float | None:
    """Return a number with four digits, and None for one that is not defined."""
    return None if value is None or isnan(value) else round(value, 4)


def rewards() -> str:
    """Return the table of the three splits: nobody attacks, and two free-riders."""
    return _calm_and_riders("rffl_fairness", "partition", "split")


def generous() -> str:
    """Return the same of strict and generous rewards."""
    return _calm_and_riders("rffl_generous", "partition", "split")


def margins() -> str:
    """Return how far honest clients are below the best that FedAvg gives any, seed by seed.

    Free-riders are there, and are not there under FedAvg.
    """
    rows = _where(grid.read("rffl_generous"), partition="POW")
    calm = {row["seed"]: row for row in _where(rows, strategy="mean", adversary="nobody")}
    riders = _where(rows, adversary="free-riders")
    rules = [rule for rule in _labels(riders, "strategy") if rule != "mean"]
    lines = []
    for seed, reference in calm.items():
        line = [str(seed), f"{100 * reference['best']:.1f}"]
        for rule in rules:
            (own,) = (row for row in _where(riders, strategy=rule) if row["seed"] == seed)
            below = [100 * (reference["best"] - rate) for rate in own["own"]]
            near = sum(points <= _NEAR + 1e-9 for points in below)
            line.append(
                f"{near} of {len(below)}; {min(below):.1f}, {mean(below):.1f}, {max(below):.1f}"
            )
        lines.append(line)
    return _table(["seed", "best of FedAvg", *rules], lines)


def adversaries() -> str:
    """Return the table of all adversaries in the split by power law."""
    rows = _where(grid.read("rffl_fairness"), partition="POW")
    names = [name for name in _labels(rows, "adversary") if name != "nobody"]
    lines = []
    for rule in _labels(rows, "strategy")[1:]:
        cells = [_where(rows, strategy=rule, adversary=name) for name in names]
        lines.append([rule, *(f"{_percent(c, 'best')}{_caught(c)}" for c in cells)])
    return _table(["rule", *names], lines)


def participants() -> str:
    """Return the table of five and twenty participants, and of a majority of free-riders."""
    return _calm_and_riders("rffl_participants", "participants", "participants")


def schools() -> str:
    """Return the table of the schools."""
    rows = grid.read("rffl_schools")
    names = _labels(rows, "adversary")
    lines = []
    for rule in _labels(rows, "strategy"):
        own = _where(rows, strategy=rule)
        calm = _where(own, adversary="nobody")
        cells = [_where(own, adversary=name) for name in names]
        shares = [f"{_percent(c, 'mean')}{_caught(c)}" if c else "" for c in cells]
        lines.append([rule, _spread(calm, "fairness", 1), *shares, _removed(calm)[1]])
    return _table(["rule", "fairness", *names, "honest removed, nobody"], lines)


def shapley() -> str:
    """Return the table of contributions: Shapley values beside reputations and examples."""
    rows = grid.read("rffl_shapley")
    lines = []
    for split in _labels(rows, "split"):
        for kind in _labels(rows, "rewards"):
            own = _where(rows, split=split, rewards=kind)
            names = ("linear", "ranks", "by_examples")
            lines.append([f"`{split}`", kind, *(_spread(own, name, 100) for name in names)])
    head = ["split", "rewards", "values and reputations", "their ranks", "values and examples"]
    return _table(head, lines)


TABLES = {
    "rffl_rewards": rewards,
    "rffl_generous": generous,
    "rffl_margins": margins,
    "rffl_adversaries": adversaries,
    "rffl_participants": participants,
    "rffl_schools": schools,
    "rffl_shapley": shapley,
}
_FAIR = ("fairness", "best", "mean", "worst")


def _calm_and_riders(table: str, key: str, head: str) -> str:
    rows = grid.read(table)
    lines = []
    for label in _labels(rows, key):
        for rule in _labels(rows, "strategy"):
            own = _where(rows, **{key: label}, strategy=rule)
            calm, riders = (_where(own, adversary=a) for a in ("nobody", "free-riders"))
            removed = [_removed(calm)[1], *_removed(riders)]
            lines.append([label, rule, *_fair(calm), *_fair(riders), *removed])
    removed = ["honest removed", "riders removed", "honest removed, riders"]
    return _table([head, "rule", *_twice(_FAIR), *removed], lines)


def _twice(names: Iterable[str]) -> list[str]:
    return [f"{name}{suffix}" for suffix in ("", ", riders") for name in names]


def _fair(rows: Sequence[Row]) -> list[str]:
    shares = [_percent(rows, name) for name in _FAIR[1:]]
    return [_spread(rows, "fairness", 1), *shares] if rows else [""] * len(_FAIR)


def _removed(rows: Sequence[Row]) -> list[str]:
    """Return how many free-riders and how many honest clients were removed, and when."""
    judged_ = [row for row in rows if "caught" in row]
    if not judged_:
        return ["", ""]
    caught = [round for row in judged_ for round in row["caught"]]
    wronged = [len(row["wronged"]) for row in judged_]
    of = sum(row["malicious"] for row in judged_)
    each = ", ".join(map(str, wronged)) if len(wronged) < _MANY else f"{sum(wronged)} in all"
    return [f"{len(caught)} of {of}{_rounds(caught)}" if of else "", each]


def _caught(rows: Sequence[Row]) -> str:
    told, wronged = _removed(rows)
    return f" ({told}; honest {wronged})" if told else ""


def _rounds(rounds: Sequence[int]) -> str:
    if not rounds:
        return ""
    first, last = min(rounds), max(rounds)
    return f", round {first}" + (f" to {last}" if last > first else "")


def _percent(rows: Sequence[Row], name: str) -> str:
    return _spread(rows, name, 100)


def _spread(rows: Sequence[Row], name: str, scale: float) -> str:
    values = [scale * row[name] for row in rows if row.get(name) is not None]
    if not values:
        return "-"
    digits = 1 if scale == 100 else 0
    told = f"{mean(values):.{digits}f}"
    return f"{told} ± {stdev(values):.{digits}f}" if len(values) > 1 else told


def _labels(rows: Iterable[Row], key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def _where(rows: Iterable[Row], **labels: str) -> list[Row]:
    return [row for row in rows if all(row[key] == value for key, value in labels.items())]


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
