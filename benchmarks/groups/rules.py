"""Aggregation rules alone, beside those of others, and how exact the answers are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks import reference, tasks
from benchmarks.harness import Measured, Pool, Side
from benchmarks.report import Claim, Section, difference, ms, number, ratio, raw
from benchmarks.workers import PEERS

__all__ = ["order_statistics", "others"]

_OURS, _BYZFL = "benchmarks.ours", "benchmarks.peers.byzfl_jobs"
_BYZPY, _FLOWER = "benchmarks.peers.byzpy_jobs", "benchmarks.peers.flower_jobs"
_SIZES = ((10, 1_000_000), (50, 200_000), (100, 100_000))
_SMALL = ((10, 1000),)
_READS = {
    "median": {10: 1.3, 50: 4.5, 100: 6.0},
    "trimmed_mean": {10: 1.3, 50: 4.5, 100: 6.0},
    "phocas": {10: 5.0, 50: 5.0, 100: 6.0},
}
_NO_PEER_HAS = ("phocas",)
_OUR_NAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "median": ("coordinate_median", {}),
    "trimmed_mean": ("trimmed_mean", {}),
    "krum": ("krum", {"neighbors": "n-f-1"}),
    "multi_krum": ("krum", {"neighbors": "n-f-1", "keep": "n-f"}),
    "geometric_median": ("geometric_median", {}),
    "nnm": ("nearest_neighbor_mixing", {}),
    "mda": ("minimum_diameter_averaging", {}),
    "smea": ("smea", {}),
    "centered_clipping": ("centered_clipping", {}),
    "meamed": ("mean_around_median", {}),
    "phocas": ("phocas", {}),
}
_TITLES = {
    "multi_krum": "Multi-Krum",
    "nnm": "NNM",
    "mda": "MDA",
    "smea": "SMEA",
    "meamed": "MeaMed",
}


def order_statistics(pool: Pool) -> Section:
    """Median, trimmed mean and Phocas, in reads of the matrix."""
    lines, claims, figures = [], [], {}
    columns = ["ByzFL, torch", "ByzFL, numpy", "ByzPy", "Flower"]
    for name, targets in _READS.items():
        peers = [] if name in _NO_PEER_HAS else columns
        for n, d in _SMALL if pool.quick else _SIZES:
            args = {"name": name, "n": n, "d": d, "f": n // 5}
            numpy = args | {"by": "numpy"}
            reads = {by: {"n": n, "d": d, "by": by} for by in ("torch", "numpy")}
            theirs = [
                Side("ByzFL, torch", _BYZFL, "rule", args, python=PEERS),
                Side("ByzFL, numpy", _BYZFL, "rule", numpy, python=PEERS),
                Side("ByzPy", _BYZPY, "rule", args, python=PEERS),
                Side("Flower", _FLOWER, "rule", args),
            ]
            results = pool.measure(
                [
                    _ours(args),
                    *(Side(f"read, {by}", _OURS, "read", reads[by]) for by in reads),
                    *(theirs if peers else ()),
                ],
                times=9,
                seconds=4,
            )
            what = f"{_title(name)}, {n} x {d:,}"
            figures[what] = raw(results)
            ours = results["fedrobust"].cost()
            read = min(filter(None, (results[f"read, {by}"].cost() for by in reads)), default=None)
            claims.append(Claim(f"{what}: reads", ratio(ours, read), targets[n], False, ""))
            if n == 10 and peers:
                best = _best(results, peers)
                claims.append(Claim(f"{what}: best peer / ours", ratio(best, ours), 20))
            exact = _exact(name, n, d, {})
            cells = [_cell(results[peer], exact) for peer in ["fedrobust", *peers]]
            cells += ["-"] * (len(columns) - len(peers))
            lines.append([what, number(ms(read)), number(ratio(ours, read)), *cells])
    return Section(
        "Median, trimmed mean and Phocas",
        "CPU ms, and in brackets the largest difference from the definition in float64; f = n / 5. "
        "A read is the faster of torch's and numpy's sum of the matrix. Where n is even and a "
        "median differs by more than rounding, it is the lower of the two middle values. No peer "
        "has Phocas.",
        ["rule, n x d", "one read", "reads of ours", "fedrobust", *columns],
        lines,
        claims,
        raw=figures,
    )


def others(pool: Pool) -> Section:
    """Every other rule that peers have, too."""
    sizes = _SMALL if pool.quick else _SIZES
    many = ("krum", "multi_krum", "geometric_median", "nnm", "centered_clipping", "meamed")
    cases = [(name, n, d, n // 5) for name in many for n, d in sizes]
    cases += [("mda", 20, 2048, 5), ("smea", 16, 4096, 5)]
    cases += [] if pool.quick else [("mda", 30, 2048, 10)]
    lines, figures = [], {}
    leads: dict[str, list[float | None]] = {}
    errors: list[float | None] = []
    for name, n, d, f in cases:
        clipping = {"radius": 0.5 * d**0.5, "iterations": 3}
        fields = clipping if name == "centered_clipping" else {}
        args = {"name": name, "n": n, "d": d, "f": f, "fields": fields}
        results = pool.measure(
            [
                _ours(args),
                Side("ByzFL", _BYZFL, "rule", args, python=PEERS),
                Side("ByzPy", _BYZPY, "rule", args, python=PEERS),
            ],
            times=7,
            seconds=5,
        )
        what = f"{_title(name)}, {n} x {d:,}"
        what += f", f = {f}" if (n, d) not in sizes else ""
        figures[what] = raw(results)
        exact = _exact(name, n, d, fields, f)
        faster = ratio(_best(results, ("ByzFL", "ByzPy")), results["fedrobust"].cost())
        leads.setdefault(_title(name), []).append(faster)
        errors.append(_relative(results["fedrobust"], exact))
        lines.append([what, *(_cell(mine, exact) for mine in results.values()), number(faster)])
    claims = [
        Claim(f"{title}: better peer / ours, least of all sizes", _worst(values, min), 1)
        for title, values in leads.items()
    ]
    error = _worst(errors, max)
    claims.append(Claim("largest relative error of ours", error, 1e-4, at_least=False, unit=""))
    return Section(
        "Other rules",
        "CPU ms, and in brackets the largest difference from the definition in float64; f = n / 5 "
        "unless said. All of Krum use n - f - 1 neighbors, centered clipping three steps from "
        "zero. ByzFL's geometric median takes three steps, its SMEA one step of a power iteration "
        "from a random vector. A run may take 60 s.",
        ["rule, n x d", "fedrobust", "ByzFL", "ByzPy", "better peer / ours"],
        lines,
        claims,
        raw=figures,
    )


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def _best(results: Mapping[str, Measured], peers: Iterable[str]) -> float | None:
    known = [cost for peer in peers if (cost := results[peer].cost()) is not None]
    return min(known, default=None)


def _worst(values: Sequence[float | None], of: Callable[[Iterable[float]], float]) -> float | None:
    known = [value for value in values if value is not None]
    return of(known) if len(known) == len(values) else None


def _ours(args: dict[str, Any]) -> Side:
    name, fields = _OUR_NAMES[args["name"]]
    fields = fields | args.get("fields", {})
    return Side("fedrobust", _OURS, "rule", args | {"name": name, "fields": fields})


def _exact(name: str, n: int, d: int, fields: dict[str, Any], f: int | None = None) -> np.ndarray:
    f = n // 5 if f is None else f
    torch.set_num_threads(1)
    return reference.RULES[name](tasks.updates(n, d, f).double().numpy(), f, **fields)


def _relative(mine: Measured, exact: np.ndarray) -> float | None:
    """Return the largest difference, beside the largest value."""
    return ratio(difference(mine, exact), float(np.abs(exact).max()))


def _cell(mine: Measured, exact: np.ndarray) -> str:
    if mine.failure is not None:
        return mine.failure
    return f"{number(ms(mine.cost()))} ({number(difference(mine, exact))})"
