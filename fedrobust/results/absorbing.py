"""Take a run from another results folder: one that was made where nobody else could write."""

from pathlib import Path

from fedrobust.errors import ResultsError
from fedrobust.results.database import complaints, next_id, transaction
from fedrobust.results.rows import RunRow
from fedrobust.results.store import Store

__all__ = ["absorb"]


def absorb(store: Store, folder: Path) -> str:
    """Enter the last run of another folder, all of it or nothing, and return its id here.

    The id may differ from that in the other folder: it says which attempt at the scenario it is.
    A run that has not finished is refused, for it could not be resumed here.

    Raises:
        ResultsError: if the folder has no results, or those of another version, or its last run
            has not finished.
    """
    with Store(folder, create=False) as other:
        last = next(iter(reversed(other.runs())), None)
        if last is None or last.status != "finished":
            got = "none" if last is None else f"{last.id}, which is {last.status}"
            raise ResultsError(f"Results are taken from finished runs, and {folder} has {got}.")
    sql = store.connection
    with complaints(other.path, "read"):
        sql.execute("ATTACH ? AS other", (str(other.path),))
    try:
        return _copied(store, last)
    finally:
        sql.execute("DETACH other")


def _copied(store: Store, run: RunRow) -> str:
    tables = "SELECT name FROM other.sqlite_master WHERE type = 'table'"
    with transaction(store.connection, store.path) as sql:
        sql.execute("PRAGMA defer_foreign_keys = ON")  # whichever table comes first
        id = next_id(sql, run.scenario_hash)
        for (table,) in sql.execute(tables).fetchall():
            key = "id" if table == "runs" else "run"
            columns = [row[1] for row in sql.execute(f"PRAGMA other.table_info({table})")]
            values = ["?1" if column == key else column for column in columns]
            sql.execute(
                f"INSERT INTO main.{table} ({', '.join(columns)}) "
                f"SELECT {', '.join(values)} FROM other.{table} WHERE {key} = ?2",
                (id, run.id),
            )
    return id
