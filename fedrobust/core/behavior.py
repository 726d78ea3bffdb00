"""What a client does differently from plain local SGD, for good (defenses) or ill (attacks)."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from fedrobust.core.component import Component
from fedrobust.core.task import Batch

__all__ = ["HOOKS", "Behavior", "Criterion", "Draws", "Gradient", "Loss", "Memory"]

Memory = dict[str, Tensor]  # what a client keeps from step to step and round to round
Draws = dict[str, Tensor]  # the random numbers of one step or one submission
Criterion = Callable[[Tensor, Batch], Tensor]  # logits [b, C], batch -> scalar
Loss = Callable[[Tensor, Batch], Tensor]  # params [d], batch -> scalar
Gradient = Callable[[Tensor, Batch], Tensor]  # params [d], batch -> [d]

HOOKS = (
    "remember",
    "draw",
    "draw_submit",
    "batch",
    "criterion",
    "loss",
    "gradient",
    "step",
    "submit",
)


class Behavior(Component):
    """One client's departures from plain SGD; every hook defaults to none.

    A step of training is ``batch -> criterion -> loss -> gradient -> step``, and a round ends with
    ``submit``.  Behaviors nest like the layers of an onion: data pass from the outermost in,
    results from the innermost out, and an attack is always outermost.

    Each hook is written for one client.  The engine runs it for many at once under
    ``torch.func.vmap``, so hooks must be pure: no writes in place, no ``.item()``, no random
    numbers but those drawn for them.  A behavior that needs more of Python sets `vectorized` to
    False and is run client by client.  One that does not train at all sets `trains` to False.
    """

    vectorized: ClassVar[bool] = True
    trains: ClassVar[bool] = True

    @property
    def example_clip(self) -> float | None:
        """The norm to which the gradient of each single example is clipped; None for no bound."""
        return None

    def overrides(self, hook: str) -> bool:
        """Say whether this behavior departs from plain SGD in a hook, named as its method."""
        return getattr(type(self), hook) is not getattr(Behavior, hook)

    @property
    def inert(self) -> bool:
        """Whether a client trains and sends as if this behavior were not there."""
        return self.trains and self.example_clip is None and not any(map(self.overrides, HOOKS))

    def remember(self, params: Tensor) -> Memory:
        """Return a client's memory before its first round."""
        return {}

    def draw(self, params: Tensor, generator: torch.Generator) -> Draws:
        """Return the random numbers of one step; not vectorized, any Python allowed."""
        return {}

    def draw_submit(self, params: Tensor, generator: torch.Generator) -> Draws:
        """Return the random numbers of one submission; not vectorized, any Python allowed."""
        return {}

    def batch(
        self, params: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Batch, Memory]:
        """Return the examples to learn from in this step."""
        return batch, memory

    def criterion(self, criterion: Criterion) -> Criterion:
        """Return how logits ``[b, C]`` are judged; examples of weight zero must not count.

        A loss of the model's outputs alone belongs here: the stacked trainer can take it.
        """
        return criterion

    def loss(self, loss: Loss, anchor: Tensor) -> Loss:
        """Return the objective; `anchor` is the model ``[d]`` the round started from."""
        return loss

    def gradient(self, gradient: Gradient, loss: Loss, draws: Draws) -> Gradient:
        """Return how to differentiate the objective."""
        return gradient

    def step(
        self, direction: Tensor, batch: Batch, memory: Memory, draws: Draws
    ) -> tuple[Tensor, Memory]:
        """Return the direction ``[d]`` to descend; `batch` is what it was learned from."""
        return direction, memory

    def submit(self, update: Tensor, memory: Memory, draws: Draws) -> tuple[Tensor, Memory]:
        """Return the update ``[d]`` to send."""
        return update, memory
