"""Run the benchmarks.

    python -m benchmarks [--quick] [NAME ...]

A name is a group (rounds, scale, training, frameworks, rules) or a section (fedavg_100);
without one, all.  Results go to benchmarks/results.json and docs/benchmarks.md, where those of
other sections stay.  With --quick everything is tried with little work, shown, and not written.
"""

import sys
import time
from collections.abc import Callable

from benchmarks.groups import frameworks, rounds, rules, scale, training
from benchmarks.harness import Pool
from benchmarks.report import Section, write
from benchmarks.workers import ROOT

Benchmark = Callable[[Pool], Section]
GROUPS: dict[str, tuple[Benchmark, ...]] = {
    "rounds": (rounds.fedavg_100, rounds.fedavg_1000, rounds.overhead),
    "scale": (scale.growth, scale.process),
    "training": (training.stacked, training.own_starts, training.models, training.private),
    "frameworks": (frameworks.fedavg, frameworks.dsgd),
    "rules": (rules.order_statistics, rules.others),
}
SECTIONS = {benchmark.__name__: benchmark for group in GROUPS.values() for benchmark in group}


def chosen(names: list[str]) -> list[str]:
    """Return the sections that names stand for.

    Raises:
        SystemExit: if there is no such group or section.
    """
    found: list[str] = []
    for name in names or GROUPS:
        if name not in GROUPS and name not in SECTIONS:
            known = ", ".join([*GROUPS, *SECTIONS])
            raise SystemExit(f"No benchmark is called {name!r}; there are {known}.")
        found += [b.__name__ for b in GROUPS[name]] if name in GROUPS else [name]
    return found


def main(arguments: list[str]) -> None:
    """Run, show, and write."""
    quick = "--quick" in arguments
    names = chosen([argument for argument in arguments if argument != "--quick"])
    results, page = ROOT / "benchmarks" / "results.json", ROOT / "docs" / "benchmarks.md"
    with Pool(quick=quick) as pool:
        for name in names:
            began = time.monotonic()
            section = SECTIONS[name](pool)
            print(f"\n{section.text(f'{time.monotonic() - began:.0f} s')}", flush=True)
            for claim in section.claims:
                print("- " + ": ".join(claim.cells()), flush=True)
            if not quick:
                write(results, page, {name: section}, list(SECTIONS))


if __name__ == "__main__":
    main(sys.argv[1:])
