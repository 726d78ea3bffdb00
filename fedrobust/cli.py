"""The command line.  Everything heavy is imported inside the commands."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["main"]

cli = typer.Typer(
    help="Robust federated learning: which defense survives which attackers, at what price.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)


def _option(help: str) -> Any:
    """Return an option whose help names its default: typer escapes the brackets it would add."""
    return typer.Option(help=help, show_default=False)


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
    out: Annotated[Path, _option("Where results and checkpoints go; runs by default.")] = Path(
        "runs"
    ),
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only the accuracy.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    threads: Annotated[int, _option("Threads that PyTorch may use; 1 by default.")] = 1,
) -> None:
    """Run a federation with its attackers and its defense, and record it.

    SCENARIO.toml says what to run; without it a built-in demo runs.  Lines of TOML after it
    change it for this run: rounds=50 data=digits adversary.0.share=0.3
    """
    from fedrobust.commands import Options, run_demo, run_scenario

    if threads < 1:
        raise typer.BadParameter(f"--threads takes a number from 1, not {threads}")
    options = Options(resume, quiet, json, threads)
    given = list(arguments or [])
    overrides = [line for line in given if "=" in line]
    paths = [Path(word) for word in given if "=" not in word]
    if len(paths) > 1:
        raise typer.BadParameter(f"one scenario at a time, not {' and '.join(map(str, paths))}")
    if paths:
        run_scenario(paths[0], overrides, out / paths[0].stem, options)
    else:
        run_demo(overrides, out / "demo", options)


@cli.command("list")
def list_components(
    kind: Annotated[
        str | None, typer.Argument(help="strategies, attacks, data, partitions or models.")
    ] = None,
) -> None:
    """List what a scenario can name."""
    from fedrobust.catalogue import listing

    typer.echo(listing(kind))


@cli.command()
def show(name: Annotated[str, typer.Argument(help="A name that `fedrobust list` shows.")]) -> None:
    """Explain a strategy, an attack, a data set, a partition or a model."""
    from fedrobust.catalogue import page

    typer.echo(page(name))


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
def export(
    run: Annotated[str, typer.Argument(help="A run's id, or the folder of its results.")],
    format: Annotated[str, _option("csv (the default), parquet or json.")] = "csv",
    out: Annotated[Path, _option("Where to write; export by default.")] = Path("export"),
    results: Annotated[Path, _option("Where runs lie; runs by default.")] = Path("runs"),
) -> None:
    """Write the tables of a run as CSV, Parquet or JSON."""
    from fedrobust.commands import export_run

    for written in export_run(run, format, out, results):
        typer.echo(written)


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
