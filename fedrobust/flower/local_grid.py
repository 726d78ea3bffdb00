"""A Flower Grid inside this process: no SuperLink, no Ray, no sockets, no serialisation."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from logging import getLogger
from typing import Any

from flwr.app import ArrayRecord, Context, Message, MessageType, RecordDict, UserConfigValue
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from torch import Tensor

from fedrobust.flower import touchpoints
from fedrobust.flower.exchange import Broadcast, LazyMessages
from fedrobust.flower.records import ModelRecord, from_tensors, to_tensors

__all__ = ["LocalGrid"]

logger = getLogger(__name__)

_FIRST_NODE = 2  # node 1 is the server
_run_ids = count(1)


class LocalGrid(Grid):
    """Runs any ClientApp for any strategy, with one lasting `Context` a client.

    A ClientApp that has ``train_many(messages, contexts) -> replies`` is handed all train messages
    of a round at once.  Any other is called message by message; if it raises, the server gets the
    error reply that a SuperNode would send.  Time limits are ignored: in one process, waiting is
    working.

    Args:
        app: what every client runs.
        num_clients: how many there are; client i is node i + 2.
        run_config: what every client finds in ``context.run_config``.
        node_config: what every client finds in ``context.node_config``, besides its partition id.
        cohort: whether to use ``train_many`` where there is one.
    """

    def __init__(
        self,
        app: ClientApp,
        num_clients: int,
        *,
        run_config: Mapping[str, UserConfigValue] | None = None,
        node_config: Mapping[str, UserConfigValue] | None = None,
        cohort: bool = True,
    ) -> None:
        self._app = app
        self._run = touchpoints.empty_run(next(_run_ids))
        self._train_many = getattr(app, "train_many", None) if cohort else None
        self._run_config, self._node_config = dict(run_config or {}), dict(node_config or {})
        self._contexts: dict[int, Context] = {}
        self._replies: dict[str, Message] = {}
        self._sent = 0
        self.clients = {i + _FIRST_NODE: i for i in range(num_clients)}  # node id: client id
        touchpoints.adopt_identity(self._run.run_id)

    def set_run(self, run: touchpoints.Run) -> None:
        self._run = run

    @property
    def run(self) -> touchpoints.Run:
        return self._run

    def context(self, node: int) -> Context:
        """Return what a client keeps between messages."""
        if node not in self._contexts:
            config = {
                **self._node_config,
                "partition-id": self.clients[node],
                "num-partitions": len(self.clients),
            }
            self._contexts[node] = Context(
                self._run.run_id, node, config, RecordDict(), dict(self._run_config)
            )
        return self._contexts[node]

    def memories(self) -> dict[int, dict[str, dict[str, Tensor]]]:
        """Return the arrays that clients keep between messages, by client, record and name."""
        return {
            self.clients[node]: {
                key: to_tensors(record)
                for key, record in context.state.items()
                if isinstance(record, ArrayRecord)
            }
            for node, context in self._contexts.items()
        }

    def restore(self, memories: Mapping[int, Mapping[str, Mapping[str, Tensor]]]) -> None:
        """Give clients back what `memories` returned."""
        nodes = {client: node for node, client in self.clients.items()}
        for client, records in memories.items():
            state = self.context(nodes[client]).state
            for key, tensors in records.items():
                state[key] = from_tensors(tensors)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> list[int]:
        touchpoints.adopt_identity(self._run.run_id)  # a strategy asks before it writes messages
        return list(self.clients)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        sent = list(messages)
        self._replies |= {r.metadata.reply_to_message_id: r for r in self._execute(sent)}
        return [message.metadata.message_id for message in sent]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [self._replies.pop(i) for i in list(message_ids) if i in self._replies]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Sequence[Message]:
        return self._execute(messages if isinstance(messages, Sequence) else list(messages))

    def _execute(self, messages: Sequence[Message]) -> Sequence[Message]:
        if not messages:
            return []
        first, self._sent = self._sent + 1, self._sent + len(messages)
        if isinstance(messages, Broadcast) and messages.untouched:
            messages.number(first)
            nodes, kinds = list(messages.nodes), {messages.message_type}
        else:
            for place, message in enumerate(messages):
                touchpoints.name_message(message, str(first + place))
            nodes = [message.metadata.dst_node_id for message in messages]
            kinds = {message.metadata.message_type for message in messages}
        if self._train_many is not None and kinds == {MessageType.TRAIN}:
            replies: Sequence[Message] = self._train_many(messages, list(map(self.context, nodes)))
        else:
            replies = [self._call(message) for message in messages]
        if not isinstance(replies, LazyMessages):  # those name themselves
            for reply in replies:
                touchpoints.name_message(reply, f"{reply.metadata.reply_to_message_id}-reply")
        return replies

    def _call(self, message: Message) -> Message:
        inbox = Message(
            _private(message.content),
            message.metadata.dst_node_id,
            message.metadata.message_type,
            ttl=message.metadata.ttl,
            group_id=message.metadata.group_id,
        )
        touchpoints.name_message(inbox, message.metadata.message_id)
        try:
            return self._app(inbox, self.context(message.metadata.dst_node_id))
        except Exception as error:  # a client's failure is a reply, never the server's crash
            logger.debug("A ClientApp raised an exception.", exc_info=True)
            return touchpoints.error_reply(inbox, f"{type(error).__name__}: {error}")


def _private(content: RecordDict) -> RecordDict:
    """Return a node's own copy: strategies put one RecordDict into all messages of a round."""
    return RecordDict({key: _copy(record) for key, record in content.items()})


def _copy(record: Any) -> Any:
    if isinstance(record, ModelRecord):
        return record.copy()
    if isinstance(record, ArrayRecord):
        copied = ArrayRecord()
        for name, array in record.items():
            touchpoints.put_array(copied, name, array)
        return copied
    return type(record)(dict(record.items()))
