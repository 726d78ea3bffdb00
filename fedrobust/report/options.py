"""The defenses, threats and settings of a plan: what its axes say, role by role."""

from collections.abc import Sequence
from contextlib import suppress

from fedrobust.axes import Role
from fedrobust.core.aggregator import Mean
from fedrobust.core.behavior import Behavior
from fedrobust.report.content import Option
from fedrobust.report.planned import Plan, Planned
from fedrobust.scenario import Scenario
from fedrobust.threat_models import FREE_RIDERS, family

__all__ = ["means_harm", "options", "place"]


def options(plan: Plan, role: Role) -> list[Option]:
    """Return every combination of labels on the axes of a role, in the plan's order.

    Without such an axis there is one, named after what all runs have in common.
    """
    axes = [axis for axis, known in plan.axes.items() if known == role]
    found: dict[tuple[str, ...], list[Planned]] = {}
    for run in plan.runs:
        found.setdefault(tuple(run.labels[axis] for axis in axes), []).append(run)
    return [
        Option(
            ", ".join(map(_worded, axes, labels)) or _in_common(runs[0], role),
            dict(zip(axes, labels, strict=True)),
            _plain([run.scenario for run in runs if run.scenario is not None], role),
        )
        for labels, runs in found.items()
    ]


def place(known: Sequence[Option], run: Planned) -> int:
    """Return which option a run has."""
    for at, option in enumerate(known):
        if all(run.labels[axis] == label for axis, label in option.values.items()):
            return at
    raise LookupError(f"{run.labels} is none of {[option.label for option in known]}")


def _worded(axis: str, label: str) -> str:
    """Return a label that says what it is of: numbers do not."""
    with suppress(ValueError):
        float(label.rstrip("%"))
        return f"{axis.rsplit('.', 1)[-1]} {label}"
    return f"{axis.rsplit('.', 1)[-1]} {label}" if label in ("True", "False") else label


def _plain(scenarios: Sequence[Scenario], role: Role) -> bool:
    if role == "setting" or not scenarios:
        return False
    return all(map(is_undefended if role == "defense" else is_calm, scenarios))


def is_undefended(scenario: Scenario) -> bool:
    """Whether the server takes the mean of what clients send, and nothing else."""
    rule = scenario.rule
    behaves = any(isinstance(part, Behavior) for part in scenario.strategy)
    return type(rule.rule) is Mean and not (rule.before or rule.after or behaves)


def is_calm(scenario: Scenario) -> bool:
    """Whether nobody attacks, and nothing goes wrong by itself."""
    return (not scenario.adversary or scenario.is_control) and not scenario.fault


def means_harm(scenario: Scenario) -> bool:
    """Whether somebody attacks who wants a worse model, as free-riders do not."""
    attacks = [attack for spec in scenario.adversary for attack in spec.attack]
    return any(family(type(attack)) != FREE_RIDERS for attack in attacks)


def _in_common(run: Planned, role: Role) -> str:
    """Return what to call the only option of a role."""
    if run.scenario is None or role == "setting":
        return "all runs"
    if role == "defense":
        return " + ".join(part.reference() for part in run.scenario.strategy) or "mean"
    attacks = [attack.reference() for spec in run.scenario.adversary for attack in spec.attack]
    faults = [fault.reference() for fault in run.scenario.fault]
    return " + ".join([*attacks, *faults]) or "nobody"
