"""Whole rounds, beside Flower's own engine and beside nothing but the training."""

from collections.abc import Mapping
from typing import Any

from benchmarks.harness import Pool, Side
from benchmarks.report import Claim, Section, difference, ms, number, ratio, raw, rows

__all__ = ["fedavg_100", "fedavg_1000", "overhead"]

_ENGINE = "Flower's engine (Ray)"
_OURS = "benchmarks.ours"


def fedavg_100(pool: Pool) -> Section:
    """All of 100 clients, on digits."""
    nodes = 8 if pool.quick else 100
    fresh = {"rounds": 3, "fresh": True}
    lent = "Flower's FedAvg on our LocalGrid"
    pool.close()  # new processes, to see what they start with
    results = pool.measure(
        [
            _ours("fedrobust", nodes, nodes, 20, fresh),
            _engine(_ENGINE, nodes, nodes, 3, fresh),
            Side(lent, _OURS, "flowers_fedavg", {"nodes": nodes}, *_calls(20), fresh),
        ],
        seconds=25,
        limit=300,
    )
    ours, engine = results["fedrobust"], results[_ENGINE]
    columns, lines = rows(results, memory=True)
    for line, mine in zip(lines, results.values(), strict=True):
        line += [number(ratio(mine.cost("wall"), ours.cost("wall"))), number(mine.check)]
        line.append(number(difference(mine, ours.array)))
    faster = ratio(engine.cost("wall"), ours.cost("wall"))
    smaller = ratio(ours.memory, engine.memory)
    return Section(
        f"FedAvg, {nodes} of {nodes} clients",
        "A round of MLP 64-32-10 on digits: 64 examples a client, one epoch, batches of 16, "
        "through Flower's `Strategy.start`. The engine has started and is warm; the models are "
        "those after three rounds from the same start, with the same batches.",
        [*columns, "times ours (wall)", "accuracy", "model differs by"],
        lines,
        [
            Claim("wall time, Flower's engine / ours", faster, 50),
            Claim("memory, ours / Flower's engine", smaller, 1 / 3, at_least=False),
        ],
        raw=raw(results),
    )


def fedavg_1000(pool: Pool) -> Section:
    """All of 1,000 clients, and 100 of 10,000."""
    small, large, part = (8, 32, 4) if pool.quick else (1000, 10_000, 100)
    full, some, few = (f"{m:,} of {n:,}" for m, n in ((small, small), (part, small), (part, large)))
    ours, engine = {}, {}
    for case, n, m in ((full, small, small), (few, large, part)):
        fresh = {"rounds": 1, "fresh": True}
        pool.close()  # an engine has so many nodes for its life
        sides = [
            _ours(f"fedrobust, {case}", n, m, 5, fresh),
            _engine(f"{_ENGINE}, {case}", n, m, 1, fresh),
        ]
        more = [_ours(f"fedrobust, {some}", small, m, 5, fresh)] if case == few else []
        results = pool.measure(sides + more, times=5, seconds=40, limit=300)
        ours[case], engine[case], *rest = results.values()
        ours |= dict(zip([some], rest, strict=False))
    every = {mine.side.name: mine for mine in (*ours.values(), *engine.values())}
    columns, lines = rows(every, f"fedrobust, {few}", memory=True)
    columns[3] = f"times ours, {few}"
    for line, mine in zip(lines, every.values(), strict=True):
        same = mine is ours[full] or mine is engine[full]
        line.append(number(difference(mine, ours[full].array)) if same else "-")
    claims = [
        Claim(
            f"wall time, Flower's engine / ours, {case}",
            ratio(engine[case].cost("wall"), ours[case].cost("wall")),
            200,
        )
        for case in (full, few)
    ]
    flat = ratio(ours[few].cost(), ours[some].cost())
    claims.append(Claim(f"CPU time, ours, {few} / {some}", flat, 1.2, at_least=False))
    return Section(
        f"FedAvg, {full} and {few} clients",
        "The same, with a new process of each for each number of nodes. Who is sampled is each "
        "system's own choice, so models can be compared where all are.",
        [*columns, "model differs by"],
        lines,
        claims,
        raw=raw(every),
    )


def overhead(pool: Pool) -> Section:
    """What the Flower path costs on top of the training."""
    lines, claims, figures = [], [], {}
    mlp = {"name": "mlp", "shape": [64], "hidden": [32], "batch": 16, "steps": 4}
    lenet = {"name": "lenet", "shape": [1, 28, 28], "batch": 10, "steps": 2}
    for title, world, clients, most in (("MLP", mlp, 100, 1.5), ("LeNet", lenet, 32, 1.05)):
        args = world | {"clients": 4 if pool.quick else clients}
        direct = args | {"mean": True}
        results = pool.measure(
            [
                Side("through Flower", _OURS, "noise_rounds", args, *_calls(5)),
                Side("training and mean", _OURS, "noise_training", direct, *_calls(5)),
            ],
            times=11,
        )
        costs = [mine.cost() for mine in results.values()]
        what = f"{title}, {args['clients']} clients"
        figures[what] = raw(results)
        claims.append(Claim(what, ratio(*costs), most, at_least=False))
        lines.append([what, *(number(ms(cost)) for cost in costs), number(ratio(*costs))])
    return Section(
        "What Flower costs in one process",
        "CPU ms a round through `Strategy.start` and our LocalGrid, admission and ledger included, "
        "evaluation off, beside the training and a mean called directly.",
        ["model", "through Flower", "training and mean", "ratio"],
        lines,
        claims,
        raw=figures,
    )


def _calls(rounds: int) -> tuple[tuple[dict[str, int]], tuple[int]]:
    return ({"rounds": rounds},), (rounds,)


def _ours(name: str, nodes: int, sampled: int, rounds: int, first: Mapping[str, Any]) -> Side:
    args = {"nodes": nodes, "sampled": sampled}
    return Side(name, _OURS, "fedavg", args, *_calls(rounds), first)


def _engine(name: str, nodes: int, sampled: int, rounds: int, first: Mapping[str, Any]) -> Side:
    sample = {"sampled": sampled}
    calls, units = ({"rounds": rounds} | sample,), (rounds,)
    module = "benchmarks.peers.flower_jobs"
    return Side(name, module, "simulation", {"nodes": nodes}, calls, units, {**first, **sample})
