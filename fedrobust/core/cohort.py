"""The clients of a round, trained together."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.behavior import Memory
from fedrobust.core.local import Client, train
from fedrobust.core.seeds import Purpose
from fedrobust.core.world import World

__all__ = ["Memories", "train_cohort"]

Memories = dict[str, Memory]  # a client's memory of each of its behaviors, by layer

_BUDGET = 1 << 29  # bytes of model state that are trained at a time
_COPIES = 6  # vectors [d] a client in training: start, model, gradient, update, two memories


def train_cohort(
    world: World, starts: Tensor, who: Sequence[int], memories: Sequence[Memories], round: int
) -> tuple[Tensor, list[Memories]]:
    """Train clients of a world in a round, honest and hostile ones.

    Those that behave alike are trained as one stack, in chunks that bound the memory.

    Args:
        world: what they train.
        starts: ``[d]`` the model all start from, or ``[n, d]`` one for each.
        who: n client ids.
        memories: n memories from the last round they took part in, or empty.
        round: which round it is.

    Returns:
        Their updates ``[n, d]`` in the order of `who`, and their new memories.
    """
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    layers = [world.layers(client, round) for client in who]
    for place, (client, own) in enumerate(zip(who, layers, strict=True)):
        controlled = world.controlled.get(client)
        mind = str(controlled.index) if controlled and "attack" in own else ""
        alike[(*own, mind)].append(place)
    starts = starts.expand(len(who), -1)
    updates = torch.empty(starts.shape)
    changed = [dict(memory) for memory in memories]
    chunk = max(1, _BUDGET // (_COPIES * 4 * starts.shape[1]))
    for places in alike.values():
        for some in (places[i : i + chunk] for i in range(0, len(places), chunk)):
            own = layers[some[0]]
            clients = [
                Client(
                    world.federation.shards[who[p]],
                    [
                        memories[p].get(key) or behavior.remember(starts[p])
                        for key, behavior in own.items()
                    ],
                    seeds.generator(world.seed, Purpose.CLIENT, round, who[p]),
                )
                for p in some
            ]
            start = starts[some] if starts.stride(0) else starts[0]
            rows, kept = train(world.task, world.training, list(own.values()), start, clients)
            updates[some] = rows
            for p, memory in zip(some, kept, strict=True):
                changed[p].update({k: m for k, m in zip(own, memory, strict=True) if m})
    return updates, changed
