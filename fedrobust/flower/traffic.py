"""The updates of a round on their way to the server, where they can be seen and replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, Self

import torch
from flwr.app import ArrayRecord, Message, RecordDict
from torch import Tensor

from fedrobust.flower.exchange import EXAMPLES, LOSS, CohortReplies
from fedrobust.flower.records import Form, ModelRecord, claim_of, only_model, update_matrix
from fedrobust.flower.roster import Roster

__all__ = ["Traffic"]


@dataclass(frozen=True, eq=False)
class Traffic:
    """The replies of a round that hold a model like the one that was sent, by client id."""

    clients: list[int]  # n of them, ascending
    starts: list[Tensor]  # the models [d] they were sent
    updates: Tensor  # [n, d]
    examples: Tensor  # [n] float64, how many examples they say they have; NaN if they do not
    losses: Tensor | None  # [n] float64, what they say they lose by that model; None if none does
    rows: list[int]  # where the reply of each client is
    _replies: Sequence[Message] | CohortReplies
    _form: Form

    @classmethod
    def of(cls, sent: Sequence[Message], replies: Sequence[Message], roster: Roster) -> Self | None:
        """Return what travels; None if the messages sent do not hold one model each."""
        if isinstance(replies, CohortReplies) and replies.untouched:
            return cls._of_cohort(replies, roster)
        models = {m.metadata.dst_node_id: only_model(m.content) for m in sent}
        first = next((model for model in models.values() if model is not None), None)
        if first is None:
            return None
        form = Form.of(first)
        starts = {node: form.vector(model) for node, model in models.items() if model is not None}
        rows: dict[int, int] = {}
        found: dict[int, tuple[ArrayRecord, Tensor]] = {}
        for place, reply in enumerate(replies):
            node = reply.metadata.src_node_id
            client = roster.client_of(node)
            if client is None or client in rows or node not in starts or reply.has_error():
                continue  # of two replies the server takes the first, of strangers none
            model = only_model(reply.content)
            if model is not None and form.fault(model) is None:
                rows[client] = place
                found[client] = model, starts[node]
        clients = sorted(found)
        begun = [found[client][1] for client in clients]
        models_sent = [found[client][0] for client in clients]
        updates = torch.empty(0, form.layout.size)
        if models_sent:
            updates = update_matrix(models_sent, begun, form)
        claims = [claim_of(replies[rows[c]].content, EXAMPLES) for c in clients]
        examples = torch.tensor([_number(claim) for claim in claims], dtype=torch.float64)
        told = [_number(claim_of(replies[rows[c]].content, LOSS)) for c in clients]
        losses = torch.tensor(told, dtype=torch.float64) if any(map(isfinite, told)) else None
        places = [rows[client] for client in clients]
        return cls(clients, begun, updates, examples, losses, places, replies, form)

    @classmethod
    def _of_cohort(cls, replies: CohortReplies, roster: Roster) -> Self:
        nodes = ((place, n) for place, n in enumerate(replies.nodes) if place not in replies.lost)
        places = {roster.clients[node]: place for place, node in nodes}
        clients = sorted(places)
        rows = [places[client] for client in clients]
        updates = replies.updates if rows == list(range(len(rows))) else replies.updates[rows]
        form = Form.of(ModelRecord(replies.layout, replies.starts[0]))
        examples = torch.tensor([replies.examples[r] for r in rows], dtype=torch.float64)
        starts = [replies.starts[r] for r in rows]
        told = replies.losses
        losses = None
        if told is not None:
            losses = torch.tensor([told[r] for r in rows], dtype=torch.float64)
        return cls(clients, starts, updates, examples, losses, rows, replies, form)

    def replace(self, place: int, update: Tensor) -> None:
        """Let a client send another update ``[d]``, in the cohort's matrix if it has one."""
        row = self.rows[place]
        self.updates[place] = update  # often the very matrix that replies are rows of
        if isinstance(self._replies, CohortReplies) and self._replies.untouched:
            if self.updates is not self._replies.updates:
                self._replies.updates[row] = update
            return
        reply = self._replies[row]
        model = only_model(reply.content)
        if isinstance(model, ModelRecord) and model.untouched and model.matrix is not None:
            if self.updates is not model.matrix:
                model.matrix[model.row] = update
            return
        crafted = self._form.record(self.starts[place] + update)
        reply.content = RecordDict(
            {key: crafted if r is model else r for key, r in reply.content.items()}
        )

    def claim(self, place: int, key: str, value: float) -> None:
        """Let a client say another number of its examples, or of what it loses, if it says one.

        Args:
            place: which client.
            key: `EXAMPLES` or `LOSS`.
            value: what it shall say; one that is not finite is not said.
        """
        if not isfinite(value):
            return
        row, said = self.rows[place], int(value) if key == EXAMPLES else value
        if isinstance(self._replies, CohortReplies) and self._replies.untouched:
            told: list[Any] | None = (
                self._replies.examples if key == EXAMPLES else self._replies.losses
            )
            if told is not None:
                told[row] = said
            return
        for record in self._replies[row].content.metric_records.values():
            if key in record:
                record[key] = said


def _number(claim: object) -> float:
    try:
        return float(claim) if isinstance(claim, int | float) else nan
    except OverflowError:
        return nan
