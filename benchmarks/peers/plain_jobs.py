"""Plain PyTorch: client by client, a module and an optimizer, as in every tutorial."""

from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks import tasks

torch.set_num_threads(1)


def train(model: nn.Module, lr: float, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Take a step on each batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for x, y in batches:
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()


def noise_training(
    name: str,
    shape: tuple[int, ...],
    clients: int,
    batch: int,
    steps: int,
    apart: float = 0.0,
    **fields: Any,
) -> Callable[..., Any]:
    """Train all clients for some rounds; each takes `steps` batches of its examples."""
    from benchmarks import ours

    each = batch * steps
    model, (x, y) = ours.model(name, shape, **fields), tasks.noise(shape, clients, each)
    start = parameters_to_vector(model.parameters()).detach().clone()
    numbers = count(1)
    starts = start + apart * tasks.starts(clients, len(start)) if apart else [start] * clients

    def run(rounds: int = 1) -> Tensor:
        rows = torch.empty(clients, len(start))
        for _ in range(rounds):
            number = next(numbers)
            for client in range(clients):
                vector_to_parameters(starts[client].clone(), model.parameters())
                order = ours.order_of(client, number, each).split(batch)
                train(model, 0.05, [(x[client, i], y[client, i]) for i in order])
                rows[client] = parameters_to_vector(model.parameters()).detach() - starts[client]
        return rows

    return run


def images_fedavg(clients: int, sampled: int) -> Callable[..., Any]:
    """FedAvg on images: one epoch of 100 examples, batches of 20; each run starts anew."""
    x, y, x_test, y_test = tasks.images(clients, 100)

    def run(number: int) -> float:
        model, generator = tasks.mlp(784, 100, 10), torch.Generator().manual_seed(0)
        params = parameters_to_vector(model.parameters()).detach()
        for _ in range(number):
            total = torch.zeros_like(params)
            for client in torch.randperm(clients, generator=generator)[:sampled].tolist():
                vector_to_parameters(params.clone(), model.parameters())
                order = torch.randperm(100, generator=generator).split(20)
                train(model, 0.05, [(x[client, i], y[client, i]) for i in order])
                total += parameters_to_vector(model.parameters()).detach()
            params = total / sampled
        vector_to_parameters(params, model.parameters())
        return tasks.accuracy(model, x_test, y_test)

    return run
