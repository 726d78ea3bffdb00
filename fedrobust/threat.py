"""The adversaries of a scenario, and which clients each of them controls."""

from collections.abc import Sequence
from itertools import combinations
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_serializer,
    model_validator,
)

from fedrobust.core import seeds
from fedrobust.core.adversary import Adversary, Attack, Knowledge, Schedule, most_knowing
from fedrobust.core.seeds import Purpose
from fedrobust.core.training import Training
from fedrobust.errors import ConfigError
from fedrobust.parts import AttackPart, listed

__all__ = ["AdversarySpec", "assigned"]

_TEACHING = ("batch", "criterion", "loss", "gradient", "step")


class LocalWork(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How the clients of an adversary train, where it is not as all others do.

    Fields:
        steps, epochs, batch_size, lr, lr_decay, momentum, weight_decay: as for all; None for the
            same.
    """

    steps: PositiveInt | None = None
    epochs: PositiveInt | None = None
    batch_size: PositiveInt | None = None
    lr: PositiveFloat | None = None
    lr_decay: float | None = Field(None, gt=0, le=1)
    momentum: float | None = Field(None, ge=0, lt=1)
    weight_decay: NonNegativeFloat | None = None

    def instead_of(self, training: Training) -> Training:
        """Return the training of others, changed."""
        changed = self.model_dump(exclude_none=True)
        length = {"steps": None, "epochs": None} if {"steps", "epochs"} & changed.keys() else {}
        return Training.model_validate({**training.model_dump(), **length, **changed})


class AdversarySpec(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One adversary, as a scenario describes it.

    Fields:
        attack: what it does; of several attacks, each sends what it makes of what the one before it
            would send, and data pass from the last to the first.
        share: the share of all clients that it controls, drawn at random; or
        clients: the ids of those it controls, or "extra": the `extra_clients` of the partition.
        knowledge: whose updates it sees; what the attack usually assumes by default.
        training: how its clients train while it acts, where that differs from others: attackers
            may take more epochs and other rates.
        compliant: whether its clients run the strategy's client side beneath the attack.
        active: in which rounds it acts.
    """

    attack: Annotated[tuple[AttackPart, ...], BeforeValidator(listed), Field(min_length=1)]
    share: float | None = Field(None, gt=0, lt=1)
    clients: (
        Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] | Literal["extra"] | None
    ) = None
    knowledge: Knowledge | None = None
    training: LocalWork | None = None
    compliant: bool = True
    active: Schedule = Schedule()

    @field_serializer("attack")
    def _alone(self, attacks: tuple[AttackPart, ...]) -> Any:
        tables = [attack.model_dump(mode="json", exclude_none=True) for attack in attacks]
        return tables[0] if len(tables) == 1 else tables

    @field_serializer("training")
    def _told(self, training: LocalWork | None) -> Any:
        return None if training is None else training.model_dump(exclude_none=True)

    @model_validator(mode="after")
    def _share_or_clients(self) -> Self:
        if (self.share is None) == (self.clients is None):
            raise ValueError("an adversary needs either a share of the clients or their ids.")
        return self


def assigned(
    specs: Sequence[AdversarySpec],
    num_clients: int,
    seed: int,
    training: Training,
    extra_clients: int = 0,
) -> tuple[Adversary, ...]:
    """Return the adversaries with the clients that each of them controls.

    Clients that no adversary names are shared out at random, each to at most one.

    Args:
        specs: the adversaries.
        num_clients: how many clients there are.
        seed: of the run.
        training: how honest clients train.
        extra_clients: how many, the last ones, a partition adds to those who share the data out.

    Raises:
        ConfigError: if a client does not exist or is named twice, or if none is left honest.
    """
    extra = tuple(range(max(0, num_clients - extra_clients), num_clients))
    chosen = [extra if spec.clients == "extra" else spec.clients for spec in specs]
    if any(spec.clients == "extra" for spec in specs) and not extra:
        raise ConfigError(
            'adversary: clients = "extra" needs clients that the partition adds, and it adds none; '
            "set extra_clients of the partition, such as 2."
        )
    named = [client for clients in chosen for client in clients or ()]
    if twice := sorted({c for c in named if named.count(c) > 1}):
        raise ConfigError(f"adversary: clients {twice} are controlled twice; name each once.")
    if unknown := sorted({c for c in named if c >= num_clients}):
        raise ConfigError(
            f"adversary: clients {unknown} do not exist; ids go from 0 to {num_clients - 1}."
        )
    generator = seeds.generator(seed, Purpose.CONTROL)
    order = torch.randperm(num_clients, generator=generator).tolist()
    free = iter([client for client in order if client not in named])
    adversaries = []
    for index, spec in enumerate(specs):
        size = round((spec.share or 0.0) * num_clients)
        clients = chosen[index] or tuple(c for _, c in zip(range(size), free, strict=False))
        if len(clients) < max(size, 1):
            raise ConfigError(
                f"adversary.{index}.share: {spec.share:g} of {num_clients} clients is {size}, of "
                f"which {len(clients)} are free; change the share."
            )
        knowledge = spec.knowledge or most_knowing(spec.attack)
        _check_attacks(f"adversary.{index}", spec.attack, knowledge)
        work = None if spec.training is None else spec.training.instead_of(training)
        held = frozenset(clients)
        adversaries.append(
            Adversary(spec.attack, held, knowledge, spec.compliant, spec.active, index, work)
        )
    if sum(len(adversary.clients) for adversary in adversaries) >= num_clients:
        raise ConfigError("adversary: no client is left honest; lower the shares.")
    return tuple(adversaries)


def _check_attacks(where: str, attacks: Sequence[Attack], knowledge: Knowledge) -> None:
    """Refuse attacks that know too little, or of which one undoes another.

    Raises:
        ConfigError: with what to change.
    """
    for attack in attacks:
        name = attack.reference()
        if not knowledge.covers(attack.least_knowledge):
            raise ConfigError(
                f'{where}.knowledge: {name} needs knowledge = "{attack.least_knowledge}" or more, '
                f'and "{knowledge}" is less; leave it out.'
            )
        if attack.needs_goal and all(type(one).goal is Attack.goal for one in attacks):
            raise ConfigError(
                f"{where}.attack: {name} needs an attack with a goal, such as patch_backdoor; "
                "write one before it."
            )
    for before, after in combinations(attacks, 2):
        first, second = before.reference(), after.reference()
        idle, teaching = (before, after) if not before.trains else (after, before)
        if not idle.trains and any(map(teaching.overrides, _TEACHING)):
            raise ConfigError(
                f"{where}.attack: clients of {idle.reference()} do not train, so "
                f"{teaching.reference()} teaches them nothing; give it to another adversary."
            )
        if _crafts(before) and not after.inert:
            raise ConfigError(
                f"{where}.attack: {second} acts while clients train, {first} on what they then "
                f"send; write {second} before it."
            )
        if after.discards(knowledge) and (_crafts(before) or not before.inert):
            raise ConfigError(
                f"{where}.attack: what {second} sends does not depend on what {first} makes; "
                "remove one, or give it to another adversary."
            )


def _crafts(attack: Attack) -> bool:
    return type(attack).craft is not Attack.craft
