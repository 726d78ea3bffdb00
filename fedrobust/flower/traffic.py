"""The updates of a round on their way to the server, where they can be seen and replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from flwr.app import ArrayRecord, Message, RecordDict
from torch import Tensor

from fedrobust.flower.exchange import CohortReplies
from fedrobust.flower.records import Form, ModelRecord, only_model, update_matrix
from fedrobust.flower.roster import Roster

__all__ = ["Traffic"]


@dataclass(frozen=True, eq=False)
class Traffic:
    """The replies of a round that hold a model like the one that was sent, by client id."""

    clients: list[int]  # n of them, ascending
    starts: list[Tensor]  # the models [d] they were sent
    updates: Tensor  # [n, d]
    _replies: Sequence[Message] | CohortReplies
    _rows: list[int]  # where the reply of each client is
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
            client = roster.client_of(reply.metadata.src_node_id)
            model = None if reply.has_error() else only_model(reply.content)
            if client is not None and model is not None and form.fault(model) is None:
                rows[client] = place
                found[client] = model, starts[reply.metadata.src_node_id]
        clients = sorted(found)
        begun = [found[client][1] for client in clients]
        updates = update_matrix([found[client][0] for client in clients], begun, form)
        return cls(clients, begun, updates, replies, [rows[c] for c in clients], form)

    @classmethod
    def _of_cohort(cls, replies: CohortReplies, roster: Roster) -> Self:
        places = {roster.clients[node]: place for place, node in enumerate(replies.nodes)}
        clients = sorted(places)
        rows = [places[client] for client in clients]
        updates = replies.updates if rows == list(range(len(rows))) else replies.updates[rows]
        form = Form.of(ModelRecord(replies.layout, replies.starts[0]))
        return cls(clients, [replies.starts[r] for r in rows], updates, replies, rows, form)

    def replace(self, place: int, update: Tensor) -> None:
        """Let a client send another update ``[d]``, in the cohort's matrix if it has one."""
        row = self._rows[place]
        if isinstance(self._replies, CohortReplies) and self._replies.untouched:
            self._replies.updates[row] = update
            return
        reply = self._replies[row]
        model = only_model(reply.content)
        if isinstance(model, ModelRecord) and model.untouched and model.matrix is not None:
            model.matrix[model.row] = update
            return
        crafted = self._form.record(self.starts[place] + update)
        reply.content = RecordDict(
            {key: crafted if r is model else r for key, r in reply.content.items()}
        )
