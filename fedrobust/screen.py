"""What a person sees while a run goes on: a live line in a terminal, plain lines elsewhere."""

from contextlib import AbstractContextManager, nullcontext
from time import monotonic

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from fedrobust.core.footprint import Footprint
from fedrobust.scenario import Scenario
from fedrobust.simulate import Outcome
from fedrobust.simulate import Progress as Reached
from fedrobust.standings import Standings

__all__ = ["Screen", "describe", "outcome_table"]

_PLAIN_INTERVAL = 5.0  # seconds between lines where nothing can be redrawn


class Screen:
    """Shows the progress of one run.

    Args:
        console: where to.
        label: what the run is called.
        rounds: how many it has.
        standings: of its clients, where its rule keeps reputations.
    """

    def __init__(
        self, console: Console, label: str, rounds: int, standings: Standings | None = None
    ) -> None:
        self._console, self._label, self._standings = console, label, standings
        self._bar = _bar(console) if console.is_terminal else None
        self._task = self._bar.add_task(label, total=rounds, facts="") if self._bar else None
        self._last, self._began, self._done, self._facts = 0.0, 0.0, 0, ""

    def live(self) -> AbstractContextManager[object]:
        """Return the context in which the bar is redrawn, and what stands below it."""
        if self._bar is None:
            return nullcontext()
        if self._standings is None:
            return self._bar
        return Live(Group(self._bar, self._standings), console=self._console)

    def show(self, reached: Reached) -> None:
        """Show what the run has reached."""
        if reached.ledger is None:
            self._began, self._done = monotonic(), reached.round
            if reached.footprint is not None:
                self._console.print(_memory(reached.footprint), highlight=False)
            if reached.round and self._bar is None:
                self._console.print(f"{self._label}: resumed after round {reached.round}")
        if reached.quality is not None:
            self._facts = _facts(reached)
        removed = self._standings.take(reached) if self._standings is not None else []
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=reached.round, facts=self._facts)
            return
        for line in removed:
            self._console.print(f"{self._label}: {line}", highlight=False)
        now = monotonic()
        if reached.round == reached.rounds or now - self._last >= _PLAIN_INTERVAL:
            self._last = now
            self._console.print(self._plain(reached, now), highlight=False)

    def _plain(self, reached: Reached, now: float) -> str:
        run = reached.round - self._done
        parts = [f"{self._label}: round {reached.round}/{reached.rounds}", self._facts]
        if self._standings is not None:
            parts.append(self._standings.ranges())
        if run and reached.round < reached.rounds:
            left = (now - self._began) / run * (reached.rounds - reached.round)
            parts.append(f"{left:.0f} s left")
        return "  ".join(filter(None, parts))


def describe(scenario: Scenario) -> str:
    """Return what a scenario runs, in one line."""
    strategy = " + ".join(part.reference() for part in scenario.strategy) or "mean"
    threats = [f"{len(a.clients)} {a.name} ({a.knowledge})" for a in scenario.adversaries]
    faults = ", ".join(fault.reference() for fault in scenario.fault)
    return (
        f"{scenario.data.reference()}, {scenario.partition.reference()}, "
        f"{scenario.model.reference()}, {scenario.clients} clients"
        f"{'' if scenario.sampled == scenario.clients else f', {scenario.sampled} a round'}; "
        f"{f'with {faults}; ' if faults else ''}"
        f"against {', '.join(threats) or 'nobody'}: {strategy}"
    )


def outcome_table(outcomes: list[tuple[str, Outcome]]) -> Table:
    """Return a table with a row a run.

    Where clients have models of their own, the mean accuracy of those stands beside that of the
    server's: one that nobody gets may know nothing.
    """
    summaries = [outcome.summary for _, outcome in outcomes]
    backdoor = any(s.attack_success is not None for s in summaries)
    own = any(s.collaboration is not None for s in summaries)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", min_width=20)
    more = [*(["own models"] if own else []), *(["attack success"] if backdoor else [])]
    for title in ["accuracy", "worst class", *more, "seconds"]:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("model hash", no_wrap=True)
    for (label, outcome), s in zip(outcomes, summaries, strict=True):
        mean = [_percent(s.collaboration.mean if s.collaboration else None)] if own else []
        success = [_percent(s.attack_success)] if backdoor else []
        figures = [_percent(s.accuracy), _percent(s.worst_class_accuracy), *mean, *success]
        table.add_row(label, *figures, f"{s.seconds:.1f}", outcome.model_hash[:8])
    return table


def _facts(reached: Reached) -> str:
    parts = [f"accuracy {reached.quality.accuracy:.1%}"] if reached.quality else []
    if reached.attack_success is not None:
        parts.append(f"attack success {reached.attack_success:.1%}")
    if reached.ledger is not None:
        dropped = len(reached.ledger.entries) - reached.ledger.admitted
        parts += [f"{dropped} dropped"] if dropped else []
        parts += ["kept old model"] if not reached.ledger.applied else []
    parts.append(f"{reached.seconds:.2f} s/round")
    return "  ".join(parts)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _memory(needed: Footprint) -> str:
    data, ahead = (f"{size / 1e6:,.0f} MB" for size in (needed.data, needed.ahead))
    return f"Memory: {data} of data, and up to {ahead} for the clients and their updates"


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[facts]}"),
        TimeRemainingColumn(),
        console=console,
    )
