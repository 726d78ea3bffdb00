"""Let adversaries rewrite what the clients they control send."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from logging import getLogger
from time import perf_counter
from typing import Any

import torch
from flwr.app import Message
from flwr.serverapp import Grid
from torch import Tensor

from fedrobust.core import admission, seeds
from fedrobust.core.adversary import Adversary, Knowledge, View
from fedrobust.core.seeds import Purpose
from fedrobust.core.trial import Trial
from fedrobust.core.world import World
from fedrobust.errors import ConfigError
from fedrobust.flower.exchange import EXAMPLES, LOSS
from fedrobust.flower.intercepting import InterceptingGrid
from fedrobust.flower.traffic import Traffic

__all__ = ["AdversaryGrid", "Rehearse"]

Rehearse = Callable[[Tensor, Sequence[int], Tensor, torch.Generator, Tensor | None], Tensor | None]
"""What a server would make of updates ``[n, d]`` of n clients who claim to have ``[n]`` examples
and, maybe, to lose ``[n]``: its update ``[d]``, or None if it would keep its model.  It changes
nothing."""

Claims = dict[str, Tensor]  # what clients say of themselves ``[m]``, by how a reply calls it

_STREAMS = 1 << 20  # adversaries that may have streams of their own beside those of their clients

logger = getLogger(__name__)


class AdversaryGrid(InterceptingGrid):
    """A grid that stands between the server and the clients that adversaries control.

    Each adversary sees what its knowledge allows, of what is transmitted in this round, and
    nothing of what another adversary makes of it.

    Args:
        grid: what carries the messages.
        adversaries: who attacks; no client belongs to two of them.
        seed: of the run.
        world: what clients learn, for attacks that try models on the examples of their clients.
        rehearse: what the server would make of updates, for adversaries that know its rule;
            `RobustStrategy.rehearse`.

    Raises:
        ConfigError: if an adversary knows the rule, and nothing says what it is.
    """

    def __init__(
        self,
        grid: Grid,
        adversaries: Iterable[Adversary],
        seed: int = 0,
        *,
        world: World | None = None,
        rehearse: Rehearse | None = None,
    ) -> None:
        super().__init__(grid)
        self._adversaries, self._seed = tuple(adversaries), seed
        self._world, self._rehearse = world, rehearse
        self.state: dict[str, Any] = {}  # what adversaries remember, by adversary and client
        self.seconds = 0.0  # that adversaries took in the last round
        knowing = [a.name for a in self._adversaries if a.knowledge is Knowledge.RULE]
        if knowing and rehearse is None:
            raise ConfigError(
                f"adversary: {knowing[0]} needs to know what the server makes of updates, which "
                'only a strategy with a `rehearse` method tells; set knowledge = "omniscient".'
            )

    def intercept(
        self, sent: Sequence[Message], replies: Sequence[Message], round: int
    ) -> Sequence[Message]:
        start = perf_counter()
        active = [a for a in self._adversaries if a.is_active(round, self._seed)]
        if active:
            self._roster.update(self._grid)
            traffic = Traffic.of(sent, replies, self._roster)
            if traffic is None:
                logger.warning("Adversaries do nothing: the messages do not hold one model.")
            else:
                self._attack(traffic, active, round)
        self.seconds = perf_counter() - start
        return replies

    def _attack(self, traffic: Traffic, active: Sequence[Adversary], round: int) -> None:
        who = traffic.clients
        hostile = {client for adversary in active for client in adversary.clients}
        faults = admission.faults_of_rows(traffic.updates)
        honest = [p for p, c in enumerate(who) if c not in hostile and faults[p] is None]
        sent: dict[int, Tensor] = {}
        said: list[tuple[int, str, float]] = []
        for adversary in active:
            own = [p for p, c in enumerate(who) if c in adversary.clients]
            if own:
                claims = _claims(adversary, traffic, own)
                said += _lies(claims, traffic, own)
                sent |= self._crafted(adversary, own, honest, traffic, claims, round)
        for place, row in sent.items():
            traffic.replace(place, row)
        for place, key, value in said:
            traffic.claim(place, key, value)

    def _crafted(
        self,
        adversary: Adversary,
        own: list[int],
        honest: list[int],
        traffic: Traffic,
        claims: Claims,
        round: int,
    ) -> dict[int, Tensor]:
        """Return the row ``[d]`` that each client of an adversary sends, by its place.

        Each mind sees its own only: the adversary, or each client where they do not collude.
        """
        who, knowledge = traffic.clients, adversary.knowledge
        alone = knowledge is Knowledge.OWN
        others = honest if knowledge.sees_all else None
        sent: dict[int, Tensor] = {}
        for mind in [[place] for place in own] if alone else [own]:
            key = f"{adversary.index}/{who[mind[0]]}" if alone else str(adversary.index)
            # what an attack does to its model must not reach the server
            params = traffic.starts[mind[0]].clone()
            if key not in self.state:
                self.state[key] = adversary.init(params)
            stream = adversary.index + (_STREAMS * (1 + who[mind[0]]) if alone else 0)
            generator = seeds.generator(self._seed, Purpose.ADVERSARY, round, stream)
            knows = self._rehearse is not None and knowledge is Knowledge.RULE
            rehearsed = partial(self._rehearsed, traffic, mind, claims, round)
            view = View(
                params,
                traffic.updates[mind],
                None if others is None else traffic.updates[others],
                len(who),
                len(own),
                round,
                generator,
                honest_clients=None if others is None else torch.tensor([who[p] for p in others]),
                simulate=rehearsed if knows else None,
                trial=self._trial(adversary, [who[p] for p in mind]),
            )
            rows, self.state[key] = adversary.craft(view, self.state[key])
            sent |= dict(zip(mind, rows, strict=True))
        return sent

    def _trial(self, adversary: Adversary, clients: list[int]) -> Trial | None:
        if self._world is None or not any(a.tries_models for a in adversary.attacks):
            return None
        return Trial.of(self._world, adversary, clients)

    def _rehearsed(
        self, traffic: Traffic, mind: list[int], claims: Claims, round: int, rows: Tensor
    ) -> Tensor | None:
        """Return what the server would make of the round with `rows` ``[m, d]`` of one mind.

        The clients of other adversaries are taken to send what they would without them.
        """
        assert self._rehearse is not None
        updates, examples = traffic.updates.clone(), traffic.examples.clone()
        losses = None if traffic.losses is None else traffic.losses.clone()
        updates[mind], examples[mind] = rows, claims[EXAMPLES]
        if losses is not None:
            losses[mind] = claims[LOSS]
        generator = seeds.generator(self._seed, Purpose.REHEARSAL, round)
        return self._rehearse(updates, traffic.clients, examples, generator, losses)


def _claims(adversary: Adversary, traffic: Traffic, own: list[int]) -> Claims:
    """Return what the clients of an adversary say of themselves."""
    claims = {EXAMPLES: adversary.claims(traffic.examples[own])}
    if traffic.losses is not None:
        claims[LOSS] = adversary.losses(traffic.losses[own])
    return claims


def _lies(claims: Claims, traffic: Traffic, own: list[int]) -> Iterator[tuple[int, str, float]]:
    """Yield what is not as their clients have it: whose, which, and the number."""
    for key, values in claims.items():
        truth = traffic.examples if key == EXAMPLES else traffic.losses
        assert truth is not None
        for place, value, true in zip(own, values.tolist(), truth[own].tolist(), strict=True):
            if value != true:
                yield place, key, value
