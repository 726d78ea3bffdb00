"""Examples of the server's own (a root data set), and what it learns from them in a round."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fedrobust.core.aggregator import RootData
from fedrobust.core.behavior import Behavior, Memory
from fedrobust.core.local import Client, default_trainer, train
from fedrobust.core.task import Task
from fedrobust.core.trainers.job import Job, Trained
from fedrobust.core.training import Training

__all__ = ["RootExamples"]

_OF_A_STEP = ("batch", "criterion", "loss", "gradient", "step")


class _ExampleClipping(Behavior):
    """Clip the gradient of each single example, and do no more."""

    bound: float

    @property
    def example_clip(self) -> float:
        return self.bound


class RootExamples(RootData):
    """What the server learns in one round from some training examples.

    It trains as honest clients do, so that its update is as long as theirs: by the same loss, with
    the same clipping.  What clients do to a finished update, the noise they add for privacy, and
    averages that they keep from round to round are left out: its update stands for this round.

    Args:
        task: whose examples they are.
        training: how clients train, and the server as well.
        behaviors: what honest clients do differently, from the innermost out.
        examples: ``[m]`` which training examples the server has.
        params: ``[d]`` the model of the round.
        generator: of the batches and the examples it draws in this round.
    """

    def __init__(
        self,
        task: Task,
        training: Training,
        behaviors: Iterable[Behavior],
        examples: Tensor,
        params: Tensor,
        generator: torch.Generator,
    ) -> None:
        self._task, self._training, self._examples = task, training, examples
        self._behaviors = tuple(_of_this_round(behaviors))
        self._params, self._start = params, generator.get_state()

    @cached_property
    def update(self) -> Tensor:
        client = Client(self._examples, [], self._generator())
        start = self._params.to(self._task.data.x.device)
        updates, _ = train(self._task, self._training, (), start, [client], self._descend)
        return updates[0].to(self._params.device)

    def _descend(self, job: Job) -> Trained:
        memory: list[Memory] = [{} for _ in self._behaviors]
        return default_trainer(replace(job, behaviors=self._behaviors, memory=memory))

    @torch.no_grad()
    def losses(self, models: Tensor, examples: int) -> Tensor:
        order = torch.randperm(len(self._examples), generator=self._generator())
        some = self._examples[order[:examples]].to(self._task.data.x.device)
        x, y = self._task.data.x[some], self._task.data.y[some]
        each = [
            cross_entropy(self._task.logits(model.to(x.device), x).double(), y) for model in models
        ]
        return torch.stack(each).to(models.device)

    @torch.no_grad()
    def accuracies(self, models: Tensor) -> Tensor:
        some = self._examples.to(self._task.data.x.device)
        x, y = self._task.data.x[some], self._task.data.y[some]
        each = [self._task.logits(model.to(x.device), x).argmax(dim=1) == y for model in models]
        return torch.stack(each).double().mean(dim=1).to(models.device)

    def _generator(self) -> torch.Generator:
        """Return the round's generator as it was, so that what is asked first changes nothing."""
        return torch.Generator().set_state(self._start)


def _of_this_round(behaviors: Iterable[Behavior]) -> Iterator[Behavior]:
    """Select what decides how a step is made, without noise and without a memory."""
    for behavior in behaviors:
        remembers, draws = behavior.overrides("remember"), behavior.overrides("draw")
        if any(map(behavior.overrides, _OF_A_STEP)) and not (remembers or draws):
            yield behavior
        elif behavior.example_clip is not None:
            yield _ExampleClipping(bound=behavior.example_clip)
