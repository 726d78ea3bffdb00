"""The adversaries of a scenario, and which clients each of them controls."""

from collections.abc import Sequence
from typing import Self

import torch
from pydantic import BaseModel, Field, NonNegativeInt, model_validator

from fedrobust.core import seeds
from fedrobust.core.adversary import Adversary, Knowledge, Schedule
from fedrobust.core.seeds import Purpose
from fedrobust.errors import ConfigError
from fedrobust.parts import AttackPart

__all__ = ["AdversarySpec", "assigned"]


class AdversarySpec(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One adversary, as a scenario describes it.

    Fields:
        attack: what it does.
        share: the share of all clients that it controls, drawn at random; or
        clients: the ids of those it controls.
        knowledge: whose updates it sees; what the attack usually assumes by default.
        compliant: whether its clients run the strategy's client side beneath the attack.
        active: in which rounds it acts.
    """

    attack: AttackPart
    share: float | None = Field(None, gt=0, lt=1)
    clients: tuple[NonNegativeInt, ...] | None = Field(None, min_length=1)
    knowledge: Knowledge | None = None
    compliant: bool = True
    active: Schedule = Schedule()

    @model_validator(mode="after")
    def _share_or_clients(self) -> Self:
        if (self.share is None) == (self.clients is None):
            raise ValueError("an adversary needs either a share of the clients or their ids.")
        return self


def assigned(specs: Sequence[AdversarySpec], num_clients: int, seed: int) -> tuple[Adversary, ...]:
    """Return the adversaries with the clients that each of them controls.

    Clients that no adversary names are shared out at random, each to at most one.

    Raises:
        ConfigError: if a client does not exist or is named twice, or if none is left honest.
    """
    named = [client for spec in specs for client in spec.clients or ()]
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
        clients = spec.clients or tuple(c for _, c in zip(range(size), free, strict=False))
        if len(clients) < max(size, 1):
            raise ConfigError(
                f"adversary.{index}.share: {spec.share:g} of {num_clients} clients is {size}, of "
                f"which {len(clients)} are free; change the share."
            )
        knowledge = spec.knowledge or spec.attack.default_knowledge
        adversaries.append(
            Adversary(
                spec.attack, frozenset(clients), knowledge, spec.compliant, spec.active, index
            )
        )
    if sum(len(adversary.clients) for adversary in adversaries) >= num_clients:
        raise ConfigError("adversary: no client is left honest; lower the shares.")
    return tuple(adversaries)
