"""Whole algorithms, beside other frameworks: CPU time of one more client update."""

from typing import Any

from benchmarks.harness import Measured, Pool, Side
from benchmarks.report import Claim, Section, number, ratio, raw, rows
from benchmarks.workers import PEERS

__all__ = ["dsgd", "fedavg"]

_OURS, _PLAIN = "benchmarks.ours", "benchmarks.peers.plain_jobs"


def fedavg(pool: Pool) -> Section:
    """FedAvg of 20 of 100 clients."""
    clients, sampled, short, long = (6, 2, 1, 2) if pool.quick else (100, 20, 5, 25)
    work: dict[str, Any] = {
        "job": "images_fedavg",
        "args": {"clients": clients, "sampled": sampled},
        "calls": ({"number": short}, {"number": long}),
        "units": (short * sampled, long * sampled),
    }
    peers = {"BlazeFL": "blazefl", "pfl": "pfl", "ByzFL": "byzfl"}
    results = pool.measure(
        [
            Side("fedrobust", _OURS, **work),
            *(
                Side(name, f"benchmarks.peers.{module}_jobs", python=PEERS, **work)
                for name, module in peers.items()
            ),
            Side("plain PyTorch", _PLAIN, **work),
        ],
        times=4,
        seconds=20,
    )
    columns, lines = _with_accuracy(results)
    best = _best(results, peers)
    return Section(
        f"FedAvg, {sampled} of {clients} clients",
        "Fully connected net 784-100-10, 79,510 parameters, one epoch of 100 examples in batches "
        f"of 20. Times of one client's update: the slope between {short} and {long} rounds. "
        f"Accuracy after {long} rounds; batches and samples are each system's own.",
        columns,
        lines,
        [Claim("CPU time, best framework / ours", ratio(best, results["fedrobust"].cost()), 2)],
        raw=raw(results),
    )


def dsgd(pool: Pool) -> Section:
    """Distributed SGD with Byzantine clients."""
    clients, byzantine, short, long = (9, 2, 1, 2) if pool.quick else (25, 5, 5, 30)
    world = {"clients": clients, "byzantine": byzantine}
    multi_krum = {"name": "krum", "keep": "n-f", "neighbors": "n-f-1"}
    nnm = {"name": "nearest_neighbor_mixing"}
    cases = {
        "NNM + trimmed mean": (
            [nnm, {"name": "trimmed_mean"}],
            {"ByzFL": ("TrMean", ["NNM"]), "ByzPy": ("trimmed_mean", ["nnm"])},
        ),
        "Multi-Krum": (
            [multi_krum],
            {"ByzFL": ("MultiKrum", []), "ByzPy": ("multi_krum", [])},
        ),
    }
    calls = ({"number": short}, {"number": long})
    units = (short * clients, long * clients)
    lines, claims, figures = [], [], {}
    for title, (parts, peers) in cases.items():
        job = "images_dsgd"
        sides = [Side("fedrobust", _OURS, job, world | {"parts": parts}, calls, units)]
        for name, (rule, before) in peers.items():
            args = world | {"rule": rule, "before": before}
            module = f"benchmarks.peers.{name.lower()}_jobs"
            sides.append(Side(name, module, job, args, calls, units, python=PEERS))
        results = pool.measure(sides, times=4, seconds=20)
        figures[title] = raw(results)
        columns, more = _with_accuracy(results)
        lines += [[title, *line] for line in more]
        value = ratio(_best(results, peers), results["fedrobust"].cost())
        claims.append(Claim(f"{title}: CPU time, best framework / ours", value, 2))
    return Section(
        f"Distributed SGD, {byzantine} of {clients} clients Byzantine",
        "The same net; a step of 20 examples a round, client momentum 0.9; the attackers send the "
        "negative mean of the honest. ByzPy has no momentum and so does a little less; in ByzFL "
        "and ByzPy attackers do not train, in fedrobust they do. Times of one client's update: "
        f"the slope between {short} and {long} rounds; accuracy after {long}.",
        ["rule", *columns],
        lines,
        claims,
        raw=figures,
    )


def _with_accuracy(results: dict[str, Measured]) -> tuple[list[str], list[list[str]]]:
    columns, lines = rows(results)
    for line, mine in zip(lines, results.values(), strict=True):
        line.append(number(mine.check))
    return [*columns, "accuracy"], lines


def _best(results: dict[str, Measured], names: Any) -> float | None:
    known = [cost for name in names if (cost := results[name].cost()) is not None]
    return min(known, default=None)
