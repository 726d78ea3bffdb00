"""Let adversaries rewrite what the clients they control send."""

from collections.abc import Iterable, Mapping, Sequence
from logging import getLogger
from time import perf_counter
from typing import Any

import torch
from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid
from torch import Tensor

from fedrobust.core import admission, seeds
from fedrobust.core.adversary import Adversary, Knowledge, View
from fedrobust.core.seeds import Purpose
from fedrobust.flower import touchpoints
from fedrobust.flower.exchange import Broadcast
from fedrobust.flower.roster import Roster
from fedrobust.flower.traffic import Traffic

__all__ = ["AdversaryGrid"]

logger = getLogger(__name__)


class AdversaryGrid(Grid):
    """A grid that stands between the server and the clients that adversaries control.

    Everything else passes through, so any strategy runs under attack unchanged, in a simulation
    or a deployment.  Each adversary sees what its knowledge allows, of what is transmitted in this
    round, and nothing of what another adversary makes of it.

    Args:
        grid: what carries the messages.
        adversaries: who attacks; no client belongs to two of them.
        seed: of the run.
    """

    def __init__(self, grid: Grid, adversaries: Iterable[Adversary], seed: int = 0) -> None:
        self._grid, self._adversaries, self._seed = grid, tuple(adversaries), seed
        self._roster = Roster()
        self._sent: dict[str, Message] = {}
        self._rounds = 0
        self.state: dict[str, Any] = {}  # what adversaries remember, by adversary and client
        self.seconds = 0.0  # that adversaries took in the last round

    @property
    def clients(self) -> Mapping[int, int]:
        """Which client each node is."""
        self._roster.update(self._grid)
        return self._roster.clients

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Sequence[Message]:
        """Pass messages on, and replace the updates of controlled clients in the replies."""
        sent = messages if isinstance(messages, Sequence) else list(messages)
        received = self._grid.send_and_receive(sent, timeout=timeout)
        replies = received if isinstance(received, Sequence) else list(received)
        self._intercept(sent, replies)
        return replies

    def _intercept(self, sent: Sequence[Message], replies: Sequence[Message]) -> None:
        if sent and _kind(sent) == MessageType.TRAIN:
            start = perf_counter()
            self._rounds += 1
            config = next(iter(_content(sent).config_records.values()), ConfigRecord())
            named = config.get("server-round")  # as Flower's strategies say; others may not
            round = named if isinstance(named, int) else self._rounds
            active = [a for a in self._adversaries if a.is_active(round, self._seed)]
            if active:
                self._roster.update(self._grid)
                traffic = Traffic.of(sent, replies, self._roster)
                if traffic is None:
                    logger.warning("Adversaries do nothing: the messages do not hold one model.")
                else:
                    self._attack(traffic, active, round)
            self.seconds = perf_counter() - start

    def _attack(self, traffic: Traffic, active: Sequence[Adversary], round: int) -> None:
        who, starts, updates = traffic.clients, traffic.starts, traffic.updates
        hostile = {client for adversary in active for client in adversary.clients}
        faults = admission.faults_of_rows(updates)
        honest = [p for p, c in enumerate(who) if c not in hostile and faults[p] is None]
        crafted: dict[int, Tensor] = {}
        for adversary in active:
            own = [p for p, c in enumerate(who) if c in adversary.clients]
            if own:
                shown = updates[honest] if adversary.knowledge is Knowledge.OMNISCIENT else None
                ids, sent_to = [who[p] for p in own], [starts[p] for p in own]
                rows = self._crafted(adversary, ids, sent_to, updates[own], shown, len(who), round)
                crafted |= dict(zip(own, rows, strict=True))
        for place, row in crafted.items():
            traffic.replace(place, row)

    def _crafted(
        self,
        adversary: Adversary,
        clients: list[int],
        starts: list[Tensor],
        own: Tensor,
        honest: Tensor | None,
        num_clients: int,
        round: int,
    ) -> Tensor:
        """Return the rows ``[m, d]`` that an adversary sends, each mind seeing its own only."""
        alone = adversary.knowledge is Knowledge.OWN
        minds = [[i] for i in range(len(own))] if alone else [list(range(len(own)))]
        generator = seeds.generator(self._seed, Purpose.ADVERSARY, round, adversary.index)
        sent = torch.empty_like(own)
        for mind in minds:
            key = f"{adversary.index}/{clients[mind[0]]}" if alone else str(adversary.index)
            params = starts[mind[0]].clone()  # what an attack does to it must not reach the server
            if key not in self.state:
                self.state[key] = adversary.attack.init(params)
            view = View(params, own[mind], honest, num_clients, len(own), round, generator)
            sent[mind], self.state[key] = adversary.attack.craft(view, self.state[key])
        return sent

    def set_run(self, run: touchpoints.Run) -> None:
        self._grid.set_run(run)

    @property
    def run(self) -> touchpoints.Run:
        return self._grid.run

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        return self._grid.create_message(*args, **kwargs)

    def get_node_ids(self) -> Iterable[int]:
        return self._grid.get_node_ids()

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        sent = list(messages)
        ids = list(self._grid.push_messages(sent))
        self._sent |= dict(zip(ids, sent, strict=True))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Pull replies; those pulled together are seen and replaced together."""
        replies = list(self._grid.pull_messages(message_ids))
        ids = [reply.metadata.reply_to_message_id for reply in replies]
        self._intercept([self._sent.pop(i) for i in ids if i in self._sent], replies)
        return replies


def _kind(sent: Sequence[Message]) -> str:
    return sent.message_type if isinstance(sent, Broadcast) else sent[0].metadata.message_type


def _content(sent: Sequence[Message]) -> RecordDict:
    return sent.content if isinstance(sent, Broadcast) else sent[0].content
