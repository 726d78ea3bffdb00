"""The runs of a folder by what they differ in: as its study says, or as they themselves do."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from fedrobust.axes import Role, label, role, shown
from fedrobust.errors import ConfigError
from fedrobust.report.trials import Trial, Tuning
from fedrobust.results.rows import RunRow
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.study import Study
from fedrobust.tuning import Chosen, called, chosen

__all__ = ["Plan", "Planned", "planned"]

STUDY = "study.toml"  # what `fedrobust compare` leaves beside the results
_UNIMPORTANT = ("name", "seed", "engine")  # keys of scenarios by which runs are not told apart


@dataclass(frozen=True)
class Planned:
    """A run that there is or should be."""

    labels: dict[str, str]  # axis: what its value is called
    seed: int
    scenario: Scenario | None  # None where a rule is not defined
    why_not: str
    text: str  # its scenario as TOML, as short as it was written
    run: RunRow | None  # None if it has not finished


@dataclass(frozen=True)
class Plan:
    """All runs that there are or should be, and along which axes they differ."""

    name: str
    axes: dict[str, Role]  # key of a scenario: its role
    runs: list[Planned]
    tuned: dict[str, list[str]]  # what was chosen on validation data, by what for
    study: Study | None  # None if the folder has none
    tuning: list[Tuning] = field(default_factory=list)  # what that rests on
    edges: list[str] = field(default_factory=list)  # why values that were not tried may be better


def planned(folder: Path, store: Store) -> Plan:
    """Return what a folder's runs are.

    Args:
        folder: where results lie.
        store: its results.

    Raises:
        ConfigError: if there is nothing to report, or the study cannot be read.
    """
    if (folder / STUDY).is_file():
        return _of_study(Study.load(folder / STUDY), store)
    runs = {row.scenario_hash: row for row in store.runs() if row.status == "finished"}
    if not runs:
        raise ConfigError(
            f"A report needs a run that has finished, and {folder} has none; "
            "`fedrobust simulate` or `fedrobust compare` makes one."
        )
    return _of_runs(folder.name, list(runs.values()))


def _of_study(study: Study, store: Store) -> Plan:
    cells = study.cells()
    choice = chosen(study, cells, store)
    runs = []
    for cell in filter(choice.keeps, cells):
        row = None if cell.scenario is None else store.latest(cell.scenario.digest(), "finished")
        labels = {shown(axis): name for axis, name in cell.labels.items() if axis not in study.tune}
        text = "" if cell.scenario is None else _written(cell.scenario.table())
        runs.append(Planned(labels, cell.seed, cell.scenario, cell.why_not, text, row))
    axes = {shown(axis): role(axis) for axis in study.axes if axis not in study.tune}
    if not study.tune:
        return Plan(study.name, axes, runs, {}, study)
    edges = list(choice.edges(study.axes))
    return Plan(study.name, axes, runs, choice.told(), study, _tuning(choice), edges)


def _tuning(choice: Chosen) -> list[Tuning]:
    return [
        Tuning(
            called(combination),
            dict(combination),
            [
                Trial(dict(values), worst, values == choice.values[combination])
                for values, worst in scores.items()
            ],
        )
        for combination, scores in choice.scores.items()
    ]


def _of_runs(name: str, rows: Sequence[RunRow]) -> Plan:
    """Return runs that no study made, told apart by the keys in which their scenarios differ."""
    tables = [dict(row.scenario) for row in rows]
    keys = sorted({key for table in tables for key in table} - set(_UNIMPORTANT))
    axes = [k for k in keys if len({json.dumps(t.get(k), sort_keys=True) for t in tables}) > 1]
    called = {axis: _called([table.get(axis) for table in tables]) for axis in axes}
    runs = [
        Planned(
            {axis: called[axis][_text(table.get(axis))] for axis in axes},
            row.seed,
            Scenario.parse(table),
            "",
            _written(table),
            row,
        )
        for row, table in zip(rows, tables, strict=True)
    ]
    return Plan(name, {axis: role(axis) for axis in axes}, runs, {}, None)


def _written(table: Mapping[str, Any]) -> str:
    """Return a scenario as TOML, without what is as always."""
    usual = Scenario().table()
    return tomli_w.dumps({key: value for key, value in table.items() if value != usual.get(key)})


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _called(values: Sequence[Any]) -> dict[str, str]:
    """Return what each different value of an axis is called, by its JSON.

    Those of the same name are told apart by all in which they differ, such as "alie, share 0.3".
    """
    different = {_text(value): value for value in values}
    names = {text: "nothing" if v is None else label(v) for text, v in different.items()}
    leaves = {text: dict(_leaves(value)) for text, value in different.items()}
    found = {}
    for text, name in names.items():
        alike = [leaves[other] for other, known in names.items() if known == name]
        keys = [key for key in leaves[text] if len({str(one.get(key)) for one in alike}) > 1]
        told = (f"{key.rsplit('.', 1)[-1]} {leaves[text][key]}" for key in keys)
        found[text] = ", ".join([name, *told])
    return found


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what nested tables and lists hold, by dotted keys."""
    if isinstance(value, dict | list):
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in entries:
            yield from _leaves(item, f"{path}.{key}")
    else:
        yield path, value
