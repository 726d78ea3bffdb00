"""How clients stand with a rule that keeps reputations, while a run goes on."""

from collections.abc import Iterable
from math import ceil, log10

from rich.bar import Bar
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from fedrobust.core.ledger import Entry
from fedrobust.scenario import Scenario
from fedrobust.simulate import Progress

__all__ = ["Standings"]

_MOST = 24  # clients shown
_AROUND = 6  # lines of a terminal that are not theirs
_BAR = 24  # characters of the highest reputation
_HONEST = "honest"


class Standings:
    """A table of clients that is redrawn in a terminal; where nothing is, lines say the same.

    Args:
        scenario: what is run, by a rule that keeps reputations.
    """

    def __init__(self, scenario: Scenario) -> None:
        hostile = ((client, a.name) for a in scenario.adversaries for client in a.clients)
        self._roles = dict.fromkeys(range(scenario.clients), _HONEST) | dict(hostile)
        self._decimals = max(0, ceil(log10(scenario.clients / 50)))  # two digits, on average
        self._probation = scenario.rule.rule.probation
        self._last: dict[int, Entry] = {}  # client: the last round in which it was judged
        self._removed: dict[int, int] = {}  # client: round

    def take(self, reached: Progress) -> list[str]:
        """Take in what the run has reached, and return a line for each client it removed."""
        if reached.ledger is None:
            self._removed = dict(reached.removed)
            return []
        told = []
        for entry in reached.ledger.entries:
            if entry.score is None:
                continue
            self._last[entry.client] = entry
            gone = entry.score == 0 and self._may_remove(reached.round)
            if gone == (entry.client in self._removed):
                continue
            became = "removed" if gone else "counts again"
            who = f"client {entry.client} ({self._roles[entry.client]})"
            told.append(f"round {reached.round}: {who} {became}")
            if gone:
                self._removed[entry.client] = reached.round
            else:
                del self._removed[entry.client]
        return told

    def _may_remove(self, round: int) -> bool:
        return self._probation is not None and round > self._probation

    def ranges(self) -> str:
        """Return between which shares the reputations of honest and malicious clients lie."""
        scores: dict[str, list[float]] = {}
        for client, entry in self._last.items():
            kind = _HONEST if self._roles[client] == _HONEST else "malicious"
            scores.setdefault(kind, []).append(entry.score or 0.0)
        said = [f"{kind} {self._range(own)}" for kind, own in sorted(scores.items())]
        return f"reputation {', '.join(said)}" if said else ""

    def _range(self, shares: Iterable[float]) -> str:
        low, high = (f"{100 * end:.{self._decimals}f}" for end in (min(shares), max(shares)))
        return f"{low}%" if low == high else f"{low}-{high}%"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # The terminal is redrawn by a thread of its own.
        last, removed = dict(self._last), dict(self._removed)
        rare = [c for c in last if c in removed or self._roles[c] != _HONEST]
        order = sorted(rare) + sorted(last.keys() - rare)
        shown = sorted(order[: max(1, min(_MOST, console.height - _AROUND))])
        if shown:
            most = max(entry.score or 0.0 for entry in last.values()) or 1.0
            yield self._table([last[client] for client in shown], removed, most)
        if len(shown) < len(last):
            yield f"{len(last) - len(shown)} more clients are not shown."

    def _table(self, entries: list[Entry], removed: dict[int, int], most: float) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("client", justify="right")
        table.add_column("role", no_wrap=True)
        table.add_column("reputation", width=_BAR)
        table.add_column("share", justify="right")
        table.add_column("reward", justify="right")
        table.add_column("", no_wrap=True)
        for entry in entries:
            share, when = entry.score or 0.0, removed.get(entry.client)
            role = self._roles[entry.client]
            table.add_row(
                str(entry.client),
                role,
                Bar(most, 0, share, width=_BAR, color="default" if role == _HONEST else "red"),
                f"{100 * share:.{self._decimals + 1}f}%",
                "-" if entry.quota is None else f"{entry.quota:.0%}",
                "" if when is None else f"removed in round {when}",
                style=None if when is None else "dim",
            )
        return table
