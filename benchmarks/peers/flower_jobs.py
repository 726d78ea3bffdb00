"""Flower: its simulation engine (Ray) and its robust strategies."""

import os
import queue
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp, strategy
from flwr.simulation import run_simulation
from torch.nn.functional import cross_entropy

from benchmarks import ours, tasks

Run = Callable[..., Any]
client = ClientApp()


@lru_cache
def _world(nodes: int) -> Any:
    return ours.digits_world(nodes)


@client.train()
def train(message: Message, context: Context) -> Message:
    """Train as a client of Flower does: a module, an optimizer, one epoch."""
    torch.set_num_threads(1)
    world = _world(int(context.node_config["num-partitions"]))
    own, number = int(context.node_config["partition-id"]), message.content["config"]
    model = world.task.model
    model.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=world.training.lr)
    for batch in ours.batches_of(world, own, int(number["server-round"])):
        optimizer.zero_grad()
        cross_entropy(model(world.task.data.x[batch]), world.task.data.y[batch]).backward()
        optimizer.step()
    metrics = MetricRecord({"num-examples": len(world.federation.shards[own])})
    content = {"arrays": ArrayRecord(model.state_dict()), "metrics": metrics}
    return Message(RecordDict(content), reply_to=message)


@lru_cache
def simulation(nodes: int) -> Run:
    """Rounds of FedAvg on digits; the engine starts once and stays."""
    orders: queue.Queue[tuple[int, int]] = queue.Queue()
    results: queue.Queue[Any] = queue.Queue()
    server, model = ServerApp(), tasks.mlp(64, 32, 10)
    start = ArrayRecord(model.state_dict())

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        results.put("ready")
        while True:
            rounds, sampled = orders.get()
            fedavg = strategy.FedAvg(
                fraction_train=sampled / nodes,
                fraction_evaluate=0.0,
                min_train_nodes=sampled,
                min_evaluate_nodes=0,
                min_available_nodes=nodes,
            )
            try:
                results.put(fedavg.start(grid, start, num_rounds=rounds, timeout=600).arrays)
            except BaseException as error:
                results.put(error)

    def engine() -> None:
        try:
            run_simulation(
                server,
                client,
                num_supernodes=nodes,
                backend_config={
                    "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
                    "init_args": {"num_cpus": os.cpu_count(), "include_dashboard": False},
                },
            )
        except BaseException as error:
            results.put(error)

    threading.Thread(target=engine, daemon=True).start()
    if isinstance(failed := results.get(), BaseException):
        raise failed
    _, _, *test = tasks.digits()

    def run(rounds: int, sampled: int | None = None, fresh: bool = True) -> Any:
        orders.put((rounds, sampled or nodes))
        arrays = results.get()
        if isinstance(arrays, BaseException):
            raise arrays
        tensors = arrays.to_torch_state_dict()
        model.load_state_dict(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
        return tasks.accuracy(model, *test), flat

    return run


def rule(name: str, n: int, d: int, f: int) -> tuple[Callable[[], list[Message]], Run]:
    """Flower's FedMedian or FedTrimmedAvg on the replies of n clients, which are ready-made."""
    rows = tasks.updates(n, d, f).numpy()
    made = {
        "median": strategy.FedMedian,
        "trimmed_mean": lambda: strategy.FedTrimmedAvg(beta=f / n),
    }[name]()
    ours.LocalGrid(client, n)  # without a run, Flower's messages cannot be made

    def replies() -> list[Message]:
        return [
            Message(
                RecordDict(
                    {
                        "arrays": ArrayRecord({"w": Array(row)}),
                        "metrics": MetricRecord({"num-examples": 1}),
                    }
                ),
                reply_to=Message(RecordDict(), node, "train"),
            )
            for node, row in enumerate(rows, start=2)
        ]

    def run(messages: list[Message]) -> np.ndarray:
        arrays, _ = made.aggregate_train(1, messages)
        if arrays is None:
            raise ValueError("FedMedian found no replies to aggregate.")
        return arrays["w"].numpy()

    return replies, run
