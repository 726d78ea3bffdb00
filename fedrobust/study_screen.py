"""What a person sees while a study runs."""

from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fedrobust.comparing import Comparison

__all__ = ["StudyScreen"]

_PLAIN_INTERVAL = 10.0  # seconds between lines where nothing can be redrawn


class StudyScreen:
    """Shows how far the cells of a study have come.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = self._made_bar() if console.is_terminal else None
        self._task = self._bar.add_task("", total=None, facts="") if self._bar else None
        self._last, self._began, self._at_first = 0.0, monotonic(), 0.0
        self._done_at_first = 0  # cells that an earlier call ran
        self._told: set[str] = set()  # what failed, and why

    def _made_bar(self) -> Progress:
        return Progress(
            TextColumn("{task.fields[facts]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            console=self._console,
        )

    def live(self) -> AbstractContextManager[object]:
        """Return the context in which the bar is redrawn."""
        return self._bar if self._bar is not None else nullcontext()

    def show(self, comparison: Comparison) -> None:
        """Show how far it is."""
        for place, why in comparison.why.items():
            cell, state = comparison.cells[place], comparison.state[place]
            name = cell.name if state == "failed" else ", ".join(cell.labels.values())
            if (told := f"{state}: {name}: {why}") not in self._told:
                self._told.add(told)
                self._console.print(told, highlight=False)
        done, total = comparison.rounds_done(), comparison.rounds_in_all()
        facts = ", ".join(
            f"{count} {state}"
            for state in ("done", "running", "waiting", "failed", "undefined")
            if (count := comparison.count(state))
        )
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total, facts=facts)
            return
        now = monotonic()
        if not self._last:
            self._began, self._at_first = now, done
            self._done_at_first = comparison.count("done")
        if not self._last or done == total or now - self._last >= _PLAIN_INTERVAL:
            self._last = now
            since = done - self._at_first
            known = since and comparison.count("done") > self._done_at_first
            left = (now - self._began) / since * (total - done) if known else 0.0
            remaining = f", about {left:.0f} s left" if left else ""
            self._console.print(f"runs: {facts}{remaining}", highlight=False)
