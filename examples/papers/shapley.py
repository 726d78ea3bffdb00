"""What Shapley values say of contributions, beside the reputations that clients earn."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples.papers import reputation
from fedrobust.contributions import contributions
from fedrobust.core.fairness import pearson, spearman
from fedrobust.core.ledger import Entry
from fedrobust.scenario import Scenario
from fedrobust.simulate import Progress, simulate

__all__ = ["values"]

ROUNDS = 10
SPLITS = ("power_law", "growing_classes")


def values() -> Iterator[dict[str, Any]]:
    """Yield, for ten participants, each one's examples, Shapley value and reputation."""
    for split in SPLITS:
        for seed in (0, 1, 2):
            scenario = _scenario(split, seed)
            last: dict[int, Entry] = {}

            def keep(reached: Progress, into: dict[int, Entry] = last) -> None:
                into |= {e.client: e for e in reached.ledger.entries} if reached.ledger else {}

            with TemporaryDirectory() as folder:
                simulate(scenario, Path(folder), watch=keep)
            sizes = scenario.world().federation.sizes
            worth = contributions(scenario).values
            earned = [last[client].score or 0.0 for client in range(scenario.clients)]
            yield {
                "split": split,
                "seed": seed,
                "examples": list(sizes),
                "values": [round(value, 5) for value in worth],
                "reputations": [round(score, 5) for score in earned],
                "linear": reputation.short(pearson(worth, earned)),
                "ranks": reputation.short(spearman(worth, earned)),
                "by_examples": reputation.short(pearson(worth, sizes)),
            }


def _scenario(split: str, seed: int) -> Scenario:
    """Return the single run of the studies without adversaries, shortened."""
    table = Scenario.load(reputation.HOME / "free_riders.toml").table()
    table |= {"clients": 10, "rounds": ROUNDS, "seed": seed, "adversary": []}
    return Scenario.parse(table | {"partition": {"name": split, "examples": 600}})
