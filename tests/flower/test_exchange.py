from dataclasses import replace
from time import sleep

import pytest
import torch
from flwr.app import ArrayRecord, Message, MessageType, RecordDict

from fedrobust.attacks.ipm import IPM
from fedrobust.attacks.sign_flip import SignFlip
from fedrobust.core.admission import Fault
from fedrobust.core.adversary import Adversary, Knowledge
from fedrobust.core.aggregator import Mean
from fedrobust.core.federation import Federation
from fedrobust.core.layout import Layout
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.exchange import Broadcast, CohortReplies
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.strategy import RobustStrategy
from tests.flower.toys import Broken, Momentum

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


class Changed(Looking):
    """A grid that sends another model than it is given."""

    def send_and_receive(self, messages, *, timeout=None):
        sent = list(messages)
        for message in sent:
            model = message.content["arrays"]
            other = ModelRecord(model.layout, model.start + 1)
            message.content = RecordDict({**message.content, "arrays": other})
        return self._grid.send_and_receive(sent, timeout=timeout)


def test_updates_are_measured_from_the_model_the_server_sent(world, played):
    """Whether or not anyone looks at the replies."""
    fast, _ = played(world(), wrap=Changed, rounds=1)
    slow, _ = played(world(), wrap=lambda grid: Looking(Changed(grid)), rounds=1)

    torch.testing.assert_close(fast, slow)


def test_a_cohort_of_faults_keeps_the_model_and_the_run_goes_on(world, played, task):
    model, ledgers = played(world(attack=Broken(), malicious=10), num_malicious=0)

    assert model.equal(task.init())
    assert [(ledger.applied, ledger.admitted) for ledger in ledgers] == [(False, 0)] * 3


def test_a_cohorts_faults_and_notes_are_those_of_single_replies(world, played):
    shards = torch.arange(600).split([1] * 9 + [591])
    mind = Adversary((Broken(),), frozenset({2}), Knowledge.OWN)
    uneven = replace(world(), federation=Federation(shards), adversaries=(mind,))

    _, ledgers = played(uneven)
    _, seen = played(uneven, wrap=Looking)

    assert [ledger.entries for ledger in ledgers] == [ledger.entries for ledger in seen]
    assert ledgers[0].entries[9].note == "claims 591 examples, counted as 100"
    assert ledgers[0].entries[2].fault is Fault.NOT_FINITE


class Slow(SignFlip):
    def craft(self, view, state):
        sleep(0.05)
        if view.honest is not None:
            view.honest.zero_()  # its own copy
        return super().craft(view, state)


def test_the_time_of_adversaries_is_theirs(world):
    attacked = world(attack=Slow(), malicious=2)
    local = LocalGrid(FedRobustApp(lambda _: attacked), 10)
    grid = AdversaryGrid(local, attacked.adversaries)
    strategy = RobustStrategy(Mean())

    strategy.start(grid, ModelRecord(attacked.task.layout, attacked.task.init()), num_rounds=1)

    assert grid.seconds >= 0.1  # two minds


def test_what_one_adversary_does_to_its_view_does_not_reach_another(world, played):
    def attacked(first):
        plain = world()
        minds = (
            Adversary((first,), frozenset({8}), Knowledge.OMNISCIENT, index=0),
            Adversary((IPM(epsilon=1.0),), frozenset({9}), Knowledge.OMNISCIENT, index=1),
        )
        return replace(plain, adversaries=minds)

    with_, _ = played(attacked(Slow()), rounds=1)
    without, _ = played(attacked(SignFlip()), rounds=1)

    torch.testing.assert_close(with_, without)
