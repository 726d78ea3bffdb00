"""Reproduce results of papers, and write docs/papers.md.

python -m examples.papers [--jobs 2] [--mnist] [TABLE ...]
"""

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from examples.papers import (
    bucketing,
    grid,
    learning_from_history,
    report,
    reputation,
    shapley,
    theory,
)

RUNS: dict[str, Callable[..., Iterable[grid.Cell]]] = {
    "mimic": bucketing.mimic,
    "krum_label_flip": bucketing.krum_label_flip,
    "momentum": learning_from_history.momentum,
    "radius": bucketing.radius,
    "long_tail": bucketing.long_tail,
}
ON_MNIST = ("mimic", "krum_label_flip", "radius", "long_tail")
NUMBERS: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
    "coins": theory.coins,
    "quadratic": theory.quadratic,
    "kappas": theory.kappas,
    "eigenvalues": theory.eigenvalues,
    "rffl_shapley": shapley.values,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    every = [*NUMBERS, *RUNS, *reputation.STUDIES]
    parser.add_argument("tables", nargs="*", help=f"of {', '.join(every)}; or all")
    parser.add_argument("--jobs", type=int, default=1, help="processes, with one thread each")
    parser.add_argument("--again", action="store_true", help="forget what is on record")
    parser.add_argument("--mnist", action="store_true", help="use MNIST where the paper did")
    chosen = parser.parse_args()
    if unknown := set(chosen.tables) - set(every):
        parser.error(f"no table {', '.join(sorted(unknown))}")
    grid.alone()
    for name in chosen.tables or (ON_MNIST if chosen.mnist else every):
        on_mnist = chosen.mnist and name in ON_MNIST
        table = f"{name}_mnist" if on_mnist else name
        if chosen.again:
            grid.forget(table)
        if name in NUMBERS:
            grid.keep(table, grid.read(table) or NUMBERS[name]())
        elif name in reputation.STUDIES:
            grid.keep(table, reputation.study(name, chosen.jobs))
        else:
            cells = RUNS[name](data="mnist") if on_mnist else RUNS[name]()
            grid.run(table, list(cells), chosen.jobs)
    report.write()


if __name__ == "__main__":
    main()
