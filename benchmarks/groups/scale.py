"""How the cost of a round grows, and a whole run from the command line."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Pool, Side
from benchmarks.report import Claim, Section, ms, number, ratio, raw
from benchmarks.workers import ENVIRONMENT, OURS

__all__ = ["growth", "process"]

_SCENARIO = """
rounds = {rounds}
clients = {clients}
sample = {sample}
data = {{ name = "synthetic", num_classes = 10, num_features = 64, size = {size} }}
partition = "iid"
model = {{ name = "mlp", hidden = [32] }}
training = {{ epochs = 1, batch_size = 16, lr = 0.1 }}
"""


def growth(pool: Pool) -> Section:
    """More clients, and more parameters."""
    nodes = (10, 20) if pool.quick else (10, 100, 1000, 10_000)
    widths = (13, 133) if pool.quick else (133, 1333, 13_333, 133_333)
    by_nodes = pool.measure([_of_nodes(n) for n in nodes], times=5)
    by_size = pool.measure([_of_width(h) for h in widths], times=5)
    lines = []
    for mine in (*by_nodes.values(), *by_size.values()):
        n, sampled, d = (int(cell) for cell in mine.side.name.split())
        cost = mine.cost()
        each = None if cost is None else cost / sampled
        shown = mine.failure or number(ms(cost))
        lines.append([f"{n:,}", f"{sampled}", f"{d:,}", shown, number(ms(each))])
    few, many = [mine.cost() for mine in by_nodes.values()][-2:]
    small, large = [mine.cost() for mine in by_size.values()][-2:]
    return Section(
        "How a round grows",
        "fedrobust alone. Above: MLP 64-32-10 on digits, a tenth of the clients sampled, at most "
        "100. Below: MLP 64-h-10, all of 10 clients, one step of 16.",
        ["clients", "sampled", "parameters", "CPU ms a round", "CPU ms a sampled client"],
        lines,
        [
            Claim("ten times the clients, as many sampled", ratio(many, few), 1.2, False),
            Claim("ten times the parameters, at 10^7", ratio(large, small), 12, False),
        ],
        raw={"nodes": raw(by_nodes), "parameters": raw(by_size)},
    )


def process(pool: Pool) -> Section:
    """A whole `fedrobust simulate`."""
    clients, rounds = (100, 3) if pool.quick else (10_000, 100)
    sampled = min(100, clients)
    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder, "scenario.toml"), Path(folder, "output")
        sizes = {"clients": clients, "rounds": rounds, "size": 20 * clients}
        path.write_text(_SCENARIO.format(sample=sampled / clients, **sizes), "utf-8")
        command = [OURS.parent / "fedrobust", "simulate", path, "--out", folder]
        began = time.monotonic()
        with output.open("w") as log:
            child = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, env=os.environ | ENVIRONMENT
            )
            _, status, used = os.wait4(child.pid, 0)
        wall = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        said = output.read_text("utf-8").strip().splitlines() or ["It said nothing."]
    cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9
    worked = child.returncode == 0
    return Section(
        f"A whole run: {clients:,} clients, {rounds} rounds",
        f"`fedrobust simulate` from start to end: {sampled} of {clients:,} clients a round, MLP "
        "64-32-10 on synthetic data, 20 examples a client; every round is recorded, evaluated and "
        "checkpointed.",
        ["CPU s", "wall s", "largest memory GB"],
        [[number(cpu), number(wall), number(memory)] if worked else [said[-1], "-", "-"]],
        [
            Claim("CPU time", cpu if worked else None, 30, at_least=False, unit=" s"),
            Claim("memory", memory if worked else None, 1, at_least=False, unit=" GB"),
        ],
        raw={"cpu": cpu, "wall": wall, "memory": memory},
    )


def _of_nodes(nodes: int) -> Side:
    sampled = min(100, max(1, nodes // 10))
    args = {"nodes": nodes, "sampled": sampled}
    name = f"{nodes} {sampled} 2410"
    return Side(name, "benchmarks.ours", "fedavg", args, ({"rounds": 20},), (20,))


def _of_width(hidden: int) -> Side:
    args = {"name": "mlp", "shape": [64], "hidden": [hidden], "clients": 10, "batch": 16}
    name, calls = f"10 10 {75 * hidden + 10}", ({"rounds": 3},)
    return Side(name, "benchmarks.ours", "noise_rounds", args | {"steps": 1}, calls, (3,))
