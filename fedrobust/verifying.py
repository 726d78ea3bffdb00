"""Run something that was reported again, and compare."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from fedrobust.errors import ConfigError
from fedrobust.overrides import parsed
from fedrobust.results import provenance
from fedrobust.results.places import locate
from fedrobust.results.rows import RunRow
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import Progress, simulate

__all__ = ["Claim", "claims_of", "rerun"]

_DATA = re.compile(r'<script type="application/json"[^>]*>(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Claim:
    """That a scenario ends with a model."""

    run: str
    scenario: Scenario
    model_hash: str
    versions: Mapping[str, Any]  # by which it did; empty where nobody says
    threads: int

    def changes(self) -> list[str]:
        """Return which versions differ here, each as "torch 2.13.0, then 2.12.0"."""
        now = provenance.versions()
        return [
            f"{name} {now.get(name, 'missing')}, then {then}"
            for name, then in self.versions.items()
            if now.get(name) != then
        ]


def claims_of(what: str, results: Path, run: str | None = None) -> list[Claim]:
    """Return what a report, a folder of results or a run claims.

    Args:
        what: a report.html, a folder with results, or the id of a run.
        results: the folder below which to look for ids.
        run: which one of a report or a folder; all of them if it is left out.

    Raises:
        ConfigError: if there is no such thing, or no run in it has finished.
    """
    if Path(what).suffix == ".html":
        return _of_report(Path(what), run)
    folder, id = locate(what, results)
    with Store(folder, create=False) as store:
        finished = [row for row in store.runs() if row.status == "finished"]
        name = run or id
        rows = [store.run(name)] if name else finished
    if not rows or any(row.model_hash is None for row in rows):
        raise ConfigError(
            f"To verify takes a run that has finished, and {name or folder} has not; "
            f"finished in {folder}: {', '.join(r.id for r in finished[:5]) or 'none'}."
        )
    return [_of_row(row) for row in rows]


def _of_row(row: RunRow) -> Claim:
    threads = int(row.machine.get("threads", 1))
    scenario = Scenario.parse(dict(row.scenario))
    return Claim(row.id, scenario, row.model_hash or "", row.versions, threads)


def _of_report(path: Path, run: str | None) -> list[Claim]:
    """Return what a page claims of the first run of each cell, whose scenario it tells."""
    try:
        found = _DATA.search(path.read_text(encoding="utf-8"))
        cells = json.loads(found[1])["cells"] if found else []
        first = [(cell["runs"][0], cell["scenario"]) for cell in cells if cell["runs"]]
        claims = [
            Claim(told["id"], Scenario.parse(parsed(text)), str(told["model_hash"]), {}, 1)
            for told, text in first
            if told["id"].startswith(run or "")
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{path} is no report that fedrobust wrote: {error}.") from error
    if not claims:
        raise ConfigError(
            f"{path} has no run {run or ''} to verify; it tells the scenarios of "
            f"{', '.join(told['id'] for told, _ in first[:5]) or 'none'}."
        )
    return claims


def rerun(claim: Claim, watch: Callable[[Progress], None]) -> str:
    """Run a claim's scenario in a folder of its own, and return the hash of its model."""
    before = torch.get_num_threads()
    torch.set_num_threads(claim.threads)
    try:
        with TemporaryDirectory(prefix="fedrobust-verify-") as folder:
            return simulate(claim.scenario, Path(folder), watch=watch).model_hash
    finally:
        torch.set_num_threads(before)
