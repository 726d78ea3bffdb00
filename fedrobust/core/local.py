"""Local training, written once for one client and run for one or for many."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import vmap

from fedrobust.core.batches import batches
from fedrobust.core.behavior import Memory
from fedrobust.core.task import Task
from fedrobust.core.trainers import loop, vectorized
from fedrobust.core.trainers.job import Behaviors, Client, Job, Trained, on, row, stack
from fedrobust.core.training import Training

__all__ = ["Client", "Trainer", "remember", "train"]

Trainer = Callable[[Job], Trained]


def remember(behaviors: Behaviors, params: Tensor) -> list[Memory]:
    """Return a client's memory before its first round."""
    return [b.remember(params) for b in behaviors]


def default_trainer(job: Job) -> Trained:
    """Train all at once if every hook allows it, else one by one."""
    all_at_once = all(b.vectorized for b in job.behaviors)
    return vectorized.descend(job) if all_at_once else loop.descend(job)


def train(
    task: Task,
    training: Training,
    behaviors: Behaviors,
    start: Tensor,
    clients: Sequence[Client],
    trainer: Trainer = default_trainer,
) -> tuple[Tensor, list[list[Memory]]]:
    """Train clients that behave alike.

    Args:
        task: what they learn.
        training: how.
        behaviors: what they do differently, from the innermost out.
        start: ``[d]`` the model all start from, or ``[n, d]`` one for each.
        clients: n of them, whose shards may differ in size.
        trainer: how to compute it; all give the same but for the order of sums.

    Returns:
        Their updates ``[n, d]`` and their new memories.
    """
    n = len(clients)
    start = start.expand(n, -1)
    memory = stack([c.memory for c in clients])
    if all(b.trains for b in behaviors):
        plan = batches(training, [c.shard for c in clients], [c.generator for c in clients])
        order = plan.order.tolist()
        moved = order != list(range(n))
        sorted_start = start[plan.order] if moved and start.stride(0) else start
        sorted_memory = row(memory, plan.order) if moved else memory
        generators = [clients[i].generator for i in order]
        job = Job(task, training, behaviors, sorted_start, sorted_memory, generators, plan)
        updates, memory = trainer(job)
        if moved:
            back = plan.order.argsort()
            updates, memory = updates[back.to(updates.device)], row(memory, back)
    else:
        updates = torch.zeros_like(start)
    if any(b.overrides("submit") for b in behaviors):
        updates, memory = _submitted(behaviors, start, clients, updates, memory)
    return updates, [row(memory, i) for i in range(n)]


def _submitted(
    behaviors: Behaviors,
    start: Tensor,
    clients: Sequence[Client],
    updates: Tensor,
    memory: list[Memory],
) -> tuple[Tensor, list[Memory]]:
    """Let updates pass through the behaviors, from the innermost out."""
    draws = stack(
        [
            [b.draw_submit(w, c.generator) for b in behaviors]
            for w, c in zip(start, clients, strict=True)
        ]
    )
    memory, draws = list(memory), on(updates.device, draws)
    for i, b in enumerate(behaviors):
        if b.vectorized:
            updates, memory[i] = vmap(b.submit)(updates, memory[i], draws[i])
        else:
            each = [
                b.submit(update, *(row([memory[i], draws[i]], place)))
                for place, update in enumerate(updates)
            ]
            updates = torch.stack([update for update, _ in each])
            memory[i] = stack([[kept] for _, kept in each])[0]
    return updates.clone(), memory  # what is sent may be rewritten, what is remembered may not
