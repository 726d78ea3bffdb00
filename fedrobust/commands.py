"""What the commands of the command line do."""

import json as json_format
import logging
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import typer
from rich.console import Console

from fedrobust.capacity import keep_freed_memory
from fedrobust.demo import demo, verdict
from fedrobust.errors import ConfigError
from fedrobust.results.export import export
from fedrobust.results.places import locate
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.screen import Screen, describe, outcome_table
from fedrobust.simulate import Outcome, simulate
from fedrobust.standings import Standings
from fedrobust.tracking import together, tracker

__all__ = ["Options", "export_run", "run_demo", "run_scenario"]

_INTERRUPTED = 130


class Options(NamedTuple):
    """How to run, and what to print."""

    resume: bool = False  # continue an interrupted run
    quiet: bool = False  # print only the final accuracy
    json: bool = False  # print only the result, as JSON
    threads: int = 1  # that PyTorch may use
    control: bool = False  # first run the scenario while its adversaries sleep
    track: tuple[str, ...] = ()  # services to tell of runs
    standalone: bool = False  # first run it while each client learns alone


def run_scenario(path: Path, overrides: list[str], folder: Path, options: Options) -> None:
    """Run one scenario, show its progress, and say what happened."""
    console = _console(options)
    scenario = Scenario.load(path, overrides)
    if not scenario.name:
        scenario = scenario.model_copy(update={"name": path.stem})
    console.print(describe(scenario), highlight=False)
    outcomes = []
    if options.control and scenario.is_control:
        raise ConfigError(
            "--control is a run without attackers, which this scenario is already; leave it out."
        )
    others = [scenario.standalone()] if options.standalone else []
    others += [scenario.control()] if options.control else []
    for other in others:
        resume = options.resume and _begun(folder, other)
        outcomes.append(
            (other.name, _run(other, other.name, folder, console, resume, options.track))
        )
    begun = not others or _begun(folder, scenario)  # else only the others had
    resume = options.resume and begun
    outcome = _run(scenario, scenario.name, folder, console, resume, options.track)
    if options.json:
        typer.echo(json_format.dumps(_as_json(outcome)))
    elif options.quiet:
        typer.echo(_accuracy(outcome))
    else:
        outcomes.append((scenario.name, outcome))
        _tell(console, outcomes, outcome.summary.sentences())


def run_demo(overrides: list[str], folder: Path, options: Options) -> None:
    """Run the built-in comparison: no attack, an attack, and the attack against a defense."""
    if options.control or options.standalone:
        raise ConfigError(
            "--control and --standalone need a scenario; the demo has runs to compare already."
        )
    console = _console(options)
    scenarios = demo(overrides)
    console.print(describe(scenarios[-1][1]).rpartition(":")[0], highlight=False)
    outcomes = []
    for label, scenario in scenarios:
        resume = options.resume and _begun(folder, scenario)  # later ones may not have begun
        ended = _run(scenario, label, folder, console, resume, options.track)
        outcomes.append((label, ended))
    if options.json:
        typer.echo(json_format.dumps({label: _as_json(o) for label, o in outcomes}))
    elif options.quiet:
        for label, outcome in outcomes:
            typer.echo(f"{_accuracy(outcome)}  {label}")
    else:
        _tell(console, outcomes, verdict(outcomes))
        console.print("Which defense against which attack:  fedrobust compare", highlight=False)
        console.print("Your own:  fedrobust init, then fedrobust simulate scenario.toml")


def export_run(run: str, format: str, folder: Path, results: Path) -> list[Path]:
    """Write the tables of a run, wherever below `results` it lies."""
    if format not in ("csv", "parquet", "json"):
        raise ConfigError(f"No format {format!r}; formats: csv, parquet, json.")
    holding, id = locate(run, results)
    return export(holding, id, format, folder)


def _begun(folder: Path, scenario: Scenario) -> bool:
    with Store(folder) as store:
        return store.latest(scenario.digest()) is not None


def _run(
    scenario: Scenario,
    label: str,
    folder: Path,
    console: Console,
    resume: bool,
    track: Iterable[str],
) -> Outcome:
    standings = Standings(scenario) if scenario.rule.rule.keeps_reputations else None
    screen = Screen(console, label, scenario.rounds, standings)
    with ExitStack() as told:
        trackers = [told.enter_context(tracker(name, scenario, folder)) for name in track]
        watch = together(screen.show, *trackers)
        with _resumable(console), screen.live():
            outcome = simulate(scenario, folder, resume=resume, watch=watch)
    return outcome


@contextmanager
def _resumable(console: Console) -> Iterator[None]:
    """Turn Ctrl-C into an exit that says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        typed = [word for word in sys.argv[1:] if word != "--resume"]
        command = shlex.join(["fedrobust", *typed, "--resume"])
        console.print(f"\nInterrupted; nothing is lost. Go on with: {command}", highlight=False)
        raise typer.Exit(_INTERRUPTED) from None


def _console(options: Options) -> Console:
    logging.getLogger("flwr").setLevel(logging.ERROR)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    return Console(quiet=options.quiet or options.json, soft_wrap=True)


def _accuracy(outcome: Outcome) -> str:
    accuracy = outcome.summary.accuracy
    return "nan" if accuracy is None else f"{accuracy:.4f}"


def _as_json(outcome: Outcome) -> dict[str, object]:
    return {
        "run": outcome.run,
        "folder": str(outcome.folder),
        "model_hash": outcome.model_hash,
        **outcome.summary.table(),
    }


def _tell(console: Console, outcomes: list[tuple[str, Outcome]], sentences: Iterable[str]) -> None:
    last = outcomes[-1][1]
    console.print()
    console.print(outcome_table(outcomes), highlight=False)
    console.print()
    for sentence in sentences:
        console.print(sentence, highlight=False)
    console.print(f"\nResults: {last.folder / 'results.sqlite'}  (run {last.run})", highlight=False)
    if len(outcomes) == 1:
        console.print(f"Model:   {last.model_hash}", highlight=False)
