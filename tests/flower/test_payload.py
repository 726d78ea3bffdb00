"""Bytes of a round, counted without making messages, are those of the messages."""

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message, RecordDict

from fedrobust.core.layout import Layout
from fedrobust.flower.exchange import Broadcast, CohortReplies, payload
from fedrobust.flower.fault_grid import FaultGrid
from fedrobust.flower.payload import content_bytes, model_bytes
from fedrobust.flower.records import ModelRecord, from_tensors
from tests.flower.test_exchange import Looking
from tests.flower.toys import Broken, Doom


def serialised(content):
    """What Flower makes of the arrays of a message."""
    arrays = [array for record in content.array_records.values() for array in record.values()]
    return sum(len(array.data) for array in arrays)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 1), (2, 0), (10, 2, 5, 5), (123456,)])
def test_an_array_is_as_long_as_flower_makes_it(shape):
    record = from_tensors({"w": torch.zeros(shape)})

    found = model_bytes(Layout({"w": torch.Size(shape)}))

    assert (
        found == content_bytes(RecordDict({"a": record})) == len(Array(np.zeros(shape, "f4")).data)
    )


def test_all_arrays_of_a_message_count_and_nothing_else():
    extra = ArrayRecord({"mask": Array(np.zeros(5, dtype=np.int64))})
    layout = Layout({"w": torch.Size([2, 3])})
    content = RecordDict({"arrays": ModelRecord(layout, torch.zeros(6)), "extra": extra})

    assert content_bytes(content) == serialised(content) == (128 + 24) + (128 + 40)


def test_a_cohort_counts_what_its_messages_would_and_makes_none(world, played, monkeypatch):
    size = serialised(RecordDict({"m": ModelRecord(world().task.layout, world().task.init())}))
    looked, seen = played(world(), wrap=Looking, fraction_train=0.8, min_train_nodes=8)

    def forbidden(self, place):
        raise AssertionError("made a message")

    monkeypatch.setattr(Broadcast, "_make", forbidden)
    monkeypatch.setattr(CohortReplies, "_make", forbidden)
    model, ledgers = played(world(), fraction_train=0.8, min_train_nodes=8)

    assert model.equal(looked)
    for one, other in zip(ledgers, seen, strict=True):
        assert one.sent_bytes == one.received_bytes == 8 * size
        assert (one.sent_bytes, one.received_bytes) == (other.sent_bytes, other.received_bytes)


@pytest.mark.parametrize("wrap", [lambda grid: grid, Looking], ids=["cohort", "messages"])
def test_what_is_lost_does_not_arrive_and_what_is_malformed_or_double_does(world, played, wrap):
    broken = world(attack=Broken(), malicious=2)
    faults = [Doom(clients=(3,)), Doom(clients=(4,), copies=2)]

    _, plain = played(world(), rounds=1)
    _, ledgers = played(broken, rounds=1, wrap=lambda grid: FaultGrid(wrap(grid), faults))

    each = plain[0].sent_bytes // 10
    assert ledgers[0].admitted == 7
    assert ledgers[0].sent_bytes == 10 * each
    assert ledgers[0].received_bytes == (10 - 1 + 1) * each


@pytest.mark.parametrize("faults", [[Doom(clients=(3, 5))], []], ids=["lost", "none"])
def test_a_cohort_s_lost_replies_have_no_bytes(world, played, faults):
    _, ledgers = played(world(), rounds=1, wrap=lambda grid: FaultGrid(grid, faults))

    lost = 2 if faults else 0
    assert ledgers[0].received_bytes * 10 == ledgers[0].sent_bytes * (10 - lost)


class Truncating(Looking):
    """A grid whose clients send arrays that cannot be read, and one with nothing in it."""

    def send_and_receive(self, messages, *, timeout=None):
        replies = super().send_and_receive(messages, timeout=timeout)
        for reply in replies:
            short = Array("float32", (10**9,), "numpy.ndarray", b"xyz")
            reply.content = RecordDict({"arrays": ArrayRecord({"weight": short})})
        for reply in replies[:1]:  # there are none when nodes are asked to evaluate
            reply.content = RecordDict()
        return replies


def test_a_client_that_lies_about_its_arrays_counts_for_what_it_sent(world, played):
    _, ledgers = played(world(), rounds=1, wrap=Truncating)

    assert ledgers[0].admitted == 0
    assert ledgers[0].received_bytes == 9 * 3


def test_models_of_their_own_count_each(world):
    layout = world().task.layout
    messages = [
        Message(RecordDict({"arrays": ModelRecord(layout, torch.zeros(layout.size))}), n, "train")
        for n in (2, 3)
    ]

    assert payload(messages) == 2 * model_bytes(layout)
    assert payload(message for message in messages) == 2 * model_bytes(layout)
