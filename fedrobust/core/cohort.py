"""The clients of a round, trained together."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedrobust.core import seeds
from fedrobust.core.behavior import Behavior, Memory
from fedrobust.core.footprint import chunk_size
from fedrobust.core.local import Client, train
from fedrobust.core.seeds import Purpose
from fedrobust.core.trainers.job import on
from fedrobust.core.training import Training
from fedrobust.core.world import World

__all__ = ["Memories", "losses_of", "train_cohort"]

_EXAMPLES = 1024  # evaluated at a time

Memories = dict[str, Memory]  # a client's memory of each of its behaviors, by layer


def train_cohort(
    world: World, starts: Tensor, who: Sequence[int], memories: Sequence[Memories], round: int
) -> tuple[Tensor, list[Memories]]:
    """Train clients of a world in a round, honest and hostile ones.

    Those that train alike are trained as one, in chunks that bound the memory; an adversary that
    only rewrites what is sent does not part its clients from the others here.

    Args:
        world: what they train.
        starts: ``[d]`` the model all start from, or ``[n, d]`` one for each.
        who: n client ids.
        memories: n memories from the last round they took part in, or empty.
        round: which round it is.

    Returns:
        Their updates ``[n, d]`` in the order of `who`, and their new memories.
    """
    own = [
        {key: b for key, b in world.layers(client, round).items() if not b.inert} for client in who
    ]
    plans = [world.training_of(client, round) for client in who]
    alike: dict[Any, list[int]] = defaultdict(list)
    for place, (layers, plan) in enumerate(zip(own, plans, strict=True)):
        alike[plan, *((key, id(b)) for key, b in layers.items())].append(place)
    starts = starts.expand(len(who), -1)
    chunk = chunk_size(world)
    parts = [part for places in alike.values() for part in _parts(places, chunk)]
    if len(parts) == 1:
        return _train_alike(world, starts, who, memories, round, own[0], plans[0])
    updates = torch.empty(starts.shape)
    changed = [dict(memory) for memory in memories]
    for places in parts:
        updates[places], kept = _train_alike(
            world,
            starts[places] if starts.stride(0) else starts[: len(places)],
            [who[p] for p in places],
            [memories[p] for p in places],
            round,
            own[places[0]],
            plans[places[0]],
        )
        for p, memory in zip(places, kept, strict=True):
            changed[p] = memory
    return updates, changed


@torch.no_grad()
def losses_of(world: World, starts: Tensor, who: Sequence[int]) -> list[float]:
    """Return each client's mean cross-entropy on its own examples, before it trains.

    Args:
        world: what they train.
        starts: ``[d]`` the model all start from, or ``[n, d]`` one for each.
        who: n client ids.
    """
    task = world.placed
    device = task.data.x.device
    found = []
    for start, client in zip(starts.expand(len(who), -1), who, strict=True):
        held = world.federation.shards[client].to(device)
        parts = torch.split(held, _EXAMPLES)
        logits = (task.logits(start.to(device), task.data.x[part]).double() for part in parts)
        each = (
            cross_entropy(out, task.data.y[part], reduction="sum")
            for out, part in zip(logits, parts, strict=True)
        )
        found.append(float(sum(each)) / max(1, len(held)))
    return found


def _parts(places: list[int], most: int) -> list[list[int]]:
    """Return parts of nearly equal size, none of them larger than `most`."""
    count = -(-len(places) // most)
    return [places[len(places) * i // count : len(places) * (i + 1) // count] for i in range(count)]


def _train_alike(
    world: World,
    starts: Tensor,
    who: Sequence[int],
    memories: Sequence[Memories],
    round: int,
    layers: dict[str, Behavior],
    plan: Training,
) -> tuple[Tensor, list[Memories]]:
    task, device = world.placed, world.placed.data.x.device
    clients = [
        Client(
            world.federation.shards[client],
            on(device, [memory.get(k) or b.remember(start) for k, b in layers.items()]),
            seeds.generator(world.seed, Purpose.CLIENT, round, client),
        )
        for client, start, memory in zip(who, starts, memories, strict=True)
    ]
    start = starts.to(device) if starts.stride(0) else starts[0].to(device)
    behaviors = list(layers.values())
    updates, kept = train(task, plan, behaviors, start, clients, world.planner)
    home = torch.device("cpu")
    changed = [
        {**before, **{k: m for k, m in zip(layers, on(home, memory), strict=True) if m}}
        for before, memory in zip(memories, kept, strict=True)
    ]
    return updates.to(home), changed
