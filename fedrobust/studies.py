"""What the command line does with a study: run it, report it, and say what came out."""

import logging
import shlex
import sys
from importlib.resources import files
from pathlib import Path
from shutil import copyfile

import typer
from rich.console import Console
from rich.table import Table

from fedrobust.axes import shown
from fedrobust.comparing import compare
from fedrobust.doubts import doubts
from fedrobust.overrides import parsed
from fedrobust.report.content import Content, Figure
from fedrobust.report.gathering import content_of
from fedrobust.report.planned import STUDY
from fedrobust.report.writing import write
from fedrobust.reporting import tell
from fedrobust.study import Cell, Study
from fedrobust.study_screen import StudyScreen

__all__ = ["run_study"]

_INTERRUPTED = 130
_PAGE = 150  # characters a line, where it is no terminal that says


def run_study(
    path: Path | None, folder: Path, jobs: int, quiet: bool, ray: str | None = None
) -> None:
    """Run a study, or the built-in one; write its report, and print what it came to."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    width = None if Console().is_terminal else _PAGE
    console = Console(quiet=quiet, soft_wrap=True, width=width, highlight=False, markup=False)
    text = files("fedrobust").joinpath(STUDY).read_text(encoding="utf-8")
    study = Study.parse(parsed(text)) if path is None else Study.load(path)
    cells = study.cells()
    folder.mkdir(parents=True, exist_ok=True)
    if path is None:
        (folder / STUDY).write_text(text, encoding="utf-8")
    elif path.resolve() != (folder / STUDY).resolve():
        copyfile(path, folder / STUDY)
    where = f"on Ray at {ray}" if ray else f"in {jobs} process{'es' if jobs > 1 else ''}"
    console.print(_description(study, cells, where))
    for doubt in doubts(study, cells):
        console.print(f"Careful: {doubt}")
    console.print(f"Watch it in a browser: fedrobust watch {folder}")
    screen = StudyScreen(console)
    try:
        with screen.live():
            comparison = compare(cells, folder, jobs, screen.show, ray=ray)
    except KeyboardInterrupt:
        command = shlex.join(["fedrobust", *sys.argv[1:]])
        console.print(f"\nInterrupted; nothing is lost. Go on with: {command}")
        raise typer.Exit(_INTERRUPTED) from None
    content = content_of(folder)
    written = write(content, folder)
    console.print()
    for setting in range(len(content.settings)):
        console.print(_table(content, setting))
        console.print()
    tell(console, content)
    console.print(f"\nReport: {written[0]}", style="bold")
    if comparison.count("failed"):
        raise typer.Exit(1)


def _description(study: Study, cells: list[Cell], where: str) -> str:
    axes = " x ".join(f"{len(values)} {shown(axis)}" for axis, values in study.axes.items())
    grid = f"{axes} x {len(study.seeds)} seeds, {len(cells)} runs"
    return f"{study.name or 'A study'}: {grid} {where}"


def _table(content: Content, setting: int) -> Table:
    """Return scores under each threat, and under the worst attack, of one setting."""
    name = content.settings[setting].label if len(content.settings) > 1 else ""
    title = f"Score in %{', ' if name else ''}{name}: the lower of accuracy and 1 - attack success"
    table = Table(box=None, pad_edge=False, header_style="bold", title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for threat in content.threats:
        table.add_column(threat.label, justify="right", no_wrap=True)
    table.add_column("worst", justify="right", no_wrap=True)
    for standing in content.rankings[setting].standings:
        places = ((standing.defense, t, setting) for t in range(len(content.threats)))
        cells = [content.cell(*place) for place in places]
        shown = [_shown(cell.figures.get("score") if cell else None) for cell in cells]
        label = content.defenses[standing.defense].label
        table.add_row(label, *shown, _shown(standing.worst))
    return table


def _shown(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    if figure.low is None or figure.high is None:
        return f"{100 * figure.mean:.1f}"
    return f"{100 * figure.mean:.1f} ± {50 * (figure.high - figure.low):.1f}"
