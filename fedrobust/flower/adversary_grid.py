"""Let adversaries rewrite what the clients they control send."""

from collections.abc import Iterable, Mapping
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
from fedrobust.flower.records import Form, ModelRecord, only_model, update_matrix
from fedrobust.flower.roster import Roster

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
    ) -> list[Message]:
        """Pass messages on, and replace the updates of controlled clients in the replies."""
        sent = list(messages)
        replies = list(self._grid.send_and_receive(sent, timeout=timeout))
        self._intercept(sent, replies)
        return replies

    def _intercept(self, sent: list[Message], replies: list[Message]) -> None:
        if not sent or sent[0].metadata.message_type != MessageType.TRAIN:
            return
        start = perf_counter()
        self._attack(sent, replies)
        self.seconds = perf_counter() - start

    def _attack(self, sent: list[Message], replies: list[Message]) -> None:
        self._rounds += 1
        config = next(iter(sent[0].content.config_records.values()), ConfigRecord())
        named = config.get("server-round")  # as Flower's strategies say; others may not
        round = named if isinstance(named, int) else self._rounds
        active = [a for a in self._adversaries if a.is_active(round, self._seed)]
        if not active:
            return
        self._roster.update(self._grid)
        models = {m.metadata.dst_node_id: only_model(m.content) for m in sent}
        first = next((model for model in models.values() if model is not None), None)
        if first is None:
            logger.warning("Adversaries do nothing: the messages do not hold one model each.")
            return
        form = Form.of(first)
        starts = {node: form.vector(model) for node, model in models.items() if model is not None}
        sound = {}
        for reply in replies:
            client = self._roster.client_of(reply.metadata.src_node_id)
            model = None if reply.has_error() else only_model(reply.content)
            if client is not None and model is not None and form.fault(model) is None:
                sound[client] = reply
        who = sorted(sound)
        nodes = [sound[client].metadata.src_node_id for client in who]
        records = [only_model(sound[client].content) for client in who]
        updates = update_matrix([r for r in records if r], [starts[n] for n in nodes], form)
        hostile = {client for adversary in active for client in adversary.clients}
        faults = admission.faults_of_rows(updates)
        honest = [p for p, c in enumerate(who) if c not in hostile and faults[p] is None]
        crafted: dict[int, Tensor] = {}
        for adversary in active:
            own = [p for p, c in enumerate(who) if c in adversary.clients]
            if own:
                sent_to = [starts[nodes[p]] for p in own]
                seen = updates[honest] if adversary.knowledge is Knowledge.OMNISCIENT else None
                ids = [who[p] for p in own]
                rows = self._crafted(adversary, ids, sent_to, updates[own], seen, len(who), round)
                crafted |= dict(zip(own, rows, strict=True))
        for place, row in crafted.items():
            _replace(sound[who[place]], starts[nodes[place]], row, form)

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


def _replace(reply: Message, start: Tensor, update: Tensor, form: Form) -> None:
    """Let a reply carry another update: in the cohort's matrix if it is a row of one."""
    model = only_model(reply.content)
    if isinstance(model, ModelRecord) and model.untouched and model.matrix is not None:
        model.matrix[model.row] = update
        return
    crafted = form.record(start + update)
    reply.content = RecordDict({k: crafted if r is model else r for k, r in reply.content.items()})
