"""Clients of very different size, trained by each of our ways."""

import torch

from fedrobust.core.local import Client, train
from fedrobust.core.trainers import loop, vectorized

__all__ = ["SIZES", "TRAINERS", "updates_of"]

TRAINERS = {"vmap": vectorized.descend, "loop": loop.descend}
SIZES = [50, 1, 16, 33]  # examples of each client


def updates_of(task, behaviors, training, trainer=loop.descend, start=None):
    """Return the updates ``[n, d]`` that such clients make in a round."""
    shards = torch.arange(sum(SIZES)).split(SIZES)
    clients = [
        Client(s, [{} for _ in behaviors], torch.Generator().manual_seed(i))
        for i, s in enumerate(shards)
    ]
    start = task.init() if start is None else start
    return train(task, training, behaviors, start, clients, trainer)[0]
