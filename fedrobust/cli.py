"""The command line.  Everything heavy is imported inside the commands."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from fedrobust.cli_results import commands, option

__all__ = ["main"]

cli = typer.Typer(
    help="Robust federated learning: which defense survives which attackers, at what price.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)
cli.add_typer(commands)


def main() -> None:
    """Run the command line."""
    # Idle threads of PyTorch that spin, rather than sleep, take the cores of those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    with _readable_errors():
        cli()


@cli.command()
def simulate(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO.toml] [KEY=VALUE]...",
            help="A scenario, and lines of TOML that change it.",
        ),
    ] = None,
    out: Annotated[Path, option("Where results and checkpoints go; runs by default.")] = Path(
        "runs"
    ),
    control: Annotated[
        bool, typer.Option("--control", help="First run it while nobody attacks, to compare.")
    ] = False,
    standalone: Annotated[
        bool,
        typer.Option("--standalone", help="First run it while each client learns alone."),
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the accuracy.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    threads: Annotated[int, option("Threads that PyTorch may use; 1 by default.")] = 1,
    track: Annotated[
        list[str] | None, option("Tell tensorboard or mlflow of the run, too; may be repeated.")
    ] = None,
) -> None:
    """Run a federation with its attackers and its defense.

    It is recorded in a folder.  SCENARIO.toml says what to run; without it a built-in demo runs.
    Lines of TOML after it change it for this run: rounds=50 data=digits adversary.0.share=0.3
    """
    from fedrobust.commands import Options, run_demo, run_scenario

    if threads < 1:
        raise typer.BadParameter(f"--threads takes a number from 1, not {threads}")
    options = Options(resume, quiet, json, threads, control, tuple(track or ()), standalone)
    given = list(arguments or [])
    overrides = [line for line in given if "=" in line]
    paths = [Path(word) for word in given if "=" not in word]
    if len(paths) > 1:
        raise typer.BadParameter(f"one scenario at a time, not {' and '.join(map(str, paths))}")
    if paths:
        run_scenario(paths[0], overrides, out / paths[0].stem, options)
    else:
        run_demo(overrides, out / "demo", options)


@cli.command()
def compare(
    study: Annotated[
        Path | None, typer.Argument(help="A study, as TOML; a built-in one by default.")
    ] = None,
    jobs: Annotated[int, option("How many processes; as many as there are cores by default.")] = 0,
    out: Annotated[Path, option("Where results go; runs by default.")] = Path("runs"),
    ray: Annotated[
        str, option("Run on the Ray cluster at this address, or auto, rather than here.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Run each defense against each attack, and report how they fared.

    What is done already is not run again: the same command goes on after Ctrl-C or a crash.
    """
    from fedrobust.studies import run_study

    if jobs < 0:
        raise typer.BadParameter(f"--jobs takes a number from 1, not {jobs}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    folder = out / (study.stem if study else "first-study")
    run_study(study, folder, jobs or cores or 1, quiet, ray or None)


@cli.command("list")
def list_components(
    kind: Annotated[
        str | None,
        typer.Argument(help="strategies, attacks, faults, data, partitions or models."),
    ] = None,
) -> None:
    """List what a scenario can name."""
    from fedrobust.catalogue import listing

    typer.echo(listing(kind))


@cli.command()
def show(name: Annotated[str, typer.Argument(help="A name that `fedrobust list` shows.")]) -> None:
    """Explain a strategy, an attack or whatever a scenario can name."""
    from fedrobust.catalogue import page

    typer.echo(page(name))


@cli.command()
def certify(
    scenario: Annotated[Path, typer.Argument(help="A scenario, as TOML.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Lines of TOML, such as num_malicious=5.")
    ] = None,
) -> None:
    """Say what is proven of a scenario's defense, without running it."""
    from fedrobust.certificate import Certificate
    from fedrobust.scenario import Scenario

    for line in Certificate.of(Scenario.load(scenario, overrides or [])).lines():
        typer.echo(line)


@cli.command()
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("scenario.toml"),
) -> None:
    """Write a commented scenario to start from."""
    from importlib.resources import files

    from fedrobust.errors import ConfigError

    text = files("fedrobust").joinpath("starter.toml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(
            f"{path} exists already, and stays as it is; name another file: "
            "fedrobust init my_scenario.toml"
        ) from None
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}.") from None
    typer.echo(f"Wrote {path}. Edit it, then: fedrobust simulate {path}")


@cli.command()
def version() -> None:
    """Print the versions of fedrobust and of what it stands on."""
    import platform
    from importlib.metadata import version as of

    packages = ("fedrobust", "flwr", "torch", "numpy", "pydantic")
    typer.echo(
        "  ".join(
            [f"{name} {of(name)}" for name in packages] + [f"python {platform.python_version()}"]
        )
    )


@contextmanager
def _readable_errors() -> Iterator[None]:
    """Turn what users can cause into a message and an exit status, and let bugs be seen."""
    try:
        yield
    except Exception as error:
        from fedrobust.errors import FedRobustError

        if not isinstance(error, FedRobustError):
            raise
        typer.echo(f"fedrobust: {error}", err=True)
        sys.exit(2)
