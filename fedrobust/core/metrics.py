"""How good a model is, and how far an adversary got."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedrobust.core import rows
from fedrobust.core.adversary import Adversary
from fedrobust.core.corruptions import corrupted, kinds_for
from fedrobust.core.seeds import Purpose, generator
from fedrobust.core.task import Task

__all__ = [
    "Deviation",
    "Quality",
    "agreement",
    "attack_success",
    "corrupted_accuracy",
    "deviation",
    "quality",
]

_ROUNDING = 1e-6  # of a squared length in float32
_CHUNK = 1024  # test examples evaluated at a time


class Quality(NamedTuple):
    """What a model achieves on the test data."""

    accuracy: float  # share of examples classified correctly
    worst_class_accuracy: float  # the same within the class that fares worst
    loss: float  # mean cross-entropy
    class_accuracy: tuple[float, ...] = ()  # within each class; NaN where there are no examples

    def figures(self) -> dict[str, float]:
        """Return the figures of the whole test data, by name."""
        return {name: getattr(self, name) for name in ("accuracy", "worst_class_accuracy", "loss")}

    def accuracy_on(self, shares: Tensor) -> Tensor:
        """Return the accuracy ``[n]`` on test data with n other mixtures of classes.

        Each of n clients sees classes as often as it holds them: what a model does for it is the
        accuracy within each class, weighted by that.

        Args:
            shares: ``[n, C]`` how often each class comes, in any unit.
        """
        within = torch.tensor(self.class_accuracy, dtype=torch.float64)
        known = shares.double() * within.isfinite()
        return known @ within.nan_to_num(nan=0.0) / known.sum(dim=1)


@torch.no_grad()
def quality(task: Task, params: Tensor) -> Quality:
    """Evaluate a model ``[d]`` on the task's test data."""
    data = task.data
    logits = torch.cat(list(_logits(task, params, data.x_test)))
    correct = (logits.argmax(dim=1) == data.y_test).double()
    sizes = torch.bincount(data.y_test, minlength=data.num_classes)
    hits = torch.bincount(data.y_test, weights=correct, minlength=data.num_classes)
    within = hits / sizes
    return Quality(
        accuracy=correct.mean().item(),
        worst_class_accuracy=within[sizes > 0].min().item(),
        loss=cross_entropy(logits, data.y_test).item(),
        class_accuracy=tuple(within.tolist()),
    )


class Deviation(NamedTuple):
    """How far a step of the model is from what honest clients wanted."""

    distance: float  # from the mean of their updates
    kappa: float | None  # its square, where their mean squared distance from it is 1; None: it is 0


def deviation(updates: Tensor, honest: Tensor, update: Tensor) -> Deviation | None:
    """Compare an update ``[d]`` of the model with what honest clients sent.

    Args:
        updates: ``[n, d]`` of all clients.
        honest: which of them are honest, as true and false ``[n]``.
        update: what became of them.

    Returns:
        None if no client is honest.
    """
    count = int(honest.sum())
    if not count:
        return None
    share = honest.to(updates) / count
    mean = share @ updates
    squares = rows.norms(updates).square()[honest.to(updates.device)].mean()
    # the mean is float32: what is left of the difference below its rounding is no variance
    length = mean.double().square().sum()
    variance = squares - length
    distance = (update.to(mean) - mean).double().norm()
    known = variance > _ROUNDING * length
    return Deviation(float(distance), float(distance.square() / variance) if known else None)


def attack_success(task: Task, params: Tensor, adversary: Adversary) -> float | None:
    """Return the share of test inputs on which a model ``[d]`` does what an adversary wants.

    None for an adversary without a goal, NaN if no test example suits it.
    """
    wanted = adversary.goal(task.data.x_test, task.data.y_test)
    return None if wanted is None else agreement(task, params, *wanted)


def corrupted_accuracy(task: Task, params: Tensor, severity: int, seed: int) -> dict[str, float]:
    """Return the accuracy of a model ``[d]`` on test inputs corrupted in each way that suits them.

    Args:
        task: whose test data.
        params: the model.
        severity: of the corruptions, from 1 to 5.
        seed: of what they draw; the same inputs for the same seed.
    """
    x, y = task.data.x_test, task.data.y_test
    return {
        kind: agreement(
            task, params, corrupted(x, kind, severity, generator(seed, Purpose.CORRUPTION)), y
        )
        for kind in kinds_for(tuple(x.shape[1:]))
    }


@torch.no_grad()
def agreement(task: Task, params: Tensor, x: Tensor, y: Tensor) -> float:
    """Return the share of inputs ``[b, ...]`` that a model ``[d]`` gives the labels ``[b]``.

    NaN if there are none.
    """
    if not len(x):
        return float("nan")
    predicted = torch.cat([part.argmax(dim=1) for part in _logits(task, params, x)])
    return (predicted == y).double().mean().item()


def _logits(task: Task, params: Tensor, x: Tensor) -> Iterator[Tensor]:
    for part in torch.split(x, _CHUNK):
        yield task.logits(params, part)
