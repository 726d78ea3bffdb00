"""What the benchmarks found, as JSON that outlives a run and as a page."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Measured
from benchmarks.workers import PEERS

__all__ = ["Claim", "Section", "difference", "number", "rows", "write"]

HEAD = """# Benchmarks

Made by `make bench`, last on {date}; do not edit. `make bench BENCHMARKS="rules training"` repeats
only those groups, of which the others keep what is on record in `benchmarks/results.json`; each
table says when and on what it was measured. `make bench BENCHMARKS=--quick` tries everything once
with little work and writes nothing.

{machine}

Every system runs in a process of its own, in one thread, on the same data with the same number of
steps. They take turns (A B C, A B C, ...) after a run that warms up, and a figure is the median of
the turns. The machine may be shared: CPU time and ratios within a table are what to trust. CPU
time counts child processes, which for Flower's engine do all the work. Memory counts private
pages of all processes, and pages they share once. "Times ours" is a system's CPU time divided by
fedrobust's.

## Targets

| group | what | measured | target | reached |
|---|---|---|---|---|
"""
PACKAGES = ("torch", "numpy", "numba", "flwr", "ray")
PEER_PACKAGES = ("byzfl", "byzpy", "blazefl", "pfl", "opacus")


@dataclass
class Claim:
    """A figure and what it was meant to be."""

    what: str
    value: float | None
    target: float
    at_least: bool = True
    unit: str = "x"

    @property
    def reached(self) -> bool:
        """Whether the figure is as good as the target."""
        if self.value is None:
            return False
        return self.value >= self.target if self.at_least else self.value <= self.target

    def cells(self) -> list[str]:
        """Return it as cells of a table."""
        bound = "at least" if self.at_least else "at most"
        measured = "-" if self.value is None else f"{number(self.value)}{self.unit}"
        answer = "-" if self.value is None else "yes" if self.reached else "**no**"
        return [self.what, measured, f"{bound} {number(self.target)}{self.unit}", answer]


@dataclass
class Section:
    """One table of the page."""

    title: str
    about: str
    columns: Sequence[str]
    lines: Sequence[Sequence[str]]
    claims: Sequence[Claim] = ()
    notes: Sequence[str] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)

    def text(self, made: str) -> str:
        """Return it as Markdown."""
        parts = [f"## {self.title}\n\n{self.about} ({made})\n", table(self.columns, self.lines)]
        parts += [f"\n{note}\n" for note in self.notes]
        return "\n".join(parts)


def number(value: float | None) -> str:
    """Return three significant digits, without an exponent unless it is needed.

    >>> [number(value) for value in (1234.5, 12.345, 0.012345, 1.2e-9, None)]
    ['1,234', '12.3', '0.0123', '1.2e-09', '-']
    """
    if value is None:
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.1e}"


def table(columns: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    every = [columns, ["---"] * len(columns), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in every) + "\n"


def rows(
    results: Mapping[str, Measured], ours: str = "fedrobust", *, memory: bool = False
) -> tuple[list[str], list[list[str]]]:
    """Return the columns and lines that most tables have: times, and how often ours they are."""
    columns = ["system", "CPU ms", "wall ms", "times ours"]
    columns += ["memory MB", "start-up s"] if memory else []
    base, lines = results[ours].cost(), []
    for name, mine in results.items():
        if mine.failure is not None:
            lines.append([name, mine.failure, *["-"] * (len(columns) - 2)])
            continue
        cpu, wall = mine.cost("cpu"), mine.cost("wall")
        line = [name, number(ms(cpu)), number(ms(wall)), number(ratio(cpu, base))]
        if memory:
            line += [number(mine.memory and mine.memory / 1e6), number(mine.start)]
        lines.append(line)
    return columns, lines


def ms(seconds: float | None) -> float | None:
    """Return milliseconds."""
    return None if seconds is None else 1000 * seconds


def ratio(a: float | None, b: float | None) -> float | None:
    """Return a / b; None if one of them is unknown."""
    return None if a is None or not b else a / b


def difference(a: Measured, b: np.ndarray | None) -> float | None:
    """Return the largest difference between an answer and another; None if there are not two."""
    if a.array is None or b is None or a.array.shape != b.shape:
        return None
    return float(np.abs(a.array - b).max())


def raw(results: Mapping[str, Measured]) -> dict[str, Any]:
    """Return all figures, unrounded."""
    return {
        name: {
            "cpu": mine.cost("cpu"),
            "wall": mine.cost("wall"),
            "memory": mine.memory,
            "runs": [len(runs) for runs in mine.runs],
            "failure": mine.failure,
        }
        for name, mine in results.items()
    }


def cores() -> str:
    """Return how many cores there are, and of what."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores of {cpu}"


def machine() -> str:
    """Return what the last run was on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    ours = [f"{name} {_version(name)}" for name in PACKAGES]
    return (
        f"Last on {cores()}, {memory:.0f} GiB, {platform.system()}, Python "
        f"{platform.python_version()}, load {os.getloadavg()[1]:.1f} at the end.\n\n"
        f"Versions: {', '.join(ours + _peers())}."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _peers() -> list[str]:
    code = "import sys; from importlib.metadata import version as v; print(v(sys.argv[1]))"
    found = []
    for name in PEER_PACKAGES:
        try:
            command = [PEERS, "-c", code, name]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            said = "not installed"
        found.append(f"{name} {said.strip()}")
    return found


def write(results: Path, page: Path, new: Mapping[str, Section], order: Sequence[str]) -> None:
    """Add sections to the results of earlier runs, and write the page of all of them."""
    kept = json.loads(results.read_text("utf-8")) if results.exists() else {}
    today = f"{date.today():%d %B %Y}"
    made = {"date": today, "cores": cores()}
    kept |= {key: {**made, **asdict(section)} for key, section in new.items()}
    results.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", "utf-8")
    page.write_text(render(kept, order), "utf-8")


def render(kept: Mapping[str, dict[str, Any]], order: Sequence[str]) -> str:
    """Return the page of all results, in order."""
    sections, dates = {}, {}
    for key in (key for key in order if key in kept):
        fields = dict(kept[key])
        dates[key] = f"{fields.pop('date')}, {fields.pop('cores')}"
        claims = [Claim(**claim) for claim in fields.pop("claims")]
        sections[key] = Section(claims=claims, **fields)
    text = HEAD.format(date=f"{date.today():%d %B %Y}", machine=machine())
    for section in sections.values():
        for claim in section.claims:
            text += f"| {' | '.join([section.title, *claim.cells()])} |\n"
    return text + "".join(f"\n{section.text(dates[key])}" for key, section in sections.items())
