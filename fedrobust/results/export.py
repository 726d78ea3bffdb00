"""Results as files that other programs read."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from fedrobust.errors import ResultsError
from fedrobust.results.database import complaints
from fedrobust.results.rows import JSON_COLUMNS, finite
from fedrobust.results.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Format", "export", "read"]

Format = Literal["csv", "parquet", "json"]

TABLES = {"runs": "id", "rounds": "run", "clients": "run", "timings": "run"}  # who names the run
TYPES = {"INT": "int64", "REAL": "float64", "TEXT": "str"}


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
    if format not in get_args(Format):
        raise ResultsError(f"An export is csv, parquet or json, not {format!r}.")
    if format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ResultsError(
            "Parquet files need pyarrow, which is not installed; "
            "type: pip install 'fedrobust[parquet]'"
        )
    write = {"csv": _csv, "parquet": _parquet, "json": _json}[format]
    written = []
    for name, table in read(folder, run).items():
        path = Path(destination) / f"{name}.{format}"
        with complaints(path, "written"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(table, path)
        written.append(path)
    return written


def read(folder: Path | str, run: str | None = None) -> dict[str, "DataFrame"]:
    """Return each table as it was at one moment, of one run or of all.

    Columns have the same types whether or not they hold anything, so that tables of several
    folders can be put together.
    """
    import pandas as pd

    with Store(folder, create=False) as store:
        id = None if run is None else store.run(run).id
        sql = store.connection
        with complaints(store.path, "read"):
            sql.execute("BEGIN")  # all tables from one snapshot
            tables = {}
            for name, key in TABLES.items():
                types = {c[1]: TYPES[c[2]] for c in sql.execute(f"PRAGMA table_info({name})")}
                query = f"SELECT * FROM {name} WHERE ?1 IS NULL OR {key} = ?1 ORDER BY rowid"
                query = query if name == "runs" else query.replace("rowid", "run, round")
                tables[name] = pd.read_sql_query(query, sql, params=(id,)).astype(types)
            sql.execute("COMMIT")
    return tables
