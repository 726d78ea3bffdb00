"""Who attacks: by what methods, through which clients, with what knowledge, and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.aggregator import State
from fedrobust.core.behavior import Behavior
from fedrobust.core.schedule import Schedule
from fedrobust.core.seeds import Purpose
from fedrobust.core.training import Training

__all__ = ["Adversary", "Attack", "Knowledge", "Schedule", "View", "most_knowing"]


class Knowledge(StrEnum):
    """Whose updates an adversary sees before it sends its own, as they are transmitted."""

    OWN = "own"  # each controlled client only its own
    COLLUDING = "colluding"  # those of all clients the adversary controls
    OMNISCIENT = "omniscient"  # those of every client
    RULE = "rule"  # the same, and what the server would make of any updates: its rule and state

    @property
    def sees_all(self) -> bool:
        """Whether it sees the updates of clients that it does not control."""
        return self.covers(Knowledge.OMNISCIENT)

    def covers(self, other: "Knowledge") -> bool:
        """Say whether it sees all that another level sees."""
        levels = list(Knowledge)
        return levels.index(self) >= levels.index(other)


class Examinable(Protocol):
    """How good models are for an adversary, on the examples that its clients hold."""

    def loss(self, params: Tensor) -> float:
        """Return the mean loss of a model ``[d]``."""

    def success(self, params: Tensor) -> float:
        """Return how often a model ``[d]`` does what is wanted; NaN if nothing is."""


@dataclass(frozen=True, eq=False)
class View:
    """What the adversary sees when it crafts the updates of a round, and nothing more."""

    params: (
        Tensor  # [d] the model it was sent; where clients get different ones, its first client's
    )
    own: Tensor  # [m, d] what the controlled clients would send, if it left it at that
    honest: Tensor | None  # [h, d] what the others send; None unless omniscient
    num_clients: int  # how many clients take part in this round
    num_controlled: int  # how many of them this adversary controls, seen or not
    round: int
    generator: torch.Generator
    honest_clients: Tensor | None = None  # [h] who sent the rows of `honest`
    simulate: Callable[[Tensor], Tensor | None] | None = None
    """What the server would make of ``[m, d]`` updates sent: its update ``[d]``, or None if it
    would keep its model.  Its draws are not those that the server will make.  None unless the
    adversary knows the rule."""
    trial: "Examinable | None" = None
    """How good models are on examples of the clients whose updates are `own`.  None unless an
    attack `tries_models`."""

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
    composes: ClassVar[bool] = False  # whether it is written behind another attack in a list

    @property
    def least_knowledge(self) -> Knowledge:
        """What an adversary has to know for the attack to make sense."""
        return Knowledge.OWN

    @property
    def needs_goal(self) -> bool:
        """Whether it makes no sense but for an adversary with a goal."""
        return False

    def discards(self, knowledge: Knowledge) -> bool:
        """Say whether what it sends does not depend on what its clients would have sent."""
        return False

    @property
    def tries_models(self) -> bool:
        """Whether it tries models on examples of its clients, and needs a view's `trial`."""
        return False

    def init(self, params: Tensor) -> State:
        """Return what the adversary remembers before the first round of a model ``[d]``."""
        return ()

    def for_client(self, place: int, of: int) -> "Attack":
        """Return what the client at a place among `of` controlled ones does; all the same here."""
        return self

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        """Return the ``[m, d]`` updates to send in place of `view.own`, and the new state."""
        return view.own, state

    def claims(self, examples: Tensor) -> Tensor:
        """Return how many examples ``[m]`` the clients say they have, in place of the truth."""
        return examples

    def losses(self, losses: Tensor) -> Tensor:
        """Return what clients say they lose by the model ``[m]``, where they are asked."""
        return losses

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return test inputs and the labels the adversary wants; None if it wants only harm.

        Inputs whose true label already is the wanted one must be left out: a perfect honest
        model would count as a success on them.
        """
        return None


@dataclass(frozen=True)
class Adversary:
    """One mind behind several clients."""

    attacks: tuple[Attack, ...]  # each sends what it makes of what the one before it would send
    clients: frozenset[int]
    knowledge: Knowledge
    compliant: bool = True  # whether its clients run the strategy's behaviors beneath its own
    schedule: Schedule = field(default_factory=Schedule)
    index: int = 0  # its place in the scenario, which names its random streams
    training: Training | None = None  # how its clients train while it acts; None: as all others do

    @property
    def name(self) -> str:
        """What it does, as reports call it."""
        return "+".join(attack.reference() for attack in self.attacks)

    def is_active(self, round: int, seed: int) -> bool:
        """Say whether the adversary acts in a round: the same answer on every machine."""
        return self.schedule.includes(
            round, seeds.generator(seed, Purpose.SCHEDULE, round, self.index)
        )

    def for_task(self, num_classes: int, input_shape: tuple[int, ...]) -> Self:
        """Return the adversary with its attacks fitted to the data."""
        fitted = tuple(attack.for_task(num_classes, input_shape) for attack in self.attacks)
        return replace(self, attacks=fitted)

    @cached_property
    def layers(self) -> dict[int, dict[str, Behavior]]:
        """What each client does by itself, from the innermost layer out; keys name memories."""
        made: list[Attack] = []  # clients that do the same are trained as one
        layers: dict[int, dict[str, Behavior]] = {}
        for place, client in enumerate(sorted(self.clients)):
            own = [attack.for_client(place, len(self.clients)) for attack in self.attacks]
            own = [next((known for known in made if known == attack), attack) for attack in own]
            made += [attack for attack in own if attack not in made]
            layers[client] = {f"attack-{i}" if i else "attack": a for i, a in enumerate(own)}
        return layers

    def init(self, params: Tensor) -> State:
        """Return what it remembers before the first round of a model ``[d]``."""
        return [attack.init(params) for attack in self.attacks]

    def craft(self, view: View, state: State) -> tuple[Tensor, State]:
        """Return the ``[m, d]`` updates to send in place of `view.own`, and the new state."""
        new: list[State] = []
        for attack, old in zip(self.attacks, state, strict=True):
            sent, kept = attack.craft(view, old)
            view, new = replace(view, own=sent), [*new, kept]
        return view.own, new

    def claims(self, examples: Tensor) -> Tensor:
        """Return how many examples ``[m]`` its clients say they have."""
        for attack in self.attacks:
            examples = attack.claims(examples)
        return examples

    def losses(self, losses: Tensor) -> Tensor:
        """Return what its clients say they lose by the model ``[m]``."""
        for attack in self.attacks:
            losses = attack.losses(losses)
        return losses

    def goal(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return test inputs and the labels it wants, of the first attack that has a goal."""
        goals = (attack.goal(x, y) for attack in self.attacks)
        return next((goal for goal in goals if goal is not None), None)


def most_knowing(attacks: Sequence[Attack]) -> Knowledge:
    """Return the most that any of some attacks assumes to know."""
    return max((attack.default_knowledge for attack in attacks), key=list(Knowledge).index)
