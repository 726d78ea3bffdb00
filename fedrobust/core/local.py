"""Local training, written once for one client and run for one or for many."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from fedrobust.core.batches import batches
from fedrobust.core.behavior import Behavior, Gradient, Loss, Memory
from fedrobust.core.task import Batch, Task
from fedrobust.core.training import Training

__all__ = ["Client", "remember", "train"]

Behaviors = Sequence[Behavior]  # from the innermost to the outermost


class Client(NamedTuple):
    """What one client brings to a round."""

    shard: Tensor  # [n_i] the training examples it holds
    memory: list[Memory]  # one for each behavior
    generator: torch.Generator


def remember(behaviors: Behaviors, params: Tensor) -> list[Memory]:
    """Return a client's memory before its first round."""
    return [b.remember(params) for b in behaviors]


def train(
    task: Task, training: Training, behaviors: Behaviors, start: Tensor, clients: Sequence[Client]
) -> tuple[Tensor, list[list[Memory]]]:
    """Train clients that behave alike.

    Args:
        task: what they learn.
        training: how.
        behaviors: what they do differently, from the innermost out.
        start: ``[d]`` the model all start from, or ``[n, d]`` one for each.
        clients: n of them, whose shards may differ in size.

    Returns:
        Their updates ``[n, d]`` and their new memories.
    """
    n = len(clients)
    start = start.expand(n, -1)
    each = vmap if all(b.vectorized for b in behaviors) else _one_by_one
    memory = _stack([c.memory for c in clients])
    if all(b.trains for b in behaviors):
        local, memory = _descend(task, training, behaviors, start, clients, memory, each)
        updates = local.sub_(start)
    else:
        updates = torch.zeros_like(start)
    draws = _stack(
        [
            [b.draw_submit(w, c.generator) for b in behaviors]
            for w, c in zip(start, clients, strict=True)
        ]
    )
    for i, b in enumerate(behaviors):
        updates, memory[i] = each(b.submit)(updates, memory[i], draws[i])
    return updates, [_row(memory, i) for i in range(n)]


def _descend(
    task: Task,
    training: Training,
    behaviors: Behaviors,
    start: Tensor,
    clients: Sequence[Client],
    memory: list[Memory],
    each: Callable[..., Any],
) -> tuple[Tensor, list[Memory]]:
    step = each(_stepper(task, training, behaviors))
    plan = batches(training, [c.shard for c in clients], [c.generator for c in clients])
    local = start[plan.order]  # clients with the most steps first, so that the active are a prefix
    anchor, memory = local.clone(), _row(memory, plan.order)
    velocity = torch.zeros_like(local) if training.momentum else None
    data = task.data
    for indices, weights in zip(plan.indices, plan.weights, strict=True):
        m = len(indices)
        batch = Batch(data.x[indices], data.y[indices], weights)
        draws = _stack(
            [
                [b.draw(start[i], clients[i].generator) for b in behaviors]
                for i in plan.order[:m].tolist()
            ]
        )
        now = _row(memory, slice(m))
        direction, changed = step(local[:m], anchor[:m], batch, now, draws)
        memory = changed if m == len(clients) else _join(changed, memory, m)
        if velocity is not None:
            direction = velocity[:m].mul_(training.momentum).add_(direction)
        local[:m].sub_(direction, alpha=training.lr)
    back = plan.order.argsort()
    return local[back], _row(memory, back)


def _stepper(task: Task, training: Training, behaviors: Behaviors) -> Callable[..., Any]:
    def step(params: Tensor, anchor: Tensor, batch: Batch, memory: Any, draws: Any) -> Any:
        memory = list(memory)
        loss: Loss = task.loss
        for i, b in reversed(list(enumerate(behaviors))):
            batch, memory[i] = b.batch(params, batch, memory[i], draws[i])
        for b in behaviors:
            loss = b.loss(loss, anchor)
        gradient: Gradient = grad(loss)
        for i, b in enumerate(behaviors):
            gradient = b.gradient(gradient, loss, draws[i])
        direction = gradient(params, batch)
        if training.weight_decay:
            direction = direction + training.weight_decay * params
        for i, b in enumerate(behaviors):
            direction, memory[i] = b.step(direction, memory[i])
        return direction, memory

    return step


def _stack(each: Sequence[list[dict[str, Tensor]]]) -> list[dict[str, Tensor]]:
    return [
        {name: torch.stack([one[b][name] for one in each]) for name in each[0][b]}
        for b in range(len(each[0]))
    ]


def _row(tree: Any, i: Any) -> Any:
    if isinstance(tree, Tensor):
        return tree[i]
    if isinstance(tree, Batch):
        return Batch(*(part[i] for part in tree))
    return [{name: tensor[i] for name, tensor in part.items()} for part in tree]


def _join(head: list[Memory], whole: list[Memory], m: int) -> list[Memory]:
    return [
        {name: torch.cat([new[name], old[name][m:]]) for name in new}
        for new, old in zip(head, whole, strict=True)
    ]


def _one_by_one(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Do as ``vmap(hook)`` does, with a loop: the hook may use all of Python."""

    def mapped(*args: Any) -> Any:
        out = [hook(*(_pick(a, i) for a in args)) for i in range(len(args[0]))]
        first, second = torch.stack([o[0] for o in out]), [o[1] for o in out]
        if isinstance(second[0], dict):
            return first, _stack([[one] for one in second])[0]
        return first, _stack(second)

    return mapped


def _pick(tree: Any, i: int) -> Any:
    if isinstance(tree, dict):
        return {name: tensor[i] for name, tensor in tree.items()}
    return _row(tree, i)
