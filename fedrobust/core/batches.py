"""Which examples each client sees in each step: one source for every way of training."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedrobust.core.training import Training

__all__ = ["Batches", "batches"]


@dataclass(frozen=True, eq=False)
class Batches:
    """The batches of n clients, those with the most steps first.

    Step k has a batch for each of the first m_k clients in `order` that still train: a client
    that is done is simply no longer there, so momentum and memories stay exact.
    """

    order: Tensor  # [n]
    indices: list[Tensor]  # step k: [m_k, b] examples, padded with example 0
    weights: list[Tensor]  # step k: [m_k, b] 1 for an example, 0 for padding


def batches(
    training: Training, shards: Sequence[Tensor], generators: Sequence[torch.Generator]
) -> Batches:
    """Draw the batches of a round, client by client, each from its own generator."""
    drawn = [_of_client(training, s, g) for s, g in zip(shards, generators, strict=True)]
    lengths = torch.tensor([len(own) for own in drawn])
    order = torch.argsort(lengths, descending=True, stable=True)
    width = min(training.batch_size, max(len(shard) for shard in shards))
    indices, weights = [], []
    for k in range(int(lengths.max())):
        active = [drawn[i][k] for i in order.tolist() if len(drawn[i]) > k]
        padded = torch.zeros(len(active), width, dtype=torch.int64)
        weight = torch.zeros(len(active), width)
        for row, batch in enumerate(active):
            padded[row, : len(batch)] = batch
            weight[row, : len(batch)] = 1.0
        indices.append(padded)
        weights.append(weight)
    return Batches(order, indices, weights)


def _of_client(training: Training, shard: Tensor, generator: torch.Generator) -> list[Tensor]:
    size = training.batch_size
    if training.epochs is None:
        steps = training.steps or 1
        return [shard[torch.randperm(len(shard), generator=generator)[:size]] for _ in range(steps)]
    taken: list[Tensor] = []
    for _ in range(training.epochs):
        shuffled = shard[torch.randperm(len(shard), generator=generator)]
        taken += torch.split(shuffled, size)
    return taken
