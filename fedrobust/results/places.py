"""Where the results of a run lie."""

from contextlib import suppress
from pathlib import Path

from fedrobust.errors import ConfigError, ResultsError
from fedrobust.results.store import FILE, Store

__all__ = ["folder_of", "locate"]


def locate(run: str, results: Path) -> tuple[Path, str | None]:
    """Return the folder that holds a run, and its id; no id if a folder was named.

    Args:
        run: a folder of results, or the id of a run or its beginning.
        results: the folder below which to look for ids.

    Raises:
        ConfigError: if there is no such run or folder.
    """
    if (Path(run) / FILE).exists():
        return Path(run), None
    holding = [found.parent for found in sorted(results.rglob(FILE))]
    for folder in holding:
        with suppress(ResultsError), Store(folder, create=False) as store:  # of another version
            if any(row.id.startswith(run) for row in store.runs()):
                return folder, run
    listed = ", ".join(str(place) for place in holding) or f"none below {results}"
    raise ConfigError(
        f"No run or folder {run!r}. Folders with results: {listed}. Name one of them, or a run's "
        "id as `fedrobust simulate` prints it, and --results if they lie elsewhere."
    )


def folder_of(named: Path | None, results: Path) -> Path:
    """Return a folder of results: the one named, or else the one written to last.

    Args:
        named: which, or None.
        results: the folder below which to look for the last.

    Raises:
        ConfigError: if there is none.
    """
    if named is not None and (named / FILE).exists():
        return named
    holding = sorted(results.rglob(FILE), key=lambda file: file.stat().st_mtime)
    if named is None and holding:
        return holding[-1].parent
    listed = ", ".join(str(file.parent) for file in holding) or f"none below {results}"
    asked = f"{named} holds no results." if named else "There are no results yet."
    raise ConfigError(
        f"{asked} Folders with results: {listed}. `fedrobust compare` and `fedrobust simulate` "
        "make them; --results names the folder below which they lie."
    )
