"""How good a model is, and how far an adversary got."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedrobust.core.adversary import Attack
from fedrobust.core.task import Task

__all__ = ["Quality", "attack_success", "quality"]

_CHUNK = 1024  # test examples evaluated at a time


class Quality(NamedTuple):
    """What a model achieves on the test data."""

    accuracy: float  # share of examples classified correctly
    worst_class_accuracy: float  # the same within the class that fares worst
    loss: float  # mean cross-entropy


@torch.no_grad()
def quality(task: Task, params: Tensor) -> Quality:
    """Evaluate a model ``[d]`` on the task's test data."""
    data = task.data
    logits = torch.cat(list(_logits(task, params, data.x_test)))
    correct = (logits.argmax(dim=1) == data.y_test).double()
    sizes = torch.bincount(data.y_test, minlength=data.num_classes)
    hits = torch.bincount(data.y_test, weights=correct, minlength=data.num_classes)
    return Quality(
        accuracy=correct.mean().item(),
        worst_class_accuracy=(hits / sizes)[sizes > 0].min().item(),
        loss=cross_entropy(logits, data.y_test).item(),
    )


@torch.no_grad()
def attack_success(task: Task, params: Tensor, attack: Attack) -> float | None:
    """Return the share of test inputs on which a model ``[d]`` does what the attack wants.

    None for an attack without a goal, NaN if no test example suits it.
    """
    wanted = attack.goal(task.data.x_test, task.data.y_test)
    if wanted is None:
        return None
    x, target = wanted
    if not len(x):
        return float("nan")
    predicted = torch.cat([part.argmax(dim=1) for part in _logits(task, params, x)])
    return (predicted == target).double().mean().item()


def _logits(task: Task, params: Tensor, x: Tensor) -> Iterator[Tensor]:
    for part in torch.split(x, _CHUNK):
        yield task.logits(params, part)
