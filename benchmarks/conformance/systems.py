"""The systems, each in a process of its own."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks.workers import OURS, PEERS, Failure, Worker

__all__ = ["NOTHING", "OURSELVES", "Answer", "Systems"]

OURSELVES, NOTHING = "fedrobust", "no answer"
_HOME = "benchmarks.conformance"
_WHERE = {
    OURSELVES: (OURS, f"{_HOME}.ours"),
    "ByzFL": (PEERS, f"{_HOME}.byzfl_jobs"),
    "ByzPy": (PEERS, f"{_HOME}.byzpy_jobs"),
    "Flower": (OURS, f"{_HOME}.flower_jobs"),
}
_LIMIT = 300.0  # seconds an answer may take
Answer = tuple[np.ndarray | None, str | None, bool]  # values, or what it said; changed its input


class Systems:
    """One process for each system, started when it is asked first."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="conformance-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers.values():
            worker.close()
        shutil.rmtree(self._folder)

    def named(self, system: str, job: str) -> list[str]:
        """Return the answer of a job that names things.

        Raises:
            Failure: if it cannot be asked.
        """
        path = self._folder / "names.npy"
        worker = self._worker(system)
        worker.ask({"make": "names", "job": job, "args": {}}, _LIMIT)
        worker.ask({"run": "names", "args": {}, "save": str(path)}, _LIMIT)
        names: list[str] = np.load(path).tolist()
        return names

    def ask(
        self, system: str, args: Mapping[str, Any], rounds: np.ndarray, times: int = 2
    ) -> list[Answer]:
        """Return the answers of a rule that is asked several times; each time it starts anew."""
        given, answered = self._folder / "given.npy", self._folder / "answer.npy"
        np.save(given, rounds)
        worker, answers = self._worker(system), []
        try:
            worker.ask({"make": "rule", "job": "rule", "args": dict(args)}, _LIMIT)
            for _ in range(times):
                answered.unlink(missing_ok=True)
                request = {"run": "rule", "args": {"path": str(given)}, "save": str(answered)}
                changed = bool(worker.ask(request, _LIMIT)["check"])
                values = np.load(answered).astype(float) if answered.exists() else None
                answers.append((values, NOTHING if values is None else None, changed))
        except Failure as failure:
            answers.append((None, f"raises {str(failure).partition(':')[0]}", False))
        return answers

    def _worker(self, system: str) -> Worker:
        if system not in self._workers or not self._workers[system].alive:
            self._workers[system] = Worker(*_WHERE[system])
        return self._workers[system]
