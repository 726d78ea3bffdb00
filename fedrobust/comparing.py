"""Run the cells of a study in parallel, here or on a Ray cluster, and survive what befalls them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from fedrobust.crew import Crew
from fedrobust.errors import ConfigError
from fedrobust.ray_crew import RayCrew
from fedrobust.results.store import Store
from fedrobust.study import Cell

__all__ = ["Comparison", "compare"]

State = Literal["waiting", "running", "done", "failed", "undefined"]


@dataclass
class Comparison:
    """How far the cells of a study have come."""

    cells: Sequence[Cell]
    state: dict[int, State] = field(default_factory=dict)  # by place
    rounds: dict[int, int] = field(default_factory=dict)  # that a running cell has done, by place
    why: dict[int, str] = field(default_factory=dict)  # a cell failed, by place

    def rounds_in_all(self) -> int:
        """How many rounds there are to run, of all cells that can."""
        return sum(cell.scenario.rounds for cell in self.cells if cell.scenario is not None)

    def rounds_done(self) -> int:
        """How many of them are done, or will never be."""
        over = ("done", "failed")
        return sum(
            cell.scenario.rounds if self.state[place] in over else self.rounds.get(place, 0)
            for place, cell in enumerate(self.cells)
            if cell.scenario is not None
        )

    def count(self, state: State) -> int:
        """How many cells are in a state."""
        return sum(known == state for known in self.state.values())


Watch = Callable[[Comparison], None]


def compare(
    cells: Sequence[Cell],
    folder: Path,
    jobs: int = 1,
    watch: Watch = lambda comparison: None,
    *,
    ray: str | None = None,
) -> Comparison:
    """Run cells that have not finished yet, and record them in a folder.

    A cell that is in the folder by the hash of its scenario is not run again; one that was
    interrupted goes on where it was, and on Ray from its first round.  A cell that fails is told
    of and does not stop the others; one whose process dies is tried once more.

    Args:
        cells: what to run.
        folder: where results lie.
        jobs: how many processes run at a time; a cluster that runs already decides for itself.
        watch: called when something has changed.
        ray: the Ray cluster that runs them: "auto", "host:port" or "ray://host:port" of one that
            runs already, or "local" for one on this machine; None for processes without Ray.

    Raises:
        ConfigError: if another study is at work in the folder, or Ray is not installed, or its
            cluster cannot be reached.
        KeyboardInterrupt: when interrupted; the same call then goes on.
    """
    comparison = Comparison(cells)
    for place, cell in enumerate(cells):
        comparison.state[place] = "undefined" if cell.scenario is None else "waiting"
        comparison.why |= {place: cell.why_not} if cell.scenario is None else {}
    with Store(folder) as store:
        for place, cell in enumerate(cells):
            if cell.scenario is not None and _finished(store, cell):
                comparison.state[place] = "done"
    watch(comparison)
    twins: dict[str, list[int]] = {}  # cells of the same scenario are one run, by its hash
    for place, cell in enumerate(cells):
        if cell.scenario is not None and comparison.state[place] == "waiting":
            twins.setdefault(cell.scenario.digest(), []).append(place)
    if twins:
        with _alone(folder):
            todo = {places[0]: (cells[places[0]], places) for places in twins.values()}
            size = min(jobs, len(todo))
            with Crew(size, folder) if ray is None else RayCrew(ray, size, folder) as crew:
                for first, said, what in crew.work({p: cell for p, (cell, _) in todo.items()}):
                    for place in todo[first][1]:
                        _enter(comparison, place, said, what)
                    watch(comparison)
    return comparison


def _enter(comparison: Comparison, place: int, said: str, what: Any) -> None:
    if said == "round":
        comparison.state[place], comparison.rounds[place] = "running", what
    elif said == "done":
        comparison.state[place] = "done"
    else:
        comparison.state[place], comparison.why[place] = "failed", what


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second study out of the folder: two would go on with the same runs."""
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        raise ConfigError(
            f"Another `fedrobust compare` is at work in {folder}; wait for it, watch it with "
            f"`fedrobust watch {folder}`, or name another folder with --out."
        ) from None


def _finished(store: Store, cell: Cell) -> bool:
    last = None if cell.scenario is None else store.latest(cell.scenario.digest())
    return last is not None and last.status == "finished"
