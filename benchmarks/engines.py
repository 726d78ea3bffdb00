"""Time a round of the demo's federation on three engines: the same objects, the same model.

    python benchmarks/engines.py [ROUNDS]      needs the extra `simulation` for Flower's engine

Prints a Markdown table.  Wall time is the median over the rounds after the first; CPU time is this
process's, so it leaves out the work that Flower's engine does in others.
"""

import logging
import os
import statistics
import sys
import time
from itertools import pairwise

os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0"}

import tomli_w
import torch
from flwr.serverapp import ServerApp
from flwr.simulation import run_simulation

from fedrobust.demo import demo
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp, built_world
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.server_app import serve, strategy_of


def play(grid, scenario, world, rounds):
    """Run rounds on a grid; return the model and when each round ended (wall, CPU)."""
    times = [(time.perf_counter(), time.process_time())]

    def note(number, params):
        times.append((time.perf_counter(), time.process_time()))

    watched = AdversaryGrid(grid, world.adversaries, world.seed)
    strategy = strategy_of(scenario)
    return serve(watched, strategy, world, world.task.init(), rounds, note), times


def on_ray(scenario, world, rounds):
    """The same on Flower's simulation engine."""
    server, box, text = ServerApp(), [], tomli_w.dumps(scenario.table())

    @server.main()
    def main(grid, context):
        box.append(play(grid, scenario, world, rounds))

    run_simulation(
        server,
        FedRobustApp(lambda _: built_world(text, True)),  # once in each of Ray's processes
        num_supernodes=scenario.clients,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": 2, "include_dashboard": False},
        },
    )
    return box[0]


def main():
    """Print the table."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    scenario = dict(demo())["attack, centered clipping + momentum"]
    world = scenario.world()

    def local(cohort):
        app = FedRobustApp(lambda _: world)
        return play(LocalGrid(app, scenario.clients, cohort=cohort), scenario, world, rounds)

    engines = {
        "LocalGrid, the cohort as one": lambda: local(True),
        "LocalGrid, client by client": lambda: local(False),
        "Flower's engine (Ray)": lambda: on_ray(scenario, world, rounds),
    }
    print(
        f"{scenario.clients} clients, softmax on Fashion-MNIST, one step of 32, {rounds} rounds\n"
    )
    print("| engine | wall ms/round | ratio | CPU ms/round | largest difference of the model |")
    print("|---|---|---|---|---|")
    first, reference = None, None
    for name, run in engines.items():
        model, times = run()
        wall, cpu = (
            1000 * statistics.median(b[i] - a[i] for a, b in pairwise(times[1:])) for i in (0, 1)
        )
        first = wall if first is None else first
        reference = model if reference is None else reference
        difference = (model - reference).abs().max().item()
        print(
            f"| {name} | {wall:.1f} | {wall / first:.1f} | {cpu:.1f} | {difference:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
