"""The SQLite file behind a results folder: its tables, its version, its transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedrobust.errors import ResultsError

__all__ = ["FORMAT", "complaints", "next_id", "opened", "transaction"]

FORMAT = 4  # of the tables below; goes up when they change
PATIENCE = 60.0  # seconds to wait for other writers

TABLES = """
CREATE TABLE runs (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, scenario_hash TEXT NOT NULL, scenario TEXT NOT NULL,
  started TEXT NOT NULL, finished TEXT,
  status TEXT NOT NULL CHECK (status IN ('running', 'interrupted', 'finished', 'failed')),
  rounds INT NOT NULL, seed INT NOT NULL, versions TEXT NOT NULL, machine TEXT NOT NULL,
  model_hash TEXT, summary TEXT);
CREATE TABLE rounds (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, round INT NOT NULL,
  accuracy REAL, worst_class_accuracy REAL, loss REAL, attack_success REAL,
  asked INT NOT NULL, admitted INT NOT NULL, applied INT NOT NULL, note TEXT NOT NULL,
  distance REAL, kappa REAL, sent_bytes INT NOT NULL, received_bytes INT NOT NULL,
  validation_accuracy REAL,
  PRIMARY KEY (run, round)) WITHOUT ROWID;
CREATE TABLE clients (
  run TEXT NOT NULL, round INT NOT NULL, client INT NOT NULL, node TEXT NOT NULL,
  role TEXT NOT NULL, admitted INT NOT NULL, fault TEXT, note TEXT,
  norm REAL, cosine REAL, weight REAL, score REAL, accuracy REAL, own_accuracy REAL, quota REAL,
  PRIMARY KEY (run, round, client),
  FOREIGN KEY (run, round) REFERENCES rounds (run, round) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE classes (
  run TEXT NOT NULL, round INT NOT NULL, class INT NOT NULL, accuracy REAL,
  PRIMARY KEY (run, round, class),
  FOREIGN KEY (run, round) REFERENCES rounds (run, round) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE goals (
  run TEXT NOT NULL, round INT NOT NULL, adversary INT NOT NULL, attack TEXT NOT NULL, success REAL,
  validation_success REAL,
  PRIMARY KEY (run, round, adversary),
  FOREIGN KEY (run, round) REFERENCES rounds (run, round) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE holdings (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, client INT NOT NULL,
  class INT NOT NULL, examples INT NOT NULL,
  PRIMARY KEY (run, client, class)) WITHOUT ROWID;
CREATE TABLE corruptions (
  run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE, kind TEXT NOT NULL,
  severity INT NOT NULL, accuracy REAL,
  PRIMARY KEY (run, kind, severity)) WITHOUT ROWID;
CREATE TABLE timings (
  run TEXT NOT NULL, round INT NOT NULL, phase TEXT NOT NULL, seconds REAL,
  PRIMARY KEY (run, round, phase),
  FOREIGN KEY (run, round) REFERENCES rounds (run, round) ON DELETE CASCADE) WITHOUT ROWID;
"""


def opened(path: Path) -> sqlite3.Connection:
    """Return a connection to a results file, which is made if there is none.

    Raises:
        ResultsError: if it is something else, or of another version.
    """
    with complaints(path, "opened"):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        with complaints(path, "opened"):
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            _check_format(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """Write all of what the body writes, or nothing."""
    with complaints(path, "written"):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            if connection.in_transaction:  # not after a full disk, say
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def next_id(sql: sqlite3.Connection, scenario_hash: str) -> str:
    """Return the id of the next attempt at a scenario."""
    prefix = scenario_hash[:8] + "-"
    (attempts,) = sql.execute(
        "SELECT max(CAST(substr(id, ?) AS INT)) FROM runs WHERE substr(id, 1, ?) = ?",
        (len(prefix) + 1, len(prefix), prefix),
    ).fetchone()
    return f"{prefix}{(attempts or 0) + 1}"


@contextmanager
def complaints(path: Path, what: str) -> Iterator[None]:
    """Turn what SQLite and the file system complain about into a ResultsError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise ResultsError(f"{path} cannot be {what}: {error}.") from error


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    if _format(connection) == 0:  # new, or not ours; look again while nobody else can write
        with transaction(connection, path):
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if _format(connection) == 0 and tables == 0:
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {FORMAT}")
    got = _format(connection)
    if got != FORMAT:
        remedy = "upgrade fedrobust" if got > FORMAT else "name another folder"
        kind = f"those of format {got}" if got else "a database that fedrobust did not make"
        raise ResultsError(f"{path} needs results of format {FORMAT}, not {kind}; {remedy}.")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
