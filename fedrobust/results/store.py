"""Where results are kept: one SQLite database a folder, for any number of writing processes."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import Field, fields
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from types import TracebackType
from typing import Any, Self, TypeVar

from fedrobust.errors import ResultsError
from fedrobust.results.database import complaints, next_id, opened, transaction
from fedrobust.results.rows import JSON_COLUMNS, ClientRow, GoalRow, RoundRow, RunRow, Status, cell

__all__ = ["FILE", "Store"]

FILE = "results.sqlite"

Row = TypeVar("Row", RunRow, RoundRow, ClientRow, GoalRow)


class Store:
    """The results of one folder.

    A round is one transaction: a process that is killed loses at most the round it was in, and
    what others write at the same time is safe.  Use one object in each process and thread, and
    keep the folder on a local disk: SQLite's write-ahead log does not work over a network.

    A run enters a round before it saves the round's checkpoint; then what `truncate` forgets
    when the run is resumed is always there again.

    Args:
        folder: where `results.sqlite` lies.
        create: whether to make folder and file if there are none.

    Raises:
        ResultsError: if the folder has no results, or those of another version.
    """

    def __init__(self, folder: Path | str, create: bool = True) -> None:
        self.path = Path(folder) / FILE
        if create:
            with complaints(self.path, "made"):
                self.path.parent.mkdir(parents=True, exist_ok=True)
        elif not self.path.is_file():
            raise ResultsError(
                f"A results folder needs a {FILE}, and {folder} has none; "
                "name the folder that a run wrote to."
            )
        self.connection = opened(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def begin(
        self,
        name: str,
        scenario_hash: str,
        scenario: Mapping[str, Any],
        *,
        rounds: int,
        seed: int,
        versions: Mapping[str, Any],
        machine: Mapping[str, Any],
    ) -> str:
        """Enter a run that starts now, and return its id."""
        with self._transaction() as sql:
            run = next_id(sql, scenario_hash)
            row = (run, name, scenario_hash, scenario, _now(), None, "running", rounds, seed)
            _insert(sql, "runs", [tuple(map(cell, (*row, versions, machine, None, None)))])
        return run

    def record_round(
        self,
        run: str,
        row: RoundRow,
        clients: Iterable[ClientRow] = (),
        timings: Mapping[str, float] | None = None,
        *,
        classes: Sequence[float] = (),
        goals: Iterable[GoalRow] = (),
    ) -> None:
        """Enter a round, in place of what was entered of it before.

        Args:
            run: whose it is.
            row: what it came to.
            clients: what happened to each of them.
            timings: seconds that each phase took.
            classes: the accuracy within each class; NaN of one without test examples.
            goals: how far each adversary with a goal got.
        """
        key = run, row.round
        with self._transaction() as sql:
            sql.execute("DELETE FROM rounds WHERE run = ? AND round = ?", key)
            _insert(sql, "rounds", [(run, *_cells(row))])
            _insert(sql, "clients", [(*key, *_cells(client)) for client in clients])
            _insert(sql, "timings", [(*key, *phase) for phase in (timings or {}).items()])
            _insert(sql, "classes", [(*key, c, cell(share)) for c, share in enumerate(classes)])
            _insert(sql, "goals", [(*key, *_cells(goal)) for goal in goals])

    def record_holdings(self, run: str, holdings: Iterable[tuple[int, int, int]]) -> None:
        """Enter who holds what: (client, class, how many examples), in place of what was there."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM holdings WHERE run = ?", (run,))
            _insert(sql, "holdings", [(run, *holding) for holding in holdings])

    def record_corruptions(self, run: str, severity: int, accuracies: Mapping[str, float]) -> None:
        """Enter how the final model fares on test inputs that are corrupted, by kind."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM corruptions WHERE run = ?", (run,))
            rows = [(run, kind, severity, cell(share)) for kind, share in accuracies.items()]
            _insert(sql, "corruptions", rows)

    def truncate(self, run: str, after_round: int) -> None:
        """Forget what came after a round, and set the run running again: it is being resumed."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM rounds WHERE run = ? AND round > ?", (run, after_round))
            _close(sql, run, None, "running", None, None)

    def finish(
        self,
        run: str,
        status: Status,
        model_hash: str | None = None,
        summary: Mapping[str, Any] | None = None,
    ) -> None:
        """Enter how a run ended."""
        with self._transaction() as sql:
            _close(sql, run, _now(), status, model_hash, summary)

    def runs(self) -> list[RunRow]:
        """Return all runs, in the order in which they began."""
        return self._select(RunRow, "runs ORDER BY rowid")

    def latest(self, scenario_hash: str, status: Status | None = None) -> RunRow | None:
        """Return the last attempt at a scenario, of those with a status if one is named."""
        which = "scenario_hash = ?1 AND (?2 IS NULL OR status = ?2) ORDER BY rowid DESC LIMIT 1"
        return next(iter(self._select(RunRow, f"runs WHERE {which}", scenario_hash, status)), None)

    def run(self, id: str) -> RunRow:
        """Return the run with that id, or the only one whose id starts like that.

        Raises:
            ResultsError: if there is none, or more than one.
        """
        alike = "runs WHERE substr(id, 1, length(?1)) = ?1 ORDER BY rowid"
        found = self._select(RunRow, "runs WHERE id = ?", id) or self._select(RunRow, alike, id)
        if len(found) == 1:
            return found[0]
        if found:
            raise ResultsError(f"A run needs a longer id than {id!r}, which fits {_ids(found)}.")
        known = self.runs()
        close = difflib.get_close_matches(id, [run.id for run in known])
        hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ResultsError(f"No run {id!r} in {self.path}.{hint} Known: {_ids(known) or 'none'}.")

    def rounds(self, run: str) -> list[RoundRow]:
        """Return the rounds of a run, in order."""
        return self._select(RoundRow, "rounds WHERE run = ? ORDER BY round", run)

    def clients(self, run: str, round: int) -> list[ClientRow]:
        """Return what happened to each client in a round."""
        ledger = "clients WHERE run = ? AND round = ? ORDER BY client"
        return self._select(ClientRow, ledger, run, round)

    def goals(self, run: str, round: int) -> list[GoalRow]:
        """Return how far each adversary with a goal got in a round."""
        return self._select(
            GoalRow, "goals WHERE run = ? AND round = ? ORDER BY adversary", run, round
        )

    def timings(self, run: str, round: int) -> dict[str, float]:
        """Return how many seconds each phase of a round took."""
        with complaints(self.path, "read"):
            query = "SELECT phase, seconds FROM timings WHERE run = ? AND round = ?"
            return dict(self.connection.execute(query, (run, round)).fetchall())

    def _transaction(self) -> AbstractContextManager[Connection]:
        return transaction(self.connection, self.path)

    def _select(self, kind: type[Row], which: str, *values: object) -> list[Row]:
        names = ", ".join(field.name for field in fields(kind))
        with complaints(self.path, "read"):
            found = self.connection.execute(f"SELECT {names} FROM {which}", values).fetchall()
        return [_row(kind, values) for values in found]


def _insert(sql: Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        sql.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _close(
    sql: Connection,
    run: str,
    finished: str | None,
    status: Status,
    model_hash: str | None,
    summary: Mapping[str, Any] | None,
) -> None:
    changed = sql.execute(
        "UPDATE runs SET finished = ?, status = ?, model_hash = ?, summary = ? WHERE id = ?",
        (finished, status, model_hash, cell(summary), run),
    ).rowcount
    if not changed:
        raise ResultsError(f"A run has to begin before it goes on or ends, and {run!r} did not.")


def _cells(row: RunRow | RoundRow | ClientRow | GoalRow) -> tuple[Any, ...]:
    return tuple(cell(getattr(row, field.name)) for field in fields(row))


def _row(kind: type[Row], values: Sequence[Any]) -> Row:
    return kind(*(_value(*pair) for pair in zip(fields(kind), values, strict=True)))


def _value(field: Field[Any], value: Any) -> Any:
    if field.type is bool:
        return bool(value)
    return json.loads(value) if field.name in JSON_COLUMNS and value is not None else value


def _ids(runs: Iterable[RunRow]) -> str:
    return ", ".join(f"{run.id} ({run.name})" if run.name else run.id for run in runs)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
