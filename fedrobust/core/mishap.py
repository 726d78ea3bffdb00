"""What befalls clients and their replies without anybody's intent.

The faults of a scenario are mishaps; `fedrobust.core.admission.Fault` is what the server sees of
them, and of attacks.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fedrobust.core import seeds
from fedrobust.core.component import Component
from fedrobust.core.seeds import Purpose

__all__ = ["WAITING", "Fate", "Mishap", "Outcome", "State", "Transit"]

WAITING = "waiting (simulated)"  # the phase of a round in which its server waits for replies

State = Any  # nested tuples, lists and dicts of tensors and numbers, so that it can be saved


@dataclass(frozen=True, eq=False)
class Transit:
    """The replies of a round on their way to the server, and the chance that rules over them."""

    round: int
    updates: Mapping[int, Tensor]  # client: the update [d] that it sent, not to be written to
    seed: int  # of one mishap in one run

    def generator(self, client: int, round: int | None = None) -> torch.Generator:
        """Return what a client's luck is drawn from: in this round, another, or 0 for all."""
        return seeds.generator(
            self.seed, Purpose.FAULT, self.round if round is None else round, client
        )

    def happens(self, client: int, probability: float, round: int | None = None) -> bool:
        """Say whether what has a probability happens to a client: in a round, or 0 for all."""
        if probability >= 1:
            return True
        drawn = torch.rand((), generator=self.generator(client, round), dtype=torch.float64)
        return drawn.item() < probability


class Fate(NamedTuple):
    """What becomes of a reply that does not arrive once, in time and as it was sent."""

    reason: str  # in words, for the ledger
    copies: int = 0  # how many of it arrive
    update: Tensor | None = None  # [d] what arrives in place of the update that was sent


class Outcome(NamedTuple):
    """What a mishap does to the replies of a round."""

    fates: Mapping[int, Fate] = {}  # client: what becomes of its reply; of others, nothing
    state: State = ()
    seconds: Mapping[int, float] = {}  # client: how long its reply took, simulated


class Mishap(Component):
    """One kind of thing that goes wrong by itself.

    What befalls a client depends on the seed, the round and the client: not on the order of
    clients, nor on who else takes part.
    """

    @property
    def patience(self) -> float | None:
        """How many seconds the server waits for replies; None if the mishap takes no time."""
        return None

    def init(self) -> State:
        """Return what is remembered before the first round."""
        return {}

    @abstractmethod
    def befall(self, transit: Transit, state: State) -> Outcome:
        """Return what becomes of the replies, and the new state; change none of them in place."""
