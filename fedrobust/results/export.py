"""Results as files that other programs read."""

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

from fedrobust.errors import ResultsError
from fedrobust.results.database import complaints
from fedrobust.results.rows import JSON_COLUMNS, finite
from fedrobust.results.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["export", "read"]

TABLES = {
    "runs": "SELECT * FROM runs WHERE ?1 IS NULL OR id = ?1 ORDER BY rowid",
    "rounds": "SELECT * FROM rounds WHERE ?1 IS NULL OR run = ?1 ORDER BY run, round",
    "clients": "SELECT * FROM clients WHERE ?1 IS NULL OR run = ?1 ORDER BY run, round, client",
    "classes": "SELECT * FROM classes WHERE ?1 IS NULL OR run = ?1 ORDER BY run, round, class",
    "goals": "SELECT * FROM goals WHERE ?1 IS NULL OR run = ?1 ORDER BY run, round, adversary",
    "timings": "SELECT * FROM timings WHERE ?1 IS NULL OR run = ?1 ORDER BY run, round, phase",
    "holdings": "SELECT * FROM holdings WHERE ?1 IS NULL OR run = ?1 ORDER BY run, client, class",
    "corruptions": "SELECT * FROM corruptions WHERE ?1 IS NULL OR run = ?1 ORDER BY run, kind",
}
TYPES = {"INT": "int64", "REAL": "float64", "TEXT": "string"}


def export(folder: Path | str, run: str | None, format: str, destination: Path | str) -> list[Path]:
    """Write each table to a file of its name, in place of one that is there.

    Args:
        folder: where `results.sqlite` lies.
        run: whose rows; None for all runs.
        format: csv, parquet or json.
        destination: the folder to write to, made if need be.

    Raises:
        ResultsError: if there is no such run, or the files cannot be written.
    """
    writers = {"csv": _csv, "parquet": _parquet, "json": _json}
    if format not in writers:
        raise ResultsError(f"An export is csv, parquet or json, not {format!r}.")
    if format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ResultsError(
            "Parquet files need pyarrow, which is not installed; "
            "type: pip install 'fedrobust[parquet]'"
        )
    written = []
    for name, table in read(folder, run).items():
        path = Path(destination) / f"{name}.{format}"
        with complaints(path, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            writers[format](table, path)
        written.append(path)
    return written


def read(folder: Path | str, run: str | None = None) -> dict[str, "DataFrame"]:
    """Return each table as it was at one moment, of one run or of all.

    Columns have the same types whether or not they hold anything, so that tables of several
    folders can be put together.
    """
    import pandas as pd

    with Store(folder, create=False) as store, complaints(store.path, "read"):
        id = None if run is None else store.run(run).id
        tables = {}
        store.connection.execute("BEGIN")  # one snapshot of all tables
        for name, query in TABLES.items():
            columns = store.connection.execute(f"PRAGMA table_info({name})").fetchall()
            types = {column[1]: TYPES[column[2]] for column in columns}
            table = pd.read_sql_query(query, store.connection, params=(id,))
            tables[name] = table.astype(types)
    return tables


def _csv(table: "DataFrame", path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")


def _parquet(table: "DataFrame", path: Path) -> None:
    table.to_parquet(path, index=False)


def _json(table: "DataFrame", path: Path) -> None:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    for row in rows:
        for column in JSON_COLUMNS & row.keys():
            row[column] = None if row[column] is None else json.loads(row[column])
    lines = ",\n".join(json.dumps(finite(row), allow_nan=False) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
