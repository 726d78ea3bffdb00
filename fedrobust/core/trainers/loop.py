"""Train a cohort client by client, as anyone would: whatever Python can do, a hook may do."""

import copy

import torch
from torch import Tensor

from fedrobust.core.behavior import Criterion, Memory
from fedrobust.core.task import Batch, Task, mean_cross_entropy
from fedrobust.core.trainers.job import Job, Trained, client_step, row, stack

__all__ = ["descend"]


def descend(job: Job) -> Trained:
    """Return the updates and memories of a job's clients.

    Any model and any hook.  Where no behavior changes the loss or the gradient, the model is run
    as it is, its parameters being views of one vector: nothing is copied.
    """
    plain = not (job.overrides("loss") or job.overrides("gradient"))
    gradient = _ModuleGradient(job.task, job.criterion or mean_cross_entropy) if plain else None
    step = client_step(job, gradient)
    # A step must not hand out the buffer in which the next gradient is made.
    copies = plain and job.overrides("step") and job.example_clip is None
    updates = torch.empty(job.start.shape, device=job.start.device)
    # Everyone trains in the same place: sums depend on where in the memory their terms are.
    params = torch.empty_like(updates[0])
    if gradient is not None:
        gradient.bind(params, copies)
    kept: list[list[Memory]] = []
    for place, anchor in enumerate(job.start):
        memory = row(job.memory, place)
        params.copy_(anchor)
        velocity = torch.zeros_like(params) if job.training.momentum else None
        for examples in job.plan.of(place):
            batch = job.batch(examples, torch.ones(len(examples)))
            direction, memory = step(params, anchor, batch, memory, job.draws(place))
            if velocity is not None:
                direction = velocity.mul_(job.training.momentum).add_(direction)
            params.sub_(direction, alpha=job.training.lr)
        torch.sub(params, anchor, out=updates[place])
        kept.append(memory)
    return updates, stack(kept)


class _ModuleGradient:
    """The gradient of a criterion of a task's model, by the module itself."""

    def __init__(self, task: Task, criterion: Criterion) -> None:
        self._criterion = criterion
        self._layout = task.layout
        self._model = copy.deepcopy(task.model)
        self._parameters = dict(self._model.named_parameters())
        self._buffers = dict(self._model.named_buffers())
        self._gradient = torch.zeros(task.layout.size, device=task.data.x.device)
        self._copies = False

    def bind(self, params: Tensor, copies: bool) -> None:
        """Let the model's arrays be views of a vector ``[d]``, which may change in place."""
        self._copies = copies
        gradients = self._layout.unflatten(self._gradient)
        for name, view in self._layout.unflatten(params).items():
            if name in self._parameters:
                self._parameters[name].data = view
                self._parameters[name].grad = gradients[name]
            else:
                self._buffers[name].data = view

    def __call__(self, params: Tensor, batch: Batch) -> Tensor:
        self._gradient.zero_()
        with torch.enable_grad():
            torch.autograd.backward(self._criterion(self._model(batch.x), batch))
        return self._gradient.clone() if self._copies else self._gradient
