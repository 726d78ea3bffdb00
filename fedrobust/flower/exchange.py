"""Messages of a whole cohort, each made only for those who look at it.

Building Flower's objects for a hundred clients takes several times as long as training a small
model for them.  Whoever knows these sequences reads what they carry; anyone else sees messages.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import overload

from flwr.app import Message, MetricRecord, RecordDict
from torch import Tensor

from fedrobust.core.layout import Layout
from fedrobust.flower import touchpoints
from fedrobust.flower.payload import content_bytes, model_bytes
from fedrobust.flower.records import ModelRecord

__all__ = ["EXAMPLES", "LOSS", "Broadcast", "CohortReplies", "LazyMessages", "payload"]

EXAMPLES = "num-examples"  # the metric in which our clients say how many they have
LOSS = "train_loss"  # that in which they say what they lose by the model they were sent


class LazyMessages(Sequence[Message]):
    """Messages that are made one by one, on demand, and then kept."""

    def __init__(self, count: int) -> None:
        self._made: dict[int, Message] = {}
        self._count = count

    @property
    def untouched(self) -> bool:
        """Whether nobody has seen, and so nobody can have changed, one of the messages."""
        return not self._made

    @abstractmethod
    def _make(self, place: int) -> Message:
        """Return the message at a place."""

    @abstractmethod
    def payload(self) -> int:
        """Return the bytes of the arrays of all messages while they are untouched."""

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Message: ...
    @overload
    def __getitem__(self, place: slice) -> list[Message]: ...
    def __getitem__(self, place: int | slice) -> Message | list[Message]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self._count))]
        place = range(self._count)[place]
        if place not in self._made:
            self._made[place] = self._make(place)
        return self._made[place]


class Broadcast(LazyMessages):
    """The same content for many nodes.

    Args:
        content: what each of them is sent.
        nodes: their ids.
        message_type: as Flower has it.
        group: what the messages have in common: the round.
    """

    def __init__(
        self, content: RecordDict, nodes: Sequence[int], message_type: str, group: str
    ) -> None:
        super().__init__(len(nodes))
        self.content, self.nodes = content, nodes
        self.message_type, self.group = message_type, group
        self._first_id: int | None = None

    def number(self, first: int) -> None:
        """Give the messages their ids, which ascend from `first`."""
        self._first_id = first

    def payload(self) -> int:
        return len(self) * content_bytes(self.content)

    def _make(self, place: int) -> Message:
        message = Message(self.content, self.nodes[place], self.message_type, group_id=self.group)
        if self._first_id is not None:
            touchpoints.name_message(message, str(self._first_id + place))
        return message


class CohortReplies(LazyMessages):
    """What the clients of a cohort reply: each one row of a matrix, or that its reply is lost.

    Args:
        asked: n messages they were sent.
        nodes: n ids of who replies.
        layout: of the model.
        starts: the models ``[d]`` they were sent, n of them.
        updates: ``[n, d]`` how far each client came; its rows may be rewritten.
        examples: how many examples each of them says it has; may be rewritten.
        losses: n losses by the models they were sent, as they say; None if they do not.
    """

    def __init__(
        self,
        asked: Sequence[Message],
        nodes: Sequence[int],
        layout: Layout,
        starts: Sequence[Tensor],
        updates: Tensor,
        examples: list[int],
        losses: list[float] | None = None,
    ) -> None:
        super().__init__(len(asked))
        self.asked, self.nodes, self.layout = asked, nodes, layout
        self.starts, self.updates = starts, updates
        self.examples, self.losses = examples, losses
        self.lost: dict[int, str] = {}  # place: why that reply does not arrive; may be rewritten

    def payload(self) -> int:
        return (len(self) - len(self.lost)) * model_bytes(self.layout)

    def _make(self, place: int) -> Message:
        asked = self.asked[place]
        if place in self.lost:
            reply = touchpoints.error_reply(asked, self.lost[place])
        else:
            model = ModelRecord(self.layout, self.starts[place], self.updates, place)
            metrics = MetricRecord({EXAMPLES: self.examples[place]})
            if self.losses is not None:
                metrics[LOSS] = self.losses[place]
            reply = Message(RecordDict({"arrays": model, "metrics": metrics}), reply_to=asked)
        if asked.metadata.message_id:
            touchpoints.name_message(reply, f"{asked.metadata.message_id}-reply")
        return reply


def payload(messages: Iterable[Message]) -> int:
    """Return how many bytes the arrays of messages take; an error has none."""
    if isinstance(messages, LazyMessages) and messages.untouched:
        return messages.payload()
    return sum(content_bytes(message.content) for message in messages if message.has_content())
