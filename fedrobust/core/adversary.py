"""Who attacks: a method, the clients it controls, what it may see, and when it acts."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import ClassVar, Self

import torch
from pydantic import BaseModel, Field, PositiveInt
from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.aggregator import State
from fedrobust.core.behavior import Behavior
from fedrobust.core.seeds import Purpose

__all__ = ["Adversary", "Attack", "Knowledge", "Schedule", "View"]


class Knowledge(StrEnum):
    """Whose updates an adversary sees before it sends its own, as they are transmitted."""

    OWN = "own"  # each controlled client only its own
    COLLUDING = "colluding"  # those of all clients the adversary controls
    OMNISCIENT = "omniscient"  # those of every client


@dataclass(frozen=True, eq=False)
class View:
    """What the adversary sees when it crafts the updates of a round, and nothing more."""

    params: (
        Tensor  # [d] the model it was sent; where clients get different ones, its first client's
    )
    own: Tensor  # [m, d] what the controlled clients would have sent
    honest: Tensor | None  # [h, d] what the others send; None unless omniscient
    num_clients: int  # how many clients take part in this round
    num_controlled: int  # how many of them this adversary controls, seen or not
    round: int
    generator: torch.Generator

    @property
    def benign(self) -> Tensor:
        """The best sample of honest updates this adversary has, ``[k, d]``."""
        return self.own if self.honest is None or not len(self.honest) else self.honest


class Attack(Behavior):
    """What an adversary does.

    It acts on each client it controls through the hooks of `Behavior`, then on their updates
    through `craft`.
    """

    default_knowledge: ClassVar[Knowledge] = Knowledge.OWN

    def init(self, params: Tensor) -> State:
        """Return what the adversary remembers before the first round of a model ``[d]``."""
        return ()

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        """Return the ``[m, d]`` updates to send in place of `view.own`, and the new state."""
        return view.own, state

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return test inputs and the labels the adversary wants; None if it wants only harm.

        Inputs whose true label already is the wanted one must be left out: a perfect honest
        model would count as a success on them.
        """
        return None


class Schedule(BaseModel, frozen=True, extra="forbid"):
    """In which rounds an adversary is active; in the others its clients are honest.

    Fields:
        start: the first round.
        stop: the last round; None for the last of the run.
        every: act in one round of so many.
        probability: act in a round with this probability, on top of the rest.
    """

    start: PositiveInt = 1
    stop: PositiveInt | None = None
    every: PositiveInt = 1
    probability: float = Field(1.0, gt=0, le=1)

    def includes(self, round: int, generator: torch.Generator) -> bool:
        """Say whether the adversary acts in a round."""
        if round < self.start or (self.stop is not None and round > self.stop):
            return False
        if (round - self.start) % self.every:
            return False
        return torch.rand((), generator=generator).item() < self.probability


@dataclass(frozen=True)
class Adversary:
    """One mind behind several clients."""

    attack: Attack
    clients: frozenset[int]
    knowledge: Knowledge
    compliant: bool = True  # whether its clients run the strategy's behaviors beneath its own
    schedule: Schedule = field(default_factory=Schedule)
    index: int = 0  # its place in the scenario, which names its random streams

    def is_active(self, round: int, seed: int) -> bool:
        """Say whether the adversary acts in a round: the same answer on every machine."""
        return self.schedule.includes(
            round, seeds.generator(seed, Purpose.SCHEDULE, round, self.index)
        )

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        """Return the adversary with its attack fitted to the data."""
        return replace(self, attack=self.attack.for_task(num_classes, input_shape))
