"""What Shapley values say of contributions, beside the reputations that clients earn."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples.papers import reputation
from fedrobust.contributions import contributions
from fedrobust.core.fairness import pearson, spearman
from fedrobust.core.ledger import Entry
from fedrobust.scenario import Scenario
from fedrobust.simulate import Progress, simulate

__all__ = ["RULES", "SPLITS", "scenario", "values"]

ROUNDS = 10
SPLITS = ("power_law", "growing_classes")
RULES = {"strict": [{"name": "reputation", "max_norm": 0.5}], "generous": None}  # as in the file


def values() -> Iterator[dict[str, Any]]:
    """Yield, for ten participants, each one's examples, Shapley value and reputation."""
    for split, rule, seed in product(SPLITS, RULES, (0, 1, 2)):
        run = scenario(split, rule, seed)
        last: dict[int, Entry] = {}

        def keep(reached: Progress, into: dict[int, Entry] = last) -> None:
            into |= {e.client: e for e in reached.ledger.entries} if reached.ledger else {}

        with TemporaryDirectory() as folder:
            simulate(run, Path(folder), watch=keep)
        sizes = run.world().federation.sizes
        worth = contributions(run).values
        earned = [last[client].score or 0.0 for client in range(run.clients)]
        yield {
            "split": split,
            "rewards": rule,
            "seed": seed,
            "digest": run.digest(),
            "examples": list(sizes),
            "values": [round(value, 5) for value in worth],
            "reputations": [round(score, 5) for score in earned],
            "linear": reputation.short(pearson(worth, earned)),
            "ranks": reputation.short(spearman(worth, earned)),
            "by_examples": reputation.short(pearson(worth, sizes)),
        }


def scenario(split: str, rule: str, seed: int) -> Scenario:
    """Return the single run of the studies without adversaries, shortened."""
    table = Scenario.load(reputation.HOME / "free_riders.toml").table()
    table |= {"clients": 10, "rounds": ROUNDS, "seed": seed, "adversary": []}
    table["strategy"] = RULES[rule] or table["strategy"]
    return Scenario.parse(table | {"partition": {"name": split, "examples": 600}})
