"""The local processes that run the cells of a study, and what every such process does."""

import logging
import multiprocessing
import signal
import traceback
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedrobust.errors import FedRobustError
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.study import Cell

if TYPE_CHECKING:
    from fedrobust.simulate import Watch

__all__ = ["TRIES", "Crew", "attempt", "prepare"]

TRIES = 2  # of a cell whose process died


class Crew:
    """Processes that run one cell at a time each, and are replaced when they die."""

    def __init__(self, size: int, folder: Path) -> None:
        self._size, self._folder = size, folder
        self._members: dict[Connection, tuple[BaseProcess, int]] = {}

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        """Let idle processes go, and interrupt busy ones, whose runs can then be resumed."""
        for line, (process, _) in self._members.items():
            line.close()
            if kind is not None:
                process.terminate()
        for process, _ in self._members.values():
            process.join()

    def work(self, cells: dict[int, Cell]) -> Iterator[tuple[int, str, Any]]:
        """Yield what processes say of cells, by place, until all are done or have failed."""
        waiting, tries = list(cells), dict.fromkeys(cells, 0)
        idle: list[Connection] = []
        while waiting or len(idle) < len(self._members):
            while waiting and (idle or len(self._members) < self._size):
                line = idle.pop() if idle else self._hired()
                place = waiting.pop(0)
                tries[place] += 1
                line.send(cells[place].scenario)
                self._members[line] = self._members[line][0], place
            busy = [line for line in self._members if line not in idle]
            ready = wait(busy)
            for line in [line for line in busy if line in ready]:
                process, place = self._members[line]
                try:
                    said, what = line.recv()
                except EOFError:
                    del self._members[line]
                    process.join()
                    if tries[place] < TRIES:
                        waiting.append(place)
                        continue
                    died = f"its process died {TRIES} times, last with code {process.exitcode}"
                    said, what = "failed", f"{died}; it may have been killed for want of memory"
                if said in ("done", "failed") and line in self._members:
                    idle.append(line)
                yield place, said, what

    def _hired(self) -> Connection:
        """Return the line to a new process.

        It is started afresh rather than forked: a fork of a process with threads may hang.
        """
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._folder), daemon=True)
        process.start()
        theirs.close()
        self._members[ours] = process, -1
        return ours


def _serve(line: Connection, folder: Path) -> None:
    """Run the scenarios that come along a line, one by one, and say how it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us
    signal.signal(signal.SIGTERM, _interrupted)
    with suppress(EOFError, ConnectionError, KeyboardInterrupt):  # nobody wants more of us
        prepare()
        while True:
            scenario = line.recv()
            ended = attempt(
                scenario, folder, watch=lambda reached: line.send(("round", reached.round))
            )
            line.send(ended)


def prepare() -> None:
    """Make a process one that runs cells: on one thread, and without a word."""
    import torch

    import fedrobust.simulate  # noqa: F401  (Flower sets the level of its logger when imported)
    from fedrobust.capacity import keep_freed_memory

    torch.set_num_threads(1)
    keep_freed_memory()
    logging.getLogger("flwr").setLevel(logging.ERROR)
    logging.getLogger("fedrobust").setLevel(logging.ERROR)


def attempt(scenario: Scenario, folder: Path, watch: "Watch") -> tuple[str, str | None]:
    """Run a scenario, or go on with it, and return how that ended: "done", or "failed" and why.

    Raises:
        ConnectionError: if `watch` does: nobody is there any more.
    """
    from fedrobust.simulate import simulate

    engine = scenario.engine.model_copy(update={"processes": 1})  # cores are for other cells
    try:
        with Store(folder) as store:
            begun = store.latest(scenario.digest()) is not None
        alone = scenario.model_copy(update={"engine": engine})
        simulate(alone, folder, resume=begun, watch=watch)
    except ConnectionError:
        raise
    except FedRobustError as error:
        return "failed", str(error)
    except Exception:
        return "failed", traceback.format_exc(limit=-3)
    return "done", None


def _interrupted(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough, also while we clean up
    raise KeyboardInterrupt
