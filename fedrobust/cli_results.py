"""The commands that read results.  Everything heavy is imported inside them."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["commands", "option"]

commands = typer.Typer(rich_markup_mode=None)


def option(help: str) -> Any:
    """Return an option whose help names its default: typer escapes the brackets it would add."""
    return typer.Option(help=help, show_default=False)


Results = Annotated[Path, option("Where runs lie; runs by default.")]


@commands.command()
def report(
    folder: Annotated[
        Path | None, typer.Argument(help="Results; those written last by default.")
    ] = None,
    against: Annotated[
        Path | None, option("Other results: say what differs from them beyond noise.")
    ] = None,
    out: Annotated[Path | None, option("Where to write it; beside the results by default.")] = None,
    results: Results = Path("runs"),
) -> None:
    """Write a report: page, LaTeX tables, drawings, Markdown, CSV."""
    from fedrobust.reporting import report_on

    report_on(folder, against, out, results)


@commands.command()
def watch(
    folder: Annotated[
        Path | None, typer.Argument(help="Results; those written last by default.")
    ] = None,
    port: Annotated[int, option("Where to listen on this machine; 8765 by default.")] = 8765,
    results: Results = Path("runs"),
) -> None:
    """Show the report of a study in a browser while it runs.

    Only this machine can see it, and it only reads.
    """
    from fedrobust.reporting import watch_folder

    watch_folder(folder, port, results)


@commands.command()
def verify(
    what: Annotated[
        str, typer.Argument(help="A report.html, the folder of results, or a run's id.")
    ],
    run: Annotated[
        str | None, option("Which run of a report or folder; the first by default.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Verify every run, not only one.")] = False,
    results: Results = Path("runs"),
) -> None:
    """Run a reported run again, and compare the hash of its model."""
    from fedrobust.reporting import verify as verify_run

    verify_run(what, run, every, results)


@commands.command()
def export(
    run: Annotated[str, typer.Argument(help="A run's id, or the folder of its results.")],
    format: Annotated[str, option("csv (the default), parquet or json.")] = "csv",
    out: Annotated[Path, option("Where to write; export by default.")] = Path("export"),
    results: Results = Path("runs"),
) -> None:
    """Write the tables of a run as CSV, Parquet or JSON."""
    from fedrobust.commands import export_run

    for written in export_run(run, format, out, results):
        typer.echo(written)


@commands.command()
def ledger(
    run: Annotated[str, typer.Argument(help="A run's id, or the folder of its results.")],
    client: Annotated[int | None, option("Show every round of this client.")] = None,
    results: Results = Path("runs"),
) -> None:
    """Say what a defense did to each client, and why.

    Who was left out, when, and how well the rule told malicious clients from honest ones.
    """
    from fedrobust.ledger import show_ledger

    show_ledger(run, client, results)
