"""A grid that stands between the server and its clients, and changes what passes."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flwr.app import ConfigRecord, Message, MessageType, RecordDict
from flwr.serverapp import Grid

from fedrobust.flower import touchpoints
from fedrobust.flower.exchange import Broadcast
from fedrobust.flower.roster import Roster

__all__ = ["InterceptingGrid"]


class InterceptingGrid(Grid):
    """A grid around another one, which may change the replies of a round of training.

    Everything else passes through, so any strategy runs on it unchanged, in a simulation or a
    deployment.

    Args:
        grid: what carries the messages.
    """

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._roster = Roster()
        self._sent: dict[str, Message] = {}
        self._rounds = 0

    @abstractmethod
    def intercept(
        self, sent: Sequence[Message], replies: Sequence[Message], round: int
    ) -> Sequence[Message]:
        """Return what the server receives of the replies to messages of a round of training."""

    @property
    def clients(self) -> Mapping[int, int]:
        """Which client each node is."""
        self._roster.update(self._grid)
        return self._roster.clients

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Sequence[Message]:
        """Pass messages on, and change the replies."""
        sent = messages if isinstance(messages, Sequence) else list(messages)
        received = self._grid.send_and_receive(sent, timeout=timeout)
        replies = received if isinstance(received, Sequence) else list(received)
        return self._changed(sent, replies)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        sent = list(messages)
        ids = list(self._grid.push_messages(sent))
        self._sent |= dict(zip(ids, sent, strict=True))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Pull replies; those pulled together are seen and changed together."""
        replies = list(self._grid.pull_messages(message_ids))
        ids = [reply.metadata.reply_to_message_id for reply in replies]
        sent = [self._sent.pop(i) for i in ids if i in self._sent]
        return list(self._changed(sent, replies))

    def _changed(self, sent: Sequence[Message], replies: Sequence[Message]) -> Sequence[Message]:
        if not sent or _kind(sent) != MessageType.TRAIN:
            return replies
        self._rounds += 1
        config = next(iter(_content(sent).config_records.values()), ConfigRecord())
        named = config.get("server-round")  # as Flower's strategies say; others may not
        return self.intercept(sent, replies, named if isinstance(named, int) else self._rounds)

    def set_run(self, run: touchpoints.Run) -> None:
        self._grid.set_run(run)

    @property
    def run(self) -> touchpoints.Run:
        return self._grid.run

    def create_message(self, *args: Any, **kwargs: Any) -> Message:
        return self._grid.create_message(*args, **kwargs)

    def get_node_ids(self) -> Iterable[int]:
        return self._grid.get_node_ids()


def _kind(sent: Sequence[Message]) -> str:
    return sent.message_type if isinstance(sent, Broadcast) else sent[0].metadata.message_type


def _content(sent: Sequence[Message]) -> RecordDict:
    return sent.content if isinstance(sent, Broadcast) else sent[0].content
