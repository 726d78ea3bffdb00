"""A study: one scenario with axes along which it changes, and the grid of runs that makes."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from fedrobust.axes import is_joint, label, matches, role
from fedrobust.blame import blamed
from fedrobust.complaints import FieldErrors, explain
from fedrobust.errors import ConfigError, TooManyMalicious
from fedrobust.expectations import expecting
from fedrobust.overrides import assign, parsed
from fedrobust.scenario import Scenario
from fedrobust.study_checks import check

__all__ = ["Also", "Cell", "Study", "label", "role"]

SEED = "seed"
VALIDATION = "validation"
_VALIDATION_SHARE = 0.1  # for tuning, where the study names none
_NO_VALIDATION = "validation: tune needs some, not 0; remove it for 10 %, or set validation = 0.1."


@dataclass(frozen=True)
class Cell:
    """One run of a study."""

    labels: Mapping[str, str]  # axis: what its value is called
    seed: int
    scenario: Scenario | None  # None where there is none
    why_not: str = ""  # a rule beyond its bound, in words

    @property
    def name(self) -> str:
        """What progress and reports call it."""
        return ", ".join([*self.labels.values(), f"seed {self.seed}"])


class Also(BaseModel, frozen=True, extra="forbid"):
    """One combination beside the product of the axes.

    Fields:
        labels: what reports call it along each axis; a label that the axis has brings its value.
        scenario: what it changes on top, as keys of a scenario.
    """

    labels: dict[str, str]
    scenario: dict[str, Any] = {}


class Study(BaseModel, frozen=True, extra="forbid"):
    """A grid of scenarios to compare.

    Servers that nobody attacks expect as many malicious clients as the others (`expecting`).

    Fields:
        name: what reports call it.
        seeds: of the runs; every combination runs with each.
        scenario: what all runs have in common, as in a file of its own.
        axes: what differs: key of a scenario, such as "strategy" or "adversary.0.share", to a list
            of values, or to a table of values by what reports call them.  Values of "scenario", or
            "scenario." and a name, are tables of several keys that change together.
        tune: axes of hyperparameters: of their values, each other combination gets the one with the
            best worst case over threats on validation data, of which there are 10 % by default.
        exclude: combinations to leave out, each by some of its labels.
        also: combinations beside the product of the axes.
    """

    name: str = ""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1, examples=["seeds = [0, 1, 2]"])
    scenario: dict[str, Any] = {}
    axes: dict[str, dict[str, Any]] = Field(
        min_length=1, examples=['axes.strategy = ["mean", "krum"]']
    )
    tune: tuple[str, ...] = ()
    exclude: tuple[dict[str, str | tuple[str, ...]], ...] = ()
    also: tuple[Also, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _in_place(cls, table: Any) -> Any:
        """Refuse keys of a scenario that stand outside of it."""
        known = Scenario.model_fields.keys() - cls.model_fields.keys() - {SEED}
        if misplaced := [key for key in table if key in known]:
            lines = (f"{key}: is a key of a scenario; move it to [scenario]." for key in misplaced)
            raise FieldErrors("\n".join(lines))
        return table

    @field_validator("axes", mode="before")
    @classmethod
    def _labelled(cls, axes: Any) -> Any:
        """Let an axis of plain values be a list."""
        if not isinstance(axes, dict):
            return axes
        return {axis: _named(axis, values) for axis, values in axes.items()}

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if twice := sorted({seed for seed in seeds if seeds.count(seed) > 1}):
            raise ValueError(f"seeds differ, and {twice} come twice; remove one of each.")
        return seeds

    @model_validator(mode="after")
    def _checked(self) -> Self:
        check(self)
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a study from a TOML file.

        Raises:
            ConfigError: if it cannot be read, or describes no study.
        """
        try:
            return cls.parse(parsed(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"Cannot read the study {str(path)!r}: {error}.") from error
        except ConfigError as error:
            raise ConfigError(f"{path}:\n{error}") from error

    @classmethod
    def parse(cls, table: dict[str, Any]) -> Self:
        """Build a study from nested tables.

        Raises:
            ConfigError: with a line for each thing that is wrong, in any of its runs.
        """
        try:
            study = cls.model_validate(table)
        except ValidationError as error:
            raise ConfigError(explain(error, cls)) from error
        study.cells()
        return study

    def cells(self) -> list[Cell]:
        """Return all runs, the seeds of a combination together.

        Raises:
            ConfigError: with a line for each thing that is wrong, and where in the study it is.
        """
        cells: list[Cell] = []
        wrong: dict[str, list[dict[str, str]]] = {}  # what: where
        for labels, table in self.tables():
            try:
                cells.append(Cell(labels, table[SEED], self._scenario(table)))
            except ConfigError as error:
                if isinstance(error.__cause__, TooManyMalicious):
                    cells.append(Cell(labels, table[SEED], None, str(error.__cause__)))
                else:
                    for line in str(error).split("\n"):
                        wrong.setdefault(line, []).append(labels)
        if wrong:
            raise ConfigError("\n".join(blamed(wrong, self.axes, self._complaints)))
        return cells

    def _scenario(self, table: dict[str, Any]) -> Scenario:
        scenario = Scenario.parse(table)
        if self.tune and not scenario.validation:
            raise ConfigError(_NO_VALIDATION)
        return scenario

    def _complaints(self, labels: Mapping[str, str]) -> list[str]:
        """Return what is wrong with the scenario when only some axes change it."""
        try:
            self._scenario(self._table(labels))
        except ConfigError as error:
            return str(error).split("\n")
        return []

    def tables(self) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        """Yield the labels of each run, and its scenario in nested tables, in the order of cells.

        Raises:
            ConfigError: if a combination is added that there is already.
        """
        for labels, table in expecting(list(self._combinations())):
            for seed in self.seeds:
                yield labels, {**table, SEED: seed}

    def _combinations(self) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
        """Yield the labels of each combination, and its scenario in nested tables."""
        done: set[tuple[str, ...]] = set()
        for chosen in product(*self.axes.values()):
            labels = dict(zip(self.axes, chosen, strict=True))
            if not any(matches(labels, excluded) for excluded in self.exclude):
                done.add(tuple(labels.values()))
                yield labels, self._table(labels)
        for also in self.also:
            labels = {axis: also.labels[axis] for axis in self.axes}
            if tuple(labels.values()) in done:
                raise ConfigError(f"also: {labels} is among the combinations already; remove it.")
            done.add(tuple(labels.values()))
            table = self._table(labels)
            for key, value in also.scenario.items():
                assign(table, key, value)
            yield labels, table

    def _table(self, labels: Mapping[str, str]) -> dict[str, Any]:
        table = deepcopy(self.scenario)
        if self.tune:
            table.setdefault(VALIDATION, _VALIDATION_SHARE)
        for axis, name in labels.items():
            if name in self.axes[axis]:
                value = self.axes[axis][name]
                for key, changed in value.items() if is_joint(axis) else [(axis, value)]:
                    assign(table, key, changed)
        return table


def _named(axis: str, values: Any) -> dict[str, Any]:
    """Return the values of an axis by what they are called."""
    if axis == SEED:
        raise FieldErrors(f"{axis}: is no axis; a study has `seeds`, such as seeds = [0, 1, 2].")
    if isinstance(values, str | int | float):
        raise FieldErrors(f"{axis}: write it in brackets: [{values!r}].")
    if not values:
        raise FieldErrors(f"{axis}: needs a value.")
    if isinstance(values, dict):
        if is_joint(axis) and not all(isinstance(value, dict) for value in values.values()):
            raise FieldErrors(
                f'{axis}: its values are tables of what changes together, such as "many" = '
                '{ clients = 100, "partition.alpha" = 0.1 }.'
            )
        return values
    if is_joint(axis):
        raise FieldErrors(f"{axis}: give each value a name; write a table, not a list.")
    names = [label(value) for value in values]
    if twice := [name for name in names if names.count(name) > 1]:
        raise FieldErrors(
            f"{axis}: two values would be called {twice[0]!r}; write it as a table of values by "
            "names of your choice."
        )
    return dict(zip(names, values, strict=True))
