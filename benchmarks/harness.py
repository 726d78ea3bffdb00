"""Measure several systems at the same work, in turns: A B C, A B C, ... and take medians.

Each system works in a process of its own, kept warm, in one thread.  The machine may be busy with
other things: CPU time and ratios within one run are what to trust.
"""

import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.workers import OURS, Failure, Worker

__all__ = ["Measured", "Pool", "Side"]

_START = 300.0  # seconds to import a peer and to get a job ready


@dataclass(frozen=True)
class Side:
    """One system and its job.

    Fields:
        name: in the table.
        module: the file that has the job.
        job: a function of it, and `args` its arguments.
        calls: the arguments of each run to time, one or two.
        units: how much work each call does; of two calls only the difference counts, so that what
            happens once in a run, such as setting up, does not.
        first: those of the run before, whose time does not count but whose answer is compared.
        python: which virtual environment.
    """

    name: str
    module: str
    job: str
    args: Mapping[str, Any] = field(default_factory=dict)
    calls: Sequence[Mapping[str, Any]] = ({},)
    units: Sequence[float] = (1.0,)
    first: Mapping[str, Any] | None = None
    python: Path = OURS


@dataclass
class Measured:
    """What one system took: for each of the calls, the answers of its runs."""

    side: Side
    runs: list[list[dict[str, float]]]
    failure: str | None = None
    check: float | None = None  # the number that its first run returned
    array: np.ndarray | None = None  # the array that its first run returned
    memory: float | None = None  # bytes, after the first run
    start: float | None = None  # seconds until its process was ready, if this was its first job

    def cost(self, what: str = "cpu") -> float | None:
        """Return the seconds of CPU or wall time a unit of work takes; None if it failed."""
        if self.failure is not None:
            return None
        took = [median(run[what] for run in runs) for runs in self.runs]
        if len(took) == 1:
            return took[0] / self.side.units[0]
        return (took[1] - took[0]) / (self.side.units[1] - self.side.units[0])


class Pool:
    """The workers of a run, at most one for each file of jobs.

    Args:
        quick: run everything only once after it has warmed up.
    """

    def __init__(self, *, quick: bool = False) -> None:
        self.quick = quick
        self._workers: dict[tuple[Path, str], Worker] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="benchmarks-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        shutil.rmtree(self._folder)

    def close(self) -> None:
        """End all workers; later measurements start new ones."""
        while self._workers:
            self._workers.popitem()[1].close()

    def measure(
        self,
        sides: Sequence[Side],
        *,
        times: int = 7,
        seconds: float = 10.0,
        limit: float = 60.0,
    ) -> dict[str, Measured]:
        """Return what each side took.

        Args:
            sides: who takes part; their names differ.
            times: how often each call is run at most, after one run that warms up.
            seconds: a side that has worked for so long, or would, is run no more; if that happens
                while it warms up, that run is the one that counts.
            limit: seconds a run may take.
        """
        times = 1 if self.quick else times
        results = {side.name: self._begin(side, seconds, limit) for side in sides}
        spent = dict.fromkeys(results, 0.0)
        for _ in range(times):
            for side in sides:
                mine = results[side.name]
                last = sum(runs[-1]["wall"] for runs in mine.runs if runs)
                if mine.failure is not None or spent[side.name] + last > seconds:
                    continue
                try:
                    for call, runs in zip(side.calls, mine.runs, strict=True):
                        runs.append(self._run(side, call, limit))
                        spent[side.name] += runs[-1]["wall"]
                except Failure as failure:
                    mine.failure = str(failure)
        for side in sides:
            if (worker := self._workers.get((side.python, side.module))) and worker.alive:
                worker.jobs.discard(side.name)
                worker.ask({"drop": side.name}, limit)
        return results

    def _begin(self, side: Side, seconds: float, limit: float) -> Measured:
        mine = Measured(side, [[] for _ in side.calls])
        path = self._folder / "array.npy"
        path.unlink(missing_ok=True)
        try:
            call = side.calls[-1] if side.first is None else side.first
            mine.start = self._make(side)
            warm = self._run(side, call, limit, save=str(path), memory=True)
            mine.check, mine.memory = warm.get("check"), warm["memory"]
            if path.exists():
                mine.array = np.load(path)
            if side.first is None and len(side.calls) == 1 and warm["wall"] > seconds:
                mine.runs[0].append(warm)
        except Failure as failure:
            mine.failure = str(failure)
        return mine

    def _run(
        self, side: Side, call: Mapping[str, Any], limit: float, **more: Any
    ) -> dict[str, Any]:
        self._make(side)
        return self._worker(side).ask({"run": side.name, "args": dict(call), **more}, limit)

    def _make(self, side: Side) -> float | None:
        """Get a side's job ready; return how long its process took to, if it is new."""
        worker = self._worker(side)
        new = not worker.jobs
        if side.name in worker.jobs:
            return None
        worker.ask({"make": side.name, "job": side.job, "args": dict(side.args)}, _START)
        worker.jobs.add(side.name)
        return time.monotonic() - worker.began if new else None

    def _worker(self, side: Side) -> Worker:
        key = side.python, side.module
        if key not in self._workers or not self._workers[key].alive:
            self._workers[key] = Worker(*key)
        return self._workers[key]
