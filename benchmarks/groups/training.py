"""Local training alone, beside one client after the other."""

from benchmarks.harness import Pool, Side
from benchmarks.report import Claim, Section, difference, ms, number, ratio, raw, rows
from benchmarks.workers import PEERS

__all__ = ["models", "own_starts", "private", "stacked"]

_OURS, _PLAIN = "benchmarks.ours", "benchmarks.peers.plain_jobs"
_MLP = {"name": "mlp", "shape": [64], "hidden": [32], "batch": 16, "steps": 4}
_IMAGE = [1, 28, 28]
_LOOP = "plain PyTorch"
_FIVE = ({"rounds": 5},), (5,)  # rounds a run


def stacked(pool: Pool) -> Section:
    """100 small clients at once."""
    args = _MLP | {"clients": 5 if pool.quick else 100}
    results = pool.measure(
        [
            Side("fedrobust", _OURS, "noise_training", args, *_FIVE),
            Side(_LOOP, _PLAIN, "noise_training", args, *_FIVE),
        ],
        times=11,
    )
    ours, plain = results.values()
    columns, lines = rows(results)
    for line, mine in zip(lines, results.values(), strict=True):
        line.append(number(difference(mine, ours.array)))
    return Section(
        f"Training {args['clients']} clients",
        "MLP 64-32-10, one epoch of 64 examples in batches of 16 a client, drawing of batches "
        "included. The plain loop has a module and an optimizer.",
        [*columns, "updates differ by"],
        lines,
        [Claim("CPU time, plain loop / ours", ratio(plain.cost(), ours.cost()), 25)],
        raw=raw(results),
    )


def own_starts(pool: Pool) -> Section:
    """Clients whose models differ, as those that a strategy rewards differently."""
    clients = 5 if pool.quick else 100
    cases = {
        "MLP 64-32-10": _MLP | {"clients": clients},
        "LeNet": {"name": "lenet", "shape": _IMAGE, "batch": 10, "steps": 2, "clients": clients},
    }
    lines, claims, figures = [], [], {}
    for title, args in cases.items():
        own = args | {"apart": 0.01}
        results = pool.measure(
            [
                Side("one model for all", _OURS, "noise_training", args, *_FIVE),
                Side("a model for each", _OURS, "noise_training", own, *_FIVE),
                Side(f"{_LOOP}, a model for each", _PLAIN, "noise_training", own, *_FIVE),
            ],
            times=9,
            seconds=30,
        )
        shared, each, plain = results.values()
        figures[title] = raw(results)
        claims.append(
            Claim(
                f"{title}: CPU time, a model for each / one for all",
                ratio(each.cost(), shared.cost()),
                1.25,
                at_least=False,
            )
        )
        shown = [number(ms(m.cost())) for m in (shared, each, plain)]
        apart = number(difference(plain, each.array))
        lines.append([title, *shown, number(ratio(plain.cost(), each.cost())), apart])
    return Section(
        f"Training {clients} clients from models of their own",
        "CPU ms a round, as above; every client starts from another model, as under `reputation`.",
        [
            "model",
            "one model for all",
            "a model for each",
            f"{_LOOP}, a model for each",
            "plain / ours",
            "updates differ by",
        ],
        lines,
        claims,
        raw=figures,
    )


def models(pool: Pool) -> Section:
    """Every architecture we have."""
    from benchmarks import ours as api

    clients = 2 if pool.quick else 10
    cases = [
        (
            "LeNet, 32 clients, batch 10",
            {"name": "lenet", "shape": _IMAGE, "batch": 10, "clients": 3 if pool.quick else 32},
            1.8,
        ),
    ] + [
        (
            f"{name}, {clients} clients, batch 32",
            {"name": name, "shape": _IMAGE, "batch": 32, "clients": clients},
            0.95,
        )
        for name in api.model_names()
    ]
    lines, claims, figures = [], [], {}
    for title, world, least in cases:
        args = world | {"steps": 2}
        results = pool.measure(
            [
                Side("fedrobust", _OURS, "noise_training", args),
                Side(_LOOP, _PLAIN, "noise_training", args),
            ],
            times=9,
            seconds=12,
        )
        ours, plain = results.values()
        faster = ratio(plain.cost(), ours.cost())
        figures[title] = raw(results)
        claims.append(Claim(title, faster, least))
        failure = ours.failure or plain.failure
        shown = [number(ms(m.cost(what))) for what in ("cpu", "wall") for m in (ours, plain)]
        shown.append(failure or number(faster))
        lines.append([title, *shown, number(difference(plain, ours.array))])
    return Section(
        "Training every model",
        "Two steps of all clients on 28 x 28 gray images.",
        [
            "model",
            "CPU ms",
            f"{_LOOP}",
            "wall ms",
            f"{_LOOP}",
            "plain / ours (CPU)",
            "updates differ by",
        ],
        lines,
        claims,
        raw=figures,
    )


def private(pool: Pool) -> Section:
    """DP-SGD, beside Opacus."""
    clients, noise = 3 if pool.quick else 100, {"max_norm": 1.0, "noise_multiplier": 1.0}
    args = _MLP | {"clients": clients, "again": True}
    opacus = {"widths": [64, 32, 10], "clients": clients, "batch": 16, "steps": 4}
    job, peer = "noise_training", "benchmarks.peers.opacus_jobs"

    def sides(multiplier: float) -> list[Side]:
        fields = noise | {"noise_multiplier": multiplier}
        return [
            Side("fedrobust", _OURS, job, args | {"behaviors": {"dp_sgd": fields}}, *_FIVE),
            Side("Opacus", peer, job, opacus | {"noise": multiplier}, *_FIVE, python=PEERS),
        ]

    quiet = pool.measure(sides(0.0), times=1)
    apart = difference(quiet["Opacus"], quiet["fedrobust"].array)
    results = pool.measure(sides(1.0), times=9, seconds=12)
    ours, theirs = results.values()
    columns, lines = rows(results)
    return Section(
        f"DP-SGD of {clients} clients",
        "MLP 64-32-10, four steps on a client's 16 examples, each example's gradient clipped to 1, "
        "noise of multiplier 1. Opacus makes its module and optimizer once, for all clients. "
        f"Without noise the updates differ by {number(apart)}.",
        columns,
        lines,
        [Claim("CPU time, Opacus / ours", ratio(theirs.cost(), ours.cost()), 20)],
        raw=raw(results),
    )
