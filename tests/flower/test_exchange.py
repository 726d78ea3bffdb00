import pytest
import torch
from flwr.app import ArrayRecord, Message, MessageType, RecordDict

from fedrobust.attacks.sign_flip import SignFlip
from fedrobust.core.adversary import Knowledge
from fedrobust.core.layout import Layout
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.exchange import Broadcast, CohortReplies
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from tests.flower.toys import Momentum

LAYOUT = Layout({"weight": torch.Size([2, 2]), "bias": torch.Size([2])})


@pytest.fixture
def broadcast(world):
    LocalGrid(FedRobustApp(lambda _: world()), 10)  # gives this process an identity
    content = RecordDict({"arrays": ModelRecord(LAYOUT, torch.arange(6.0))})
    return Broadcast(content, [7, 5, 9], MessageType.TRAIN, "4")


def test_messages_are_made_for_those_who_look_and_then_kept(broadcast):
    assert len(broadcast) == 3 and broadcast.untouched
    broadcast.number(11)

    second = broadcast[1]

    assert not broadcast.untouched
    assert second is broadcast[-2] is list(broadcast)[1] is broadcast[1:][0]
    assert second.content is broadcast.content
    found = [(m.metadata.dst_node_id, m.metadata.message_id) for m in broadcast]
    assert found == [(7, "11"), (5, "12"), (9, "13")]
    assert {m.metadata.group_id for m in broadcast} == {"4"}
    with pytest.raises(IndexError):
        broadcast[3]


def test_replies_are_rows_of_the_matrix(broadcast):
    broadcast.number(1)
    updates = torch.randn(3, 6)
    starts = [torch.arange(6.0)] * 3
    replies = CohortReplies(broadcast, broadcast.nodes, LAYOUT, starts, updates, [10, 20, 30])
    updates[1] = 5.0  # as an adversary may, before anyone looks

    reply = replies[1]

    assert isinstance(reply, Message) and isinstance(reply.content["arrays"], ArrayRecord)
    assert reply.metadata.src_node_id == 5
    assert reply.metadata.reply_to_message_id == "2"
    assert reply.metadata.message_id == "2-reply"
    assert reply.content["metrics"] == {"num-examples": 20}
    vector = Form.of(reply.content["arrays"]).vector(reply.content["arrays"])
    assert vector.equal(torch.arange(6.0) + 5)
    assert not replies.untouched


class Looking:
    """A grid that looks at every message and reply, as one that carries them far would."""

    def __init__(self, grid):
        self._grid = grid

    def __getattr__(self, name):
        return getattr(self._grid, name)

    def send_and_receive(self, messages, *, timeout=None):
        return list(self._grid.send_and_receive(list(messages), timeout=timeout))


@pytest.mark.parametrize("behaviors", [(), (Momentum(),)], ids=["plain", "momentum"])
@pytest.mark.parametrize("knowledge", [Knowledge.OWN, Knowledge.OMNISCIENT])
def test_looking_changes_nothing(world, played, behaviors, knowledge):
    attacked = world(behaviors, SignFlip(), malicious=3, knowledge=knowledge)

    options = {"num_malicious": 3, "fraction_train": 0.8, "min_train_nodes": 8}

    lazy, ledgers = played(attacked, **options)
    eager, seen = played(attacked, wrap=Looking, **options)

    assert lazy.equal(eager)
    assert [ledger.entries for ledger in ledgers] == [ledger.entries for ledger in seen]


def test_a_small_round_makes_no_message(world, played, monkeypatch):
    """Half of the time of a round would go into objects that nobody looks at."""

    def forbidden(self, place):
        raise AssertionError("made a message")

    monkeypatch.setattr(Broadcast, "_make", forbidden)
    monkeypatch.setattr(CohortReplies, "_make", forbidden)

    _, ledgers = played(world(attack=SignFlip(), malicious=2), num_malicious=2)

    assert [ledger.admitted for ledger in ledgers] == [10, 10, 10]
