"""How the figures of a report came about, written from the scenarios themselves."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fedrobust.report.planned import Plan, Planned
from fedrobust.scenario import Scenario
from fedrobust.threat_models import threat_model

__all__ = ["method"]


def method(plan: Plan, seeds: int) -> list[tuple[str, str]]:
    """Return titles and texts from which a reader could run the study again.

    Args:
        plan: what was run.
        seeds: how many.
    """
    runs = [run for run in plan.runs if run.scenario is not None]
    scenarios = [run.scenario for run in runs if run.scenario is not None]
    finished = [run for run in runs if run.run is not None]
    parts = [
        ("Data", _each(_data(s) for s in scenarios)),
        ("Clients", _each(_clients(s) for s in scenarios)),
        ("Model and training", _each(_training(s) for s in scenarios)),
        ("Defenses", _by_label(plan, runs, "defense", _defense)),
        ("Expectations", _each(_expected(s) for s in scenarios)),
        ("Threats", _by_label(plan, runs, "threat", _threat)),
        ("Tuning", " ".join(_tuning(plan))),
        ("Seeds", f"{_numbers({run.seed for run in runs})}. {_SEEDS}"),
        ("Figures", _FIGURES),
        ("Statistics", _STATISTICS if seeds > 1 else _ONE_SEED),
        ("Versions", _versions(finished)),
        ("Again", _AGAIN),
    ]
    return [(title, text) for title, text in parts if text]


_SEEDS = (
    "A seed decides who holds what, who is malicious, how the model starts and every other random "
    "number, so that all defenses meet the same clients with the same seed."
)
_FIGURES = (
    "Accuracy is that of the server's model on the test data, averaged over the last evaluations "
    "(at most five, in the last tenth of the rounds). Attack success counts test inputs of other "
    "classes than the attacker's target; a model that guesses reaches one over the number of "
    "classes. The score is the lower of accuracy and 1 - attack success; the worst case is the "
    "lowest score over all attacks, seed by seed. Traffic is that of the arrays in messages."
)
_STATISTICS = (
    "± and intervals are 95 % t-intervals over seeds. In each sentence and column the best is "
    "compared with all others by Games and Howell's procedure at 5 %, and those that it cannot be "
    "told from are named as ties. Mean ranks over attacks are compared by Friedman's test and "
    "Nemenyi's critical difference at 5 %."
)
_ONE_SEED = "There is one seed, so nothing can be said about chance."
_AGAIN = (
    "The folder of the results holds every scenario as it was resolved, under the id of its run. "
    "`fedrobust verify FOLDER` runs one of them again and compares the hash of the model; "
    "`fedrobust compare` on the study runs them all."
)


def _data(scenario: Scenario) -> str:
    held = f", {scenario.validation:.0%} of the training examples held back for validation"
    root = f"; the server keeps {scenario.root_examples} examples" if scenario.root_examples else ""
    split = f"{_told(scenario.data)}, shared out by {_told(scenario.partition)}"
    return f"{split}{held if scenario.validation else ''}{root}."


def _clients(scenario: Scenario) -> str:
    sampled = "all of them" if scenario.sample == 1 else f"{scenario.sampled} of them"
    return f"{scenario.clients} clients, {sampled} in each of {scenario.rounds} rounds."


def _training(scenario: Scenario) -> str:
    table = scenario.training.model_dump(exclude_none=True)
    if scenario.training.lr_decay == 1:
        del table["lr_decay"]
    shown = ", ".join(f"{key} = {value}" for key, value in table.items())
    return f"{_told(scenario.model)}; in a round each client trains by SGD with {shown}."


def _defense(scenario: Scenario) -> str:
    steps = " then ".join(_told(part) for part in scenario.strategy) or "mean"
    return f"{steps} (every client counts the same)" if steps == "mean" else steps


def _expected(scenario: Scenario) -> str:
    there = sum(len(adversary.clients) for adversary in scenario.adversaries)
    how = "as many as there are" if scenario.declared == there else f"and there are {there}"
    return f"Where it asks, a rule is told to expect {scenario.declared} malicious clients, {how}."


def _threat(scenario: Scenario) -> str:
    told = []
    for spec, adversary in zip(scenario.adversary, scenario.adversaries, strict=True):
        attacks = " on ".join(_told(attack) for attack in spec.attack)
        models = "; ".join(threat_model(type(attack)) for attack in spec.attack)
        when = _fields(spec.active)
        told.append(
            f"{len(adversary.clients)} of {scenario.clients} clients: {attacks} ({models})"
            + (f", active: {when}" if when else "")
        )
    told += [f"fault: {_told(fault)}" for fault in scenario.fault]
    return "; ".join(told).replace("`", "") or "nobody attacks"


def _tuning(plan: Plan) -> Iterator[str]:
    if not plan.tuned:
        return
    held = sorted({run.scenario.validation for run in plan.runs if run.scenario is not None})
    shares = " or ".join(f"{100 * share:g} %" for share in held)
    yield (
        f"Chosen for each defense by its worst case over all threats, on {shares} of the training "
        "examples, which the server held back; figures are of test data, which had no say."
    )
    yield from (f"{where}: {', '.join(values)}." for where, values in plan.tuned.items())


def _versions(runs: Sequence[Planned]) -> str:
    known = [run.run for run in runs if run.run is not None]
    told = [", ".join(f"{name} {value}" for name, value in row.versions.items()) for row in known]
    where = [f"{row.machine.get('system')}, {row.machine.get('threads')} thread" for row in known]
    return _each(f"{a}; {b}." for a, b in zip(told, where, strict=True))


def _by_label(plan: Plan, runs: Sequence[Planned], role: str, describe: Any) -> str:
    """Return what each label of a role's axes stands for."""
    axes = [axis for axis, known in plan.axes.items() if known == role]
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        label = ", ".join(run.labels[axis] for axis in axes)
        found.setdefault(label, {})[describe(run.scenario)] = None
    lines = [
        f"{label}: {' or '.join(texts)}" if label and {label} != set(texts) else " or ".join(texts)
        for label, texts in found.items()
    ]
    return "; ".join(lines) + "."


def _told(part: Any) -> str:
    """Return a component with the fields that are not as usual."""
    shown = _fields(part)
    return f"{part.reference()} ({shown})" if shown else str(part.reference())


def _fields(part: Any) -> str:
    table = part.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    table.pop("name", None)
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in table.items())


def _each(texts: Iterable[str]) -> str:
    """Return all different texts, told apart from each other."""
    return " Or: ".join(dict.fromkeys(texts))


def _numbers(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(values)))
