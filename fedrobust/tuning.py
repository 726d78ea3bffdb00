"""Hyperparameters chosen as a defender can: on validation data, before knowing the threat."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, NamedTuple

from fedrobust.axes import role, some
from fedrobust.results.store import Store
from fedrobust.study import Cell, Study

__all__ = ["Chosen", "Labels", "Score", "best", "called", "chosen", "score"]

Labels = tuple[tuple[str, str], ...]  # axis and label, in the order of the axes


class Score(NamedTuple):
    """How one run did on validation data."""

    labels: Mapping[str, str]  # axis: what its value is called
    seed: int
    value: float | None  # the higher the better; None where the run has not finished
    defined: bool = True  # False where the rule is beyond its bound, and nothing will ever run


def best(
    scores: Iterable[Score], tuned: Collection[str], threats: Collection[str]
) -> dict[Labels, Labels | None]:
    """Return the values with the best worst case: the mean over seeds of the lowest score.

    The lowest is taken over the threats of a seed, so one choice has to do for all of them.
    Values of which fewer runs have finished lose to those of which more have, for what is missing
    may be their worst case; of equal ones the first wins.

    Args:
        scores: of all runs, in the order of the study.
        tuned: axes to choose values of.
        threats: axes of what may go wrong.

    Returns:
        The labels along the tuned axes, by those along axes that are neither tuned nor threats;
        None where no run has finished.
    """
    choices: dict[Labels, Labels | None] = {}
    for combination, candidates in _tried(scores, tuned, threats).items():
        first = max(candidates, key=lambda values: _merit(candidates[values]))
        choices[combination] = first if _merit(candidates[first])[0] else None
    return choices


@dataclass(frozen=True)
class Chosen:
    """What a study chooses along its tuned axes."""

    tuned: tuple[str, ...]
    threats: tuple[str, ...]
    values: dict[Labels, Labels | None]  # by labels along the axes that are neither
    fallback: dict[Labels, Labels]  # what stands for a combination of which no run has finished
    # By combination and tuned values: the mean over seeds of the lowest score over threats; None
    # where a run has not finished.
    scores: dict[Labels, dict[Labels, float | None]]

    def keeps(self, cell: Cell) -> bool:
        """Return whether a cell has the values that were chosen, or the first where none were."""
        combination, values = _parts(cell.labels, self.tuned, self.threats)
        return values == (self.values[combination] or self.fallback[combination])

    def told(self) -> dict[str, list[str]]:
        """Return what was chosen, such as "training.lr = 0.1", by what it was chosen for."""
        return {
            called(combination): [f"{axis} = {name}" for axis, name in values]
            for combination, values in self.values.items()
            if values
        }

    def edges(self, axes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        """Yield which choices are the smallest or largest that were tried: others may be better.

        Args:
            axes: the values of each axis, by what they are called.
        """
        found: dict[str, list[str]] = {}
        for combination, values in self.values.items():
            scores = self.scores[combination]
            if values and None not in scores.values():
                for place, (axis, name) in enumerate(values):
                    tried = [axes[axis].get(own[place][1]) for own in scores]
                    if beyond := _beyond(axes[axis].get(name), tried):
                        what = f"{axis} = {name} is at the edge of its grid: try {beyond} too"
                        found.setdefault(what, []).append(called(combination))
        yield from (f"{what}. It was chosen for {some(where)}." for what, where in found.items())


def called(combination: Labels) -> str:
    """Return what a combination is called; with the ends of its axes, if labels alone may mislead.

    >>> called((("strategy", "krum"),)), called((("strategy", "krum"), ("partition.alpha", "1")))
    ('krum', 'strategy krum, alpha 1')
    """
    if len(combination) == 1 and not combination[0][1][:1].isdigit():
        return combination[0][1]
    return ", ".join(f"{axis.rsplit('.', 1)[-1]} {name}" for axis, name in combination) or "all"


def chosen(study: Study, cells: Sequence[Cell], store: Store) -> Chosen:
    """Return what a study chooses, by what a store holds about its cells."""
    threats = tuple(axis for axis in study.axes if role(axis, study.tune) == "threat")
    scores = [
        Score(cell.labels, cell.seed, score(store, cell), cell.scenario is not None)
        for cell in cells
    ]
    fallback: dict[Labels, Labels] = {}
    for cell in cells:
        fallback.setdefault(*_parts(cell.labels, study.tune, threats))
    worst = {
        combination: {values: _worst_case(own) for values, own in candidates.items()}
        for combination, candidates in _tried(scores, study.tune, threats).items()
    }
    return Chosen(study.tune, threats, best(scores, study.tune, threats), fallback, worst)


def score(store: Store, cell: Cell) -> float | None:
    """Return a run's score: the lower of its accuracy and of how far its adversaries failed.

    Both are of validation data: the accuracy, and one minus the highest success of a goal.  None
    if the run has not finished, or has no validation data.
    """
    run = None if cell.scenario is None else store.latest(cell.scenario.digest(), "finished")
    if run is None or run.summary is None or run.summary["validation_accuracy"] is None:
        return None
    successes = [goal["validation_success"] for goal in run.summary["goals"]]
    reached = max((rate for rate in successes if rate is not None), default=0.0)
    return float(min(run.summary["validation_accuracy"], 1 - reached))


def _tried(
    scores: Iterable[Score], tuned: Collection[str], threats: Collection[str]
) -> dict[Labels, dict[Labels, list[Score]]]:
    """Return scores by combination and tuned values."""
    found: dict[Labels, dict[Labels, list[Score]]] = {}
    for one in scores:
        combination, values = _parts(one.labels, tuned, threats)
        found.setdefault(combination, {}).setdefault(values, []).append(one)
    return found


def _merit(scores: Sequence[Score]) -> tuple[int, float]:
    finished = [one for one in scores if one.value is not None]
    return len(finished), _lowest(finished)


def _worst_case(scores: Sequence[Score]) -> float | None:
    known = [one for one in scores if one.defined]
    return None if not known or any(one.value is None for one in known) else _lowest(known)


def _lowest(scores: Iterable[Score]) -> float:
    """Return the mean over seeds of the lowest score."""
    worst: dict[int, float] = {}
    for one in scores:
        if one.value is not None:
            worst[one.seed] = min(one.value, worst.get(one.seed, one.value))
    return mean(worst.values()) if worst else 0.0


def _beyond(value: Any, tried: Iterable[Any]) -> str:
    """Return which values beyond a grid's edge may be better; nothing if it is not at one."""
    grid = {other for other in tried if _is_number(other)}
    if not _is_number(value) or len(grid) < 2:
        return ""
    if value == min(grid):
        return "smaller values" if value > 0 else ""  # what is 0 is off
    return "larger values" if value == max(grid) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parts(
    labels: Mapping[str, str], tuned: Collection[str], threats: Collection[str]
) -> tuple[Labels, Labels]:
    """Return the labels along axes that are neither tuned nor threats, and along tuned ones."""
    others = ((axis, name) for axis, name in labels.items() if axis not in (*tuned, *threats))
    return tuple(others), tuple((axis, name) for axis, name in labels.items() if axis in tuned)
