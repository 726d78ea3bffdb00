"""Measure the table in the README: the demo's federation, three attacks, three seeds.

python examples/readme_table.py [SEEDS]     about 5 minutes on one core
"""

import logging
import sys
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

import torch

from fedrobust.demo import demo
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

ATTACKS = {
    "sign flip, 3 times as long": {"name": "sign_flip", "scale": 3.0},
    "ALIE, z = 1.5": {"name": "alie", "z": 1.5},
    "IPM, epsilon = 0.5": {"name": "ipm", "epsilon": 0.5},
}


def accuracies(scenario: Scenario, seeds: range) -> list[float]:
    """Return the final accuracy of a scenario for each seed."""
    found = []
    for seed in seeds:
        with TemporaryDirectory() as folder:
            outcome = simulate(scenario.model_copy(update={"seed": seed}), Path(folder))
        found.append(100 * (outcome.summary.accuracy or 0.0))
    return found


def main() -> None:
    """Print the table as Markdown."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
    runs = dict(demo())
    clean = accuracies(runs.pop("no attack, mean"), seeds)
    labels = [label.removeprefix("attack, ") for label in runs]
    print(f"| attack by 10 of 50 clients | {' | '.join(labels)} |")
    print("|---" * (len(labels) + 1) + "|")
    print(f"| none | {mean(clean):.1f} ± {stdev(clean):.1f} |" + " |" * (len(labels) - 1))
    for title, attack in ATTACKS.items():
        cells = []
        for scenario in runs.values():
            table = scenario.table()
            table["adversary"][0]["attack"] = attack
            table["adversary"][0].pop("knowledge", None)
            found = accuracies(Scenario.parse(table), seeds)
            lost = mean(clean) - mean(found)
            cells.append(f"{mean(found):.1f} ± {stdev(found):.1f} (-{lost:.1f})")
        print(f"| {title} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
