"""Opacus: DP-SGD, client by client, with its module and optimizer made once and used again."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from opacus import GradSampleModule
from opacus.optimizers import DPOptimizer
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from benchmarks import tasks

warnings.simplefilter("ignore")
torch.set_num_threads(1)


def noise_training(
    widths: list[int], clients: int, batch: int, steps: int, noise: float
) -> Callable[..., Any]:
    """Train all clients for some rounds; each takes `steps` on all of its examples."""
    x, y = tasks.noise((widths[0],), clients, batch)
    model = GradSampleModule(tasks.mlp(*widths))
    start = parameters_to_vector(model.parameters()).detach().clone()
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=0.05),
        noise_multiplier=noise,
        max_grad_norm=1.0,
        expected_batch_size=batch,
    )

    def run(rounds: int = 1) -> Tensor:
        rows = torch.empty(clients, len(start))
        for client in list(range(clients)) * rounds:
            vector_to_parameters(start.clone(), model.parameters())
            for _ in range(steps):
                optimizer.zero_grad()
                cross_entropy(model(x[client]), y[client]).backward()
                optimizer.step()
            rows[client] = parameters_to_vector(model.parameters()).detach() - start
        return rows

    return run
