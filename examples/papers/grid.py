"""Run the cells of a table in several processes, and keep what each came to."""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

__all__ = ["LAST", "RESULTS", "Cell", "alone", "forget", "keep", "read", "run"]

RESULTS = Path(__file__).with_name("results")
LAST = 5  # evaluations whose mean is a run's result, as in the authors' logs

Labels = Mapping[str, str | float]


@dataclass(frozen=True)
class Cell:
    """One run of a table: what it is called there, and the scenario in nested tables."""

    labels: Labels
    scenario: Mapping[str, Any]


def run(table: str, cells: Sequence[Cell], jobs: int = 1) -> list[dict[str, Any]]:
    """Return what each cell came to; those that are on record are not run again.

    Args:
        table: the name of the file in `results/` that keeps them, which is rewritten after each.
        cells: what to run.
        jobs: how many processes to use, with one thread each.
    """
    path = RESULTS / f"{table}.json"
    known = {row["digest"]: row for row in _read(path)}
    scenarios = {Scenario.parse(dict(cell.scenario)).digest(): cell for cell in cells}
    missing = {digest: cell for digest, cell in scenarios.items() if digest not in known}
    rows = {digest: known[digest] for digest in scenarios if digest in known}
    with ProcessPoolExecutor(jobs, initializer=alone) as pool:
        started = {pool.submit(_outcome, cell.scenario): digest for digest, cell in missing.items()}
        for number, done in enumerate(as_completed(started), start=1):
            digest = started[done]
            labels = dict(scenarios[digest].labels)
            rows[digest] = {**labels, **done.result(), "digest": digest}
            _write(path, [rows[d] for d in scenarios if d in rows])
            print(f"{table}: {number} of {len(missing)}: {labels} {rows[digest]['accuracy']:.4f}")
    # Names may have changed since; what was run has not.
    return [{**rows[digest], **cell.labels} for digest, cell in scenarios.items()]


def keep(table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put the rows of a table on record."""
    _write(RESULTS / f"{table}.json", list(rows))


def forget(table: str) -> None:
    """Take a table off the record: it was made by code that has changed since."""
    (RESULTS / f"{table}.json").unlink(missing_ok=True)


def read(table: str) -> list[dict[str, Any]]:
    """Return the rows on record of a table; none if it has not been run."""
    return _read(RESULTS / f"{table}.json")


def alone() -> None:
    """Let a process compute with one thread, and Flower be quiet."""
    import torch

    torch.set_num_threads(1)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    logging.getLogger("fedrobust").setLevel(logging.ERROR)


def _outcome(table: Mapping[str, Any]) -> dict[str, float]:
    """Return a run's accuracy in its last evaluations, and the rounds that were not applied."""
    scenario = Scenario.parse(dict(table))
    folder = Path(tempfile.mkdtemp())
    try:
        outcome = simulate(scenario, folder)
        with Store(folder) as store:
            rounds = store.rounds(outcome.run)
    finally:
        shutil.rmtree(folder)
    evaluated = [row.accuracy for row in rounds if row.accuracy is not None]
    return {
        "accuracy": round(mean(evaluated[-LAST:]), 5),
        "kept": sum(not row.applied for row in rounds),
    }


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(row) for row in rows)
    part = path.with_suffix(".part")
    part.write_text(f"[\n{lines}\n]\n", "utf-8")
    os.replace(part, path)
    sys.stdout.flush()
