"""What a report says.  Its page, its tables and its drawings are all made from this.

Cells, defenses, threats and settings name each other by their places in the lists of `Content`.
Everything is plain data, so that `Content.json` is all that the page needs.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from fedrobust.axes import Role
from fedrobust.report.clients import Clients, Reputations, Roc, Timeline
from fedrobust.report.trials import Tuning
from fedrobust.results.rows import finite

__all__ = [
    "Axis",
    "Band",
    "Cell",
    "Change",
    "Content",
    "Figure",
    "Headline",
    "Measure",
    "Option",
    "Ranking",
    "Run",
    "Split",
    "Standing",
]

_DIGITS = 5  # significant, of every number: more would only make the page larger


@dataclass(frozen=True)
class Axis:
    """Along what a study's scenarios differ."""

    key: str  # of a scenario, such as "strategy" or "adversary.0.share"
    role: Role
    labels: list[str]


@dataclass(frozen=True)
class Option:
    """A defense, a threat or a setting: one label on each axis of that role."""

    label: str
    values: dict[str, str]  # axis: label
    plain: bool = False  # of a defense: it is the mean; of a threat: nobody attacks


@dataclass(frozen=True)
class Measure:
    """A figure that tables show of each cell."""

    key: str
    title: str
    unit: Literal["share", "seconds", "bytes", "number"]
    better: Literal["higher", "lower", ""]
    explain: str  # one sentence


@dataclass(frozen=True)
class Figure:
    """A figure over seeds: its mean, and where the true mean lies with 95 % confidence."""

    mean: float
    low: float | None  # None with one seed
    high: float | None
    each: list[float]  # in the order of the runs that have it


@dataclass(frozen=True)
class Band:
    """A figure round by round: its mean over seeds, and their extremes."""

    rounds: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


@dataclass(frozen=True)
class Run:
    """One run of a cell."""

    id: str
    seed: int
    model_hash: str


@dataclass(frozen=True)
class Cell:
    """One defense under one threat in one setting."""

    defense: int
    threat: int
    setting: int
    state: Literal["done", "partly", "missing", "undefined"]
    why: str  # what is missing, or why the rule is not defined
    runs: list[Run]
    figures: dict[str, Figure]  # measure: what it came to; without what a run does not have
    curves: dict[str, Band]  # "accuracy", "attack_success"
    clients: Clients | None  # of the first run
    timeline: Timeline | None  # of the first run; None where the rule excludes nobody by weight
    scenario: str  # of the first run, as TOML to copy
    reputations: Reputations | None = None  # of the first run; None where the rule keeps none
    roc: Roc | None = None  # of the first run; None where nobody attacks, or the rule judges nobody


@dataclass(frozen=True)
class Standing:
    """How one defense fared over all attacks of a setting."""

    defense: int
    rank: float | None  # mean over attacks; 1 is best.  None where a cell is missing
    clean: Figure | None  # accuracy while nobody attacks
    price: Figure | None  # accuracy lost to that of the undefended, while nobody attacks
    average: Figure | None  # score over all attacks
    worst: Figure | None  # score under the worst attack of each seed
    worst_threat: int | None  # under which it is lowest on average
    noise: float | None  # multiplier of the noise added for privacy


@dataclass(frozen=True)
class Ranking:
    """Which defenses of a setting are better than which, over all its attacks."""

    setting: int
    standings: list[Standing]  # best first: by worst case
    attacks: int  # that ranks are means over
    critical: float | None  # by how much mean ranks differ beyond chance (Nemenyi, 5 %)
    groups: list[list[int]]  # defenses whose ranks do not differ beyond chance
    p: float | None  # that all ranks are equal (Friedman)


@dataclass(frozen=True)
class Headline:
    """What there is to say about one threat, in words."""

    setting: int
    threat: int | None  # None: all attacks, by worst case
    text: str
    best: list[int]  # defenses: the best first, then those that tie with it


@dataclass(frozen=True)
class Split:
    """Who holds what, in the first run of a setting."""

    setting: int
    seed: int
    client: list[int]
    counts: list[list[int]]  # a list of examples by class for each client


@dataclass(frozen=True)
class Change:
    """How a cell differs from the same in another report."""

    defense: int
    threat: int
    setting: int
    measure: str
    before: float
    after: float
    low: float | None  # the difference lies between, with 95 % confidence
    high: float | None
    beyond_noise: bool


@dataclass(frozen=True)
class Content:
    """Everything that a report says.

    Attributes:
        times: what a rerun would measure anew: for each cell, seconds of a round by phase.  All
            else is the same whenever the same study is reported.
    """

    name: str
    axes: list[Axis]
    defenses: list[Option]
    threats: list[Option]
    settings: list[Option]
    measures: list[Measure]
    cells: list[Cell]
    headlines: list[Headline]
    rankings: list[Ranking]
    splits: list[Split]
    method: list[tuple[str, str]]  # title and text of each paragraph
    warnings: list[str]
    results_hash: str  # of all runs' model hashes
    times: list[dict[str, float]] = field(default_factory=list)
    changes: list[Change] | None = None  # None: compared with no other report
    against: str = ""  # what that is called
    tuning: list[Tuning] = field(default_factory=list)  # empty where nothing was tuned

    def cell(self, defense: int, threat: int, setting: int) -> Cell | None:
        """Return one cell; None if the study leaves that combination out."""
        place = (defense, threat, setting)
        found = (c for c in self.cells if (c.defense, c.threat, c.setting) == place)
        return next(found, None)

    def json(self) -> str:
        """Return everything as JSON, the same text for the same content."""
        table = finite(_short(asdict(self)))
        return json.dumps(table, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_short(item) for item in value]
    return value
