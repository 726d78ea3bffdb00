"""The tasks on a Ray cluster that run the cells of a study."""

import logging
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import tomli_w

from fedrobust.crew import TRIES, attempt, prepare
from fedrobust.errors import ConfigError, FedRobustError
from fedrobust.results import habits
from fedrobust.results.absorbing import absorb
from fedrobust.results.store import FILE, Store
from fedrobust.scenario import Scenario
from fedrobust.study import Cell

if TYPE_CHECKING:
    from fedrobust.core.engine import TrainerName
    from fedrobust.simulate import Progress

__all__ = ["RayCrew"]

_INTERVAL = 0.5  # seconds between looks at what tasks have done
_TELLING = 1.0  # seconds between reports of a task
_REACHABLE = 5.0  # seconds within which a cluster answers
_TIDYING = 10.0  # seconds that cancelled tasks have to remove what they wrote
_CLIENT_PORT = 10001  # that ray:// means


class RayCrew:
    """Tasks of one CPU that run one cell each, from its first round, in a folder of their own.

    What a cell records comes back when it is done, so nodes need no disk in common.  A cluster
    that this process is connected to already is used, and stays connected.

    Args:
        address: "auto", "host:port" or "ray://host:port" of a cluster, or "local" to start one.
        size: how many CPUs a local one has.
        folder: where results go.

    Raises:
        ConfigError: when entered, if Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str, size: int, folder: Path) -> None:
        self._address, self._size, self._folder = address, size, folder
        self._places: dict[Any, int] = {}  # of cells, by the tasks that are to run them

    def __enter__(self) -> "RayCrew":
        if find_spec("ray") is None:
            raise ConfigError(
                "A study on a cluster needs Ray, which is not installed; type: "
                "pip install 'fedrobust[simulation]'"
            )
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        self._connected = not ray.is_initialized()
        if self._connected:
            _connect(self._address, self._size)
        self._task: Any = ray.remote(num_cpus=1, max_retries=0)(_run)
        self._board: Any = ray.remote(num_cpus=0)(_Board).remote()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what still runs, and leave the cluster."""
        import ray

        for task in self._places:
            ray.cancel(task)
        if self._places:
            ray.wait([*self._places], num_returns=len(self._places), timeout=_TIDYING)
        ray.kill(self._board)
        if self._connected:
            ray.shutdown()

    def work(self, cells: dict[int, Cell]) -> Iterator[tuple[int, str, Any]]:
        """Yield what tasks say of cells, by place, until all are done or have failed."""
        import ray

        tries, told = dict.fromkeys(cells, 1), dict[int, int]()
        for place, cell in cells.items():
            self._ask(place, cell)
        while self._places:
            every = [*self._places]
            ended, _ = ray.wait(every, num_returns=len(every), timeout=_INTERVAL)
            for place, rounds in self._reached().items():
                if rounds != told.get(place) and place in self._places.values():
                    told[place] = rounds
                    yield place, "round", rounds
            for task in ended:
                place = self._places.pop(task)
                try:
                    said, what = ray.get(task)
                except ray.exceptions.RayError as error:
                    if tries[place] < TRIES:
                        tries[place] += 1
                        self._ask(place, cells[place])
                        continue
                    said, what = "failed", f"its task died {TRIES} times, last of this: {error}"
                if said == "done":
                    said, what = self._taken(cells[place], what)
                yield place, said, what

    def _ask(self, place: int, cell: Cell) -> None:
        task = self._task.remote(cell.scenario, place, self._board, Path.cwd(), habits.load())
        self._places[task] = place

    def _reached(self) -> Mapping[int, int]:
        """Return how many rounds cells have done, by place; nothing if the board is lost."""
        import ray

        with suppress(ray.exceptions.RayError):
            rounds: dict[int, int] = ray.get(self._board.read.remote(), timeout=_INTERVAL)
            return rounds
        return {}

    def _taken(self, cell: Cell, results: bytes) -> tuple[str, str | None]:
        """Enter what a task has recorded, and return how that ended."""
        try:
            with TemporaryDirectory(prefix="fedrobust-") as scratch, Store(self._folder) as store:
                (Path(scratch) / FILE).write_bytes(results)
                run = absorb(store, Path(scratch))
                resolved = tomli_w.dumps(store.run(run).scenario)
            (self._folder / f"{run}.toml").write_text(resolved, encoding="utf-8")
        except (FedRobustError, OSError) as error:
            return "failed", str(error)
        return "done", None


class _Board:
    """Where tasks write how far they are."""

    def __init__(self) -> None:
        self._rounds: dict[int, int] = {}

    def write(self, place: int, rounds: int) -> None:
        self._rounds[place] = rounds

    def read(self) -> dict[int, int]:
        return self._rounds


def _run(
    scenario: Scenario, place: int, board: Any, home: Path, choices: Mapping[str, "TrainerName"]
) -> tuple[str, Any]:
    """Run a cell, on whatever node, and return how it ended, with its results or why it has none.

    Args:
        scenario: what to run.
        place: of the cell.
        board: where to write how far it is.
        home: from where paths in the scenario lead, where the node has that folder.
        choices: trainers that the driver's machine remembers, so that models are bit-equal.
    """
    from fedrobust.core.trainers.planner import REMEMBERED

    prepare()
    REMEMBERED.update(choices)
    with suppress(OSError):
        os.chdir(home)
    told = float("-inf")

    def tell(reached: "Progress") -> None:
        nonlocal told
        if monotonic() - told >= _TELLING:
            told = monotonic()
            board.write.remote(place, reached.round)

    with TemporaryDirectory(prefix="fedrobust-") as scratch:
        said, why = attempt(scenario, Path(scratch), tell)
        return said, why if said == "failed" else (Path(scratch) / FILE).read_bytes()


def _connect(address: str, size: int) -> None:
    import ray

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    if named not in ("auto", "local"):
        _knock(named)
    options: dict[str, Any] = (
        {"num_cpus": size, "include_dashboard": False} if named == "local" else {}
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(named, log_to_driver=False, configure_logging=False, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise _unreachable(named, error) from error


def _knock(address: str) -> None:
    """Find out in seconds whether anybody is there; Ray itself would try for minutes."""
    try:
        url = urlsplit(address if "://" in address else f"//{address}")
        host, port = url.hostname, url.port or (_CLIENT_PORT if url.scheme == "ray" else None)
    except ValueError:
        host, port = None, None
    if not host or not port or url.scheme not in ("", "ray"):
        raise ConfigError(
            'The address of a Ray cluster is "auto", "local", "host:port" or "ray://host:port", '
            f"not {address!r}."
        )
    try:
        socket.create_connection((host, port), _REACHABLE).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> ConfigError:
    why = str(error).rstrip(".")
    return ConfigError(
        f"A study on Ray needs a cluster, and none answers at {address!r}: {why}. "
        'Start one with `ray start --head`, or name "local" for this machine alone.'
    )
