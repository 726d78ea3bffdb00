"""Why a study may mean less than it seems."""

from collections.abc import Iterator, Sequence

from fedrobust.core.aggregator import Bounded
from fedrobust.scenario import Scenario
from fedrobust.study import Cell, Study

__all__ = ["ENOUGH", "doubts", "few_seeds"]

ENOUGH = 3  # seeds, with fewer of which nothing is said of chance


def few_seeds(seeds: int) -> Iterator[str]:
    """Yield what too few seeds mean, if they are too few."""
    if seeds < ENOUGH:
        yield (
            f"with {seeds} seed{'s' if seeds > 1 else ''} nobody can tell a difference from "
            "chance; three or more can: seeds = [0, 1, 2]."
        )


def doubts(study: Study, cells: Sequence[Cell]) -> Iterator[str]:
    """Yield why a study may mean less than it seems."""
    yield from few_seeds(len(study.seeds))
    unaware = {
        ", ".join(cell.labels.values())
        for cell in cells
        if cell.scenario and _expected(cell.scenario) < _malicious(cell.scenario)
    }
    if unaware:
        yield (
            "rules expect fewer malicious clients than there are in "
            f"{len(unaware)} combinations such as {min(unaware)}: leave num_malicious out for as "
            "many as there are."
        )
    outnumbered = {
        ", ".join(cell.labels.values())
        for cell in cells
        if cell.scenario and 2 * _malicious(cell.scenario) >= cell.scenario.clients
    }
    if outnumbered:
        yield f"half of the clients or more attack in {len(outnumbered)} combinations."
    for axis, values in study.axes.items():
        if _is_hyperparameter(axis) and len(values) > 1 and axis not in study.tune:
            yield (
                f"picking the best {axis} from this table would be tuning on test data; name it "
                f'in tune = ["{axis}"].'
            )


def _malicious(scenario: Scenario) -> int:
    return sum(len(adversary.clients) for adversary in scenario.adversaries)


def _expected(scenario: Scenario) -> int:
    """Return the fewest malicious clients that a part of the strategy reckons with."""
    own = [part.num_malicious for part in scenario.strategy if isinstance(part, Bounded)]
    told = [number for number in own if number is not None and scenario.sample == 1]
    return min([scenario.declared, *told])


def _is_hyperparameter(axis: str) -> bool:
    first, _, rest = axis.partition(".")
    return first == "training" or (first == "strategy" and bool(rest))
