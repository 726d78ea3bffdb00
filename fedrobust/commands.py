"""What the commands of the command line do."""

import json as json_format
import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tomli_w
import torch
import typer
from rich.console import Console

from fedrobust.demo import demo, verdict
from fedrobust.errors import ConfigError
from fedrobust.results.export import export
from fedrobust.scenario import Scenario
from fedrobust.screen import Screen, describe, outcome_table
from fedrobust.simulate import Outcome, simulate

__all__ = ["export_run", "run_demo", "run_scenario"]

_INTERRUPTED = 130


def run_scenario(
    path: Path,
    overrides: list[str],
    folder: Path,
    *,
    resume: bool,
    quiet: bool,
    json: bool,
    threads: int,
) -> None:
    """Run one scenario, show its progress, and say what happened."""
    console = _console(quiet, json, threads)
    scenario = Scenario.load(path, overrides)
    if not scenario.name:
        scenario = scenario.model_copy(update={"name": path.stem})
    console.print(describe(scenario), highlight=False)
    outcome = _run(
        scenario, folder, console, resume, ["fedrobust", "simulate", str(path)], overrides
    )
    if json:
        typer.echo(json_format.dumps(_as_json(outcome)))
        return
    if quiet:
        accuracy = outcome.summary.accuracy
        typer.echo(f"{accuracy:.4f}" if accuracy is not None else "nan")
        return
    console.print()
    console.print(outcome_table([(scenario.name, outcome)]), highlight=False)
    console.print()
    for sentence in outcome.summary.sentences():
        console.print(sentence, highlight=False)
    _where(console, outcome)


def run_demo(
    overrides: list[str],
    folder: Path,
    *,
    resume: bool,
    quiet: bool,
    json: bool,
    threads: int,
) -> None:
    """Run the built-in comparison: no attack, an attack, and the attack against a defense."""
    console = _console(quiet, json, threads)
    scenarios = demo(overrides)
    console.print(describe(scenarios[-1][1]).partition(";")[0], highlight=False)
    outcomes = []
    for label, scenario in scenarios:
        done = _run(scenario, folder, console, resume, ["fedrobust", "simulate"], overrides, label)
        outcomes.append((label, done))
    if json:
        typer.echo(json_format.dumps({label: _as_json(o) for label, o in outcomes}))
        return
    console.print()
    console.print(outcome_table(outcomes), highlight=False)
    console.print()
    for sentence in verdict(outcomes):
        console.print(sentence, highlight=False)
    if quiet:
        return
    _where(console, outcomes[-1][1])
    console.print("Your own:  fedrobust init, then fedrobust simulate scenario.toml")


def export_run(run: str, format: str, folder: Path, results: Path) -> list[Path]:
    """Write the tables of a run, wherever below `results` it lies."""
    if format not in ("csv", "parquet", "json"):
        raise ConfigError(f"No format {format!r}; formats: csv, parquet, json.")
    candidate = Path(run)
    if (candidate / "results.sqlite").exists():
        return export(candidate, None, format, folder)
    holding = [found.parent for found in sorted(results.rglob("results.sqlite"))]
    for place in holding:
        if _holds(place, run):
            return export(place, run, format, folder)
    listed = ", ".join(str(place) for place in holding) or f"none below {results}"
    raise ConfigError(
        f"No run or folder {run!r}. Folders with results: {listed}. Name one of them, or a run's "
        "id as `fedrobust simulate` prints it, and --results if they lie elsewhere."
    )


def _holds(folder: Path, run: str) -> bool:
    from fedrobust.results.store import Store

    return any(row.id.startswith(run) for row in Store(folder).runs())


def _run(
    scenario: Scenario,
    folder: Path,
    console: Console,
    resume: bool,
    command: list[str],
    overrides: list[str],
    label: str = "",
) -> Outcome:
    screen = Screen(console, label or scenario.name, scenario.rounds)
    _write_resolved(scenario, folder)
    with _resumable(console, f"{shlex.join([*command, *overrides])} --resume"), screen.live():
        outcome = simulate(scenario, folder, resume=resume, watch=screen.show)
    return outcome


@contextmanager
def _resumable(console: Console, command: str) -> Iterator[None]:
    """Turn Ctrl-C into an exit that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        console.print(f"\nInterrupted; nothing is lost. Go on with: {command}", highlight=False)
        raise typer.Exit(_INTERRUPTED) from None


def _write_resolved(scenario: Scenario, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = scenario.name or scenario.digest()[:8]
    (folder / f"{name}.toml").write_text(tomli_w.dumps(scenario.table()), encoding="utf-8")


def _console(quiet: bool, json: bool, threads: int) -> Console:
    logging.getLogger("flwr").setLevel(logging.ERROR)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    torch.set_num_threads(threads)
    return Console(quiet=quiet or json, soft_wrap=True)


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "run": outcome.run,
        "folder": str(outcome.folder),
        "model_hash": outcome.model_hash,
        **outcome.summary.table(),
    }


def _where(console: Console, outcome: Outcome) -> None:
    console.print(
        f"\nResults: {outcome.folder / 'results.sqlite'}  (run {outcome.run})", highlight=False
    )
    console.print(f"Model:   {outcome.model_hash}", highlight=False)
