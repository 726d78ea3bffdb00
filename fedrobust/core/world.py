"""All that clients need to train: the same on one machine or on many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.adversary import Adversary
from fedrobust.core.behavior import Behavior
from fedrobust.core.engine import Engine
from fedrobust.core.federation import Federation
from fedrobust.core.root import RootExamples
from fedrobust.core.seeds import Purpose
from fedrobust.core.task import Task
from fedrobust.core.trainers.planner import Planner
from fedrobust.core.training import Training

__all__ = ["World"]


@dataclass(frozen=True, eq=False)
class World:
    """What is learned, by whom, how, and who among them is hostile."""

    task: Task
    federation: Federation
    training: Training
    behaviors: tuple[Behavior, ...] = ()  # of honest clients, from the innermost out
    adversaries: tuple[Adversary, ...] = ()
    seed: int = 0
    engine: Engine = field(default_factory=Engine)
    root: Tensor | None = None  # [m] which training examples the server has, and no client
    validation: Tensor | None = None  # [v] which it only evaluates models on; no client has them
    tells_losses: bool = False  # whether clients say what they lose by the model they are sent

    @cached_property
    def planner(self) -> Planner:
        """What trains the clients."""
        return Planner(self.engine)

    @cached_property
    def placed(self) -> Task:
        """The task on the device where clients train."""
        return self.task.to(self.engine.torch_device())

    @cached_property
    def validated(self) -> Task | None:
        """The task with the validation examples as test data; None if there are none."""
        return None if self.validation is None else self.placed.tested_on(self.validation)

    @cached_property
    def controlled(self) -> Mapping[int, Adversary]:
        """Which adversary controls a client; honest clients are absent."""
        return {client: a for a in self.adversaries for client in a.clients}

    def root_data(self, round: int, params: Tensor) -> RootExamples | None:
        """Return what the server learns from its own examples in a round; None if it has none."""
        if self.root is None:
            return None
        generator = seeds.generator(self.seed, Purpose.ROOT, round)
        return RootExamples(
            self.placed, self.training.at(round), self.behaviors, self.root, params, generator
        )

    def role(self, client: int, round: int) -> str:
        """Return what a client is in a round: "honest", or the attacks that act through it."""
        adversary = self.controlled.get(client)
        if adversary is None or not adversary.is_active(round, self.seed):
            return "honest"
        return adversary.name

    def training_of(self, client: int, round: int) -> Training:
        """Return how a client trains in a round."""
        adversary = self.controlled.get(client)
        if adversary is None or not adversary.is_active(round, self.seed):
            return self.training.at(round)
        return (adversary.training or self.training).at(round)

    def layers(self, client: int, round: int) -> dict[str, Behavior]:
        """Return a client's behaviors in a round, from the innermost out.

        The keys name the client's memories; a client keeps them while its adversary sleeps.
        """
        honest = {str(place): behavior for place, behavior in enumerate(self.behaviors)}
        adversary = self.controlled.get(client)
        if adversary is None or not adversary.is_active(round, self.seed):
            return honest
        beneath = honest if adversary.compliant else {}
        return {**beneath, **adversary.layers[client]}
