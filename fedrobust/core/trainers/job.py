"""What a cohort has to do in a round, and what one client does in a step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import grad, vmap

from fedrobust.core.batches import Batches
from fedrobust.core.behavior import Behavior, Criterion, Draws, Gradient, Loss, Memory
from fedrobust.core.task import Batch, Task, mean_cross_entropy, mean_weights
from fedrobust.core.training import Training

__all__ = ["Behaviors", "Client", "Job", "Trained", "client_step", "join", "on", "row", "stack"]

Behaviors = Sequence[Behavior]  # from the innermost to the outermost
Trained = tuple[Tensor, list[Memory]]  # updates [n, d], memories of n clients by behavior


class Client(NamedTuple):
    """What one client brings to a round."""

    shard: Tensor  # [n_i] the training examples it holds
    memory: list[Memory]  # one for each behavior
    generator: torch.Generator


@dataclass(frozen=True, eq=False)
class Job:
    """The local training of n clients that behave alike, those with the most steps first."""

    task: Task
    training: Training
    behaviors: Behaviors
    start: Tensor  # [n, d] the models they start from; one row, expanded, if they are the same
    memory: list[Memory]  # [n, ...] of each behavior
    generators: Sequence[torch.Generator]  # n of them
    plan: Batches

    def overrides(self, hook: str) -> bool:
        """Say whether any behavior departs from plain SGD in a hook."""
        return any(b.overrides(hook) for b in self.behaviors)

    @cached_property
    def example_clip(self) -> float | None:
        """The norm to which the gradient of each example is clipped; None for no bound."""
        bounds = [b.example_clip for b in self.behaviors]
        return min((bound for bound in bounds if bound is not None), default=None)

    @cached_property
    def criterion(self) -> Criterion | None:
        """How logits are judged; None for the mean cross-entropy."""
        if not self.overrides("criterion"):
            return None
        criterion: Criterion = mean_cross_entropy
        for b in self.behaviors:
            criterion = b.criterion(criterion)
        return criterion

    def batch(self, examples: Tensor, weights: Tensor) -> Batch:
        """Return the examples of a step."""
        data = self.task.data
        flat = examples.flatten().to(data.x.device)  # `index_select` beats indexing by far
        x = data.x.index_select(0, flat).view(*examples.shape, *data.x.shape[1:])
        y = data.y.index_select(0, flat).view(examples.shape)
        return Batch(x, y, weights.to(data.x.device))

    def draws(self, who: slice | int) -> list[Draws]:
        """Return the random numbers of a step, by behavior: of one client, or of several."""
        if not self.overrides("draw"):
            return [{} for _ in self.behaviors]
        start, generators = self.start[who], self.generators[who]
        if isinstance(generators, torch.Generator):
            return on(start.device, [b.draw(start, generators) for b in self.behaviors])
        each = zip(start, generators, strict=True)
        drawn = stack([[b.draw(one, g) for b in self.behaviors] for one, g in each])
        return on(start.device, drawn)

    def part(self, places: Sequence[int]) -> "Job":
        """Return the job of some of the clients, whose places ascend."""
        chosen = torch.tensor(places)
        return replace(
            self,
            start=self.start[chosen] if self.start.stride(0) else self.start[: len(places)],
            memory=row(self.memory, chosen),
            generators=[self.generators[i] for i in places],
            plan=self.plan.part(chosen),
        )

    def rehearsal(self, steps: int, clients: int | None = None) -> "Job":
        """Return a job of the first steps of the first clients, which leaves no trace in this."""
        some = self if clients is None else self.part(range(min(clients, len(self.start))))
        again = [torch.Generator().set_state(g.get_state()) for g in some.generators]
        return replace(some, plan=some.plan.first(steps), generators=again)


def client_step(
    job: Job, gradient: Gradient | None = None, *, vectorized: bool = False
) -> Callable[..., Any]:
    """Return one client's step: (params, anchor, batch, memory, draws) -> (direction, memory).

    Args:
        job: whose step.
        gradient: how to differentiate the loss of the task, if not by `torch.func.grad`.
        vectorized: whether `torch.vmap` may take the examples of a batch all at once.
    """
    behaviors, decay, learned = job.behaviors, job.training.weight_decay, job.task.learned

    def step(params: Tensor, anchor: Tensor, batch: Batch, memory: Any, draws: Any) -> Any:
        memory = list(memory)
        loss: Loss = partial(job.task.loss, criterion=job.criterion)
        if job.overrides("batch"):
            shown = params.clone()  # they may remember it, and it is about to change in place
            for i, b in reversed(list(enumerate(behaviors))):
                batch, memory[i] = b.batch(shown, batch, memory[i], draws[i])
        for b in behaviors:
            loss = b.loss(loss, anchor)
        slope = gradient or grad(loss)
        if job.example_clip is not None:
            slope = _clipped(slope, job.example_clip, learned, vectorized)
        for i, b in enumerate(behaviors):
            slope = b.gradient(slope, loss, draws[i])
        direction = slope(params, batch)
        if decay:
            direction = direction + decay * params
        for i, b in enumerate(behaviors):
            direction, memory[i] = b.step(_masked(direction, learned), batch, memory[i], draws[i])
        return _masked(direction, learned), memory

    return step


def _masked(vector: Tensor, learned: Tensor | None) -> Tensor:
    return vector if learned is None else vector * learned


def _clipped(
    gradient: Gradient, bound: float, learned: Tensor | None, vectorized: bool
) -> Gradient:
    """Clip the gradient of each example, then take their weighted mean."""

    def one(params: Tensor, x: Tensor, y: Tensor) -> Tensor:
        found = _masked(gradient(params, Batch(x[None], y[None], x.new_ones(1))), learned)
        factor: Tensor = bound / torch.linalg.vector_norm(found).clamp(min=bound)
        return found * factor

    def mean(params: Tensor, batch: Batch) -> Tensor:
        if vectorized:
            each = vmap(one, in_dims=(None, 0, 0))(params, batch.x, batch.y)
        else:
            each = torch.stack([one(params, x, y) for x, y in zip(batch.x, batch.y, strict=True)])
        return mean_weights(batch.w[None])[0] @ each

    return mean


def stack(each: Sequence[list[dict[str, Tensor]]]) -> list[dict[str, Tensor]]:
    """Turn n lists of dicts of tensors into one list of dicts of tensors ``[n, ...]``."""
    return [
        {name: torch.stack([one[b][name] for one in each]) for name in each[0][b]}
        for b in range(len(each[0]))
    ]


def on(device: torch.device, tree: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """Return a list of dicts of tensors on a device."""
    return [{name: tensor.to(device) for name, tensor in part.items()} for part in tree]


def row(tree: Any, i: Any) -> Any:
    """Return the part of some clients in a list of dicts of tensors ``[n, ...]``."""
    return [{name: tensor[i] for name, tensor in part.items()} for part in tree]


def join(head: list[Memory], whole: list[Memory]) -> list[Memory]:
    """Return memories of which the first rows are those of `head`."""
    return [
        {
            name: new[name]
            if len(new[name]) == len(old[name])
            else torch.cat([new[name], old[name][len(new[name]) :]])
            for name in new
        }
        for new, old in zip(head, whole, strict=True)
    ]
