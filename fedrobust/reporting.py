"""What the command line does with results: report them, show them live, run them again."""

import logging
import shlex
import sys
from pathlib import Path

import typer
from rich.console import Console

from fedrobust.errors import ConfigError
from fedrobust.report.against import compared
from fedrobust.report.content import Content
from fedrobust.report.gathering import content_of
from fedrobust.report.watching import HOST, server
from fedrobust.report.writing import write
from fedrobust.results.places import folder_of
from fedrobust.screen import Screen
from fedrobust.verifying import Claim, claims_of, rerun

__all__ = ["report_on", "verify", "watch_folder"]


def report_on(folder: Path | None, against: Path | None, out: Path | None, results: Path) -> None:
    """Write the report of a folder of results, and say where it is.

    Raises:
        ConfigError: if there is nothing to report.
    """
    folder = folder_of(folder, results)
    content = content_of(folder)
    if against is not None:
        content = compared(content, content_of(folder_of(against, results)), str(against))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    tell(console, content)
    written = write(content, out or folder)
    console.print(f"\nReport: {written[0]}", style="bold")
    console.print(f"beside it: {', '.join(_beside(written, out or folder))}")


def tell(console: Console, content: Content) -> None:
    """Print what a report has to say first."""
    several = len(content.settings) > 1
    told = -1
    for headline in content.headlines:
        if several and headline.setting != told:
            told = headline.setting
            console.print(f"\n{content.settings[told].label}", style="bold")
        console.print(headline.text)
    if chosen := dict(content.method).get("Tuning"):
        console.print(chosen)
    for doubt in content.warnings:
        console.print(f"Careful: {doubt}")
    if content.changes is not None:
        beyond = sum(change.beyond_noise for change in content.changes)
        console.print(
            f"Since {content.against}: {beyond} of {len(content.changes)} figures changed beyond "
            "noise."
        )


def watch_folder(folder: Path | None, port: int, results: Path) -> None:
    """Serve the report of a folder on this machine until Ctrl-C.

    Raises:
        ConfigError: if there is nothing to report, or the port is taken.
    """
    folder = folder_of(folder, results)
    try:
        serving = server(folder, port)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen on port {port}: {error.strerror}. Name another, or 0 for any that is "
            "free: --port 0"
        ) from None
    Console(soft_wrap=True, highlight=False, markup=False).print(
        f"{folder}: http://{HOST}:{serving.server_port}/ (this machine only; Ctrl-C ends it)"
    )
    with serving:
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            return


def verify(what: str, run: str | None, every: bool, results: Path) -> None:
    """Run what was reported again, and exit with 1 if another model comes out.

    Args:
        what: a report.html, a folder of results or a run's id.
        run: which run of it.
        every: whether to run all of them rather than the first.
        results: the folder below which to look for ids.

    Raises:
        ConfigError: if there is no such report, folder or run.
    """
    logging.getLogger("flwr").setLevel(logging.ERROR)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    claims = claims_of(what, results, run)
    chosen = claims if every else claims[:1]
    try:
        same = [_verified(console, claim) for claim in chosen]
    except KeyboardInterrupt:
        console.print(f"\nInterrupted. Again: {shlex.join(['fedrobust', *sys.argv[1:]])}")
        raise typer.Exit(130) from None
    if len(claims) > 1:
        rest = "" if every else "; --all runs every one"
        console.print(f"{sum(same)} of {len(claims)} runs verified{rest}.")
    if not all(same):
        raise typer.Exit(1)


def _verified(console: Console, claim: Claim) -> bool:
    """Run a claim's scenario again, and say whether the same model comes out."""
    label = f"{claim.run} {claim.scenario.name}".strip()
    screen = Screen(console, label, claim.scenario.rounds)
    with screen.live():
        got = rerun(claim, screen.show)
    if got == claim.model_hash:
        console.print(f"Verified: {label} ends with the same model again, {got[:16]}.")
        return True
    console.print(
        f"Not the same: {label} ended with the model {claim.model_hash[:16]}, and now {got[:16]}."
    )
    if not claim.versions:
        console.print("A page does not say by which versions; others may add up otherwise.")
    elif changes := claim.changes():
        console.print(f"Other versions may add up otherwise: {'; '.join(changes)}.")
    else:
        console.print("The versions are the same; another processor may add up otherwise.")
    return False


def _beside(written: list[Path], folder: Path) -> list[str]:
    kinds = dict.fromkeys(path.relative_to(folder).parts[0] for path in written[1:])
    return [f"{kind}/" if (folder / kind).is_dir() else kind for kind in kinds]
