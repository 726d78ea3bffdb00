"""What faults do to replies on their way, whatever grid carries them."""

import logging
from typing import Any

import pytest
import torch
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

from fedrobust.core.admission import Fault
from fedrobust.core.aggregator import Mean
from fedrobust.core.mishap import Fate, Mishap, Outcome
from fedrobust.faults.bit_corruption import BitCorruption
from fedrobust.faults.drop_out import DropOut
from fedrobust.faults.duplicated_reply import DuplicatedReply
from fedrobust.faults.straggler import Straggler
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.exchange import Broadcast, CohortReplies
from fedrobust.flower.fault_grid import FaultGrid
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.strategy import RobustStrategy
from tests.flower.toys import Doom, Reverse


class Spy(Mishap):
    """Keep what is on the way."""

    seen: Any  # a list, which pydantic would copy

    def befall(self, transit, state):
        self.seen.append({client: row.clone() for client, row in transit.updates.items()})
        return Outcome()


class Timed(Mishap):
    """Let the reply of client i take i seconds, and the server wait so long."""

    limit: float | None = None

    @property
    def patience(self):
        return float("inf") if self.limit is None else self.limit

    def befall(self, transit, state):
        late = {c: Fate("late") for c in transit.updates if c > self.patience}
        taken = {c: float(c) for c in transit.updates if c not in late}
        return Outcome(late, seconds=taken)


class Looking:
    """A grid that looks at every reply, as one that carries them far would."""

    def __init__(self, grid):
        self._grid = grid

    def __getattr__(self, name):
        return getattr(self._grid, name)

    def send_and_receive(self, messages, *, timeout=None):
        return list(self._grid.send_and_receive(list(messages), timeout=timeout))


def unchanged(grid):
    return grid


@pytest.fixture
def play():
    """Return a function that plays rounds of a world, and returns model, ledgers and grid."""

    def run(world, faults, rounds=2, wrap=unchanged, cohort=True, seed=0, **options):
        ledgers = []
        local = LocalGrid(FedRobustApp(lambda _: world), 10, cohort=cohort)
        grid = FaultGrid(wrap(AdversaryGrid(local, world.adversaries, world.seed)), faults, seed)
        strategy = RobustStrategy(Mean(), on_round=ledgers.append, **options)
        start = ModelRecord(world.task.layout, world.task.init())
        result = strategy.start(grid, start, num_rounds=rounds)
        kept = result.arrays if len(result.arrays) else start
        return Form.of(start).vector(kept), ledgers, grid

    return run


WRAPS = pytest.mark.parametrize("wrap", [unchanged, Looking], ids=["lazy", "looked at"])


@WRAPS
def test_a_lost_reply_is_named_in_the_ledger_with_its_reason(world, play, wrap):
    model, ledgers, _ = play(world(), [Doom(clients=(3, 7))], wrap=wrap)

    lost = {e.client: (e.fault, e.note) for e in ledgers[0].entries if e.fault}
    assert lost == dict.fromkeys((3, 7), (Fault.ERROR, "fell off a cliff (simulated)"))
    assert [ledger.admitted for ledger in ledgers] == [8, 8]
    assert model.isfinite().all()


def test_looking_changes_nothing(world, play):
    faults = [
        DropOut(probability=0.3),
        Straggler(deadline=1.0, stale=2),
        BitCorruption(probability=0.05),
        DuplicatedReply(probability=0.3),
    ]
    options = {"rounds": 8, "fraction_train": 0.8, "min_train_nodes": 8}

    lazy, ledgers, grid = play(world(), faults, **options)
    eager, seen, watched = play(world(), faults, wrap=Looking, **options)

    assert lazy.equal(eager)
    assert [ledger.entries for ledger in ledgers] == [ledger.entries for ledger in seen]
    assert (grid.notes, grid.seconds) == (watched.notes, watched.seconds)


def test_the_mean_is_that_of_the_replies_that_arrive(world, play):
    """One round, by hand: nine replies of nine ones move the model as the tenth is lost."""
    model, _, _ = play(
        world(), [Doom(clients=tuple(range(9)), copies=1, value=2.0), Doom(clients=(9,))], rounds=1
    )

    torch.testing.assert_close(model - world().task.init(), torch.full((9,), 2.0))


@WRAPS
def test_a_changed_reply_arrives_changed_and_is_noted(world, play, wrap):
    changed = Doom(clients=(2,), reason="rained upon", copies=1, value=1.0)

    _, ledgers, grid = play(world(), [changed], wrap=wrap)

    assert [ledger.admitted for ledger in ledgers] == [10, 10]
    assert ledgers[1].entries[2].norm == pytest.approx(3.0)
    assert grid.notes == {2: "rained upon (simulated)"}


@WRAPS
def test_a_reply_that_comes_twice_counts_once(world, play, wrap):
    clean, _, _ = play(world(), [], wrap=wrap)

    model, ledgers, grid = play(world(), [Doom(copies=2, reason="arrived twice")], wrap=wrap)

    torch.testing.assert_close(model, clean, rtol=0, atol=1e-6)
    assert ledgers[0].entries[3].note == "answered twice; the first reply counts"
    assert grid.notes == {3: "arrived twice (simulated)"}
    assert [ledger.admitted for ledger in ledgers] == [10, 10]


@WRAPS
def test_the_next_fault_sees_what_the_one_before_it_lets_through(world, play, wrap):
    seen = []
    faults = [Doom(clients=(3,)), Doom(clients=(4,), copies=1, value=7.0), Spy(seen=seen)]

    play(world(), faults, rounds=1, wrap=wrap)

    assert seen[0].keys() == set(range(10)) - {3}
    assert seen[0][4].tolist() == [7.0] * 9


def test_a_reply_can_meet_with_several_things(world, play):
    twice = Doom(copies=2, reason="arrived twice")
    rained = Doom(copies=1, value=1.0, reason="rained upon")

    _, kept, grid = play(world(), [twice, rained], rounds=1)
    _, lost, _ = play(world(), [twice, rained, Doom()], rounds=1)

    assert grid.notes == {3: "arrived twice; rained upon (simulated)"}
    assert kept[0].entries[3].note == "answered twice; the first reply counts"
    assert kept[0].entries[3].norm == pytest.approx(3.0)
    assert lost[0].entries[3].fault is Fault.ERROR
    assert lost[0].entries[3].note.endswith("fell off a cliff (simulated)")
    assert lost[0].admitted == 9


@WRAPS
def test_faults_can_stand_around_others(world, play, wrap):
    seen = []

    _, ledgers, _ = play(world(), [Spy(seen=seen)], wrap=lambda g: FaultGrid(wrap(g), [Doom()]))

    assert [here.keys() for here in seen] == [set(range(10)) - {3}] * 2
    assert [ledger.admitted for ledger in ledgers] == [9, 9]


def test_faults_befall_what_adversaries_send(world, play):
    honest, crafted = [], []

    play(world(), [Spy(seen=honest)], rounds=1)
    play(world(attack=Reverse(), malicious=2), [Spy(seen=crafted)], rounds=1)

    torch.testing.assert_close(crafted[0][9], -3 * honest[0][9])
    torch.testing.assert_close(crafted[0][0], honest[0][0])


def test_faults_cost_no_messages(world, play, monkeypatch):
    def forbidden(self, place):
        raise AssertionError("made a message")

    monkeypatch.setattr(Broadcast, "_make", forbidden)
    monkeypatch.setattr(CohortReplies, "_make", forbidden)
    faults = [Doom(), Doom(clients=(5,), copies=1, value=1.0), Straggler(deadline=1.0, stale=2)]

    _, ledgers, _ = play(world(attack=Reverse(), malicious=2), faults, rounds=4)

    assert max(ledger.admitted for ledger in ledgers) <= 9


def test_where_nothing_befalls_anyone_the_replies_are_the_same_object(world):
    grid = LocalGrid(FedRobustApp(lambda _: world()), 10)
    start = ModelRecord(world().task.layout, world().task.init())
    config = ConfigRecord({"server-round": 1})
    sent = Broadcast(
        RecordDict({"arrays": start, "config": config}), list(grid.clients), "train", "1"
    )
    replies = grid.send_and_receive(sent)

    for faults in ([], [DropOut(probability=0)], [Straggler()]):
        assert FaultGrid(grid, faults).intercept(sent, replies, 1) is replies
    assert replies.untouched


def test_one_by_one_and_together_the_same_befalls(world, play):
    faults = [DropOut(probability=0.2, recovery=0.5), Straggler(deadline=1.0, stale=3)]

    together, ledgers, _ = play(world(), faults, rounds=6)
    one_by_one, seen, _ = play(world(), faults, rounds=6, cohort=False)

    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-5)
    notes = [[(e.client, e.fault, e.note) for e in ledger.entries] for ledger in ledgers]
    assert notes == [[(e.client, e.fault, e.note) for e in ledger.entries] for ledger in seen]


def test_two_faults_of_a_kind_have_their_own_luck(world, play):
    """Worked by hand: half of a half arrives, and not a half of all."""
    _, ledgers, _ = play(world(), [DropOut(probability=0.5)] * 2, rounds=20)

    arrived = sum(ledger.admitted for ledger in ledgers)

    assert abs(arrived / 200 - 0.25) < 0.15


def test_another_seed_has_other_luck(world, play):
    lost = [
        [
            [e.client for e in ledger.entries if e.fault]
            for ledger in play(world(), [DropOut(probability=0.4)], seed=seed)[1]
        ]
        for seed in (0, 0, 1)
    ]

    assert lost[0] == lost[1] != lost[2]


def test_a_late_reply_is_what_its_client_sent_then(world, play):
    """It takes 1.5 s in rounds of 1 s: lost in one round, and there in the next, by 2 ** -0.5."""
    seen = []
    late = Straggler(median=1.5, spread=0, slow_share=0, deadline=1.0, stale=1)

    _, ledgers, grid = play(world(), [Spy(seen=seen), late], fraction_train=1.0)

    assert [ledger.applied for ledger in ledgers] == [False, True]
    for entry in ledgers[1].entries:
        assert entry.norm == pytest.approx(seen[0][entry.client].norm().item() / 2**0.5, rel=1e-5)
    assert grid.notes == dict.fromkeys(range(10), "the late reply of round 1 (simulated)")


def test_what_is_beyond_use_is_dropped_and_noted(world, play):
    model, ledgers, grid = play(world(), [Doom(copies=1, value=1e38, reason="broke")])

    assert model.isfinite().all()
    assert ledgers[1].entries[3].fault is Fault.TOO_LARGE
    assert grid.notes == {3: "broke (simulated)"}


def test_the_round_takes_as_long_as_its_last_reply(world, play):
    _, _, grid = play(world(), [Timed()])

    assert grid.seconds == 9.0


def test_a_server_that_misses_a_reply_waits_until_its_deadline(world, play):
    _, _, late = play(world(), [Timed(limit=4.5)])
    _, _, lost = play(world(), [Timed(limit=20.0), Doom()])
    _, _, in_time = play(world(), [Timed(limit=20.0)])

    assert (late.seconds, lost.seconds, in_time.seconds) == (4.5, 20.0, 9.0)


def test_a_reply_that_is_lost_anyway_takes_no_time_without_a_deadline(world, play):
    _, _, grid = play(world(), [Timed(), Doom(clients=(9,))])

    assert grid.seconds == 8.0


def test_without_a_fault_that_takes_time_there_are_no_seconds(world, play):
    _, _, grid = play(world(), [DropOut()])

    assert grid.seconds is None


def rows_of(grid, world):
    start = ModelRecord(world.task.layout, world.task.init())
    content = RecordDict({"arrays": start, "config": ConfigRecord({"server-round": 1})})
    ids = grid.push_messages([Message(content, n, "train") for n in grid.get_node_ids()])
    return ids, list(grid.pull_messages(ids))


def test_faults_also_meet_a_strategy_that_pushes_and_pulls(world):
    local = LocalGrid(FedRobustApp(lambda _: world()), 10)
    grid = FaultGrid(local, [Doom(), Doom(clients=(5,), copies=2)])

    ids, replies = rows_of(grid, world())

    assert [r.metadata.src_node_id - 2 for r in replies] == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9]
    assert [r.has_error() for r in replies].index(True) == 3
    assert replies[3].error.reason == "fell off a cliff (simulated)"
    assert replies[3].metadata.reply_to_message_id == ids[3]
    assert replies[3].metadata.message_id == f"{ids[3]}-reply"


def test_of_replies_pulled_in_parts_each_meets_its_own_fate(world):
    local = LocalGrid(FedRobustApp(lambda _: world()), 10)
    grid = FaultGrid(local, [Doom(), Timed()])
    start = ModelRecord(world().task.layout, world().task.init())
    content = RecordDict({"arrays": start, "config": ConfigRecord({"server-round": 1})})
    ids = grid.push_messages([Message(content, n, "train") for n in grid.get_node_ids()])

    parts = [grid.pull_messages(ids[5:]), grid.pull_messages(ids[:5])]

    assert [[r.has_error() for r in part] for part in parts] == [
        [False] * 5,
        [False, False, False, True, False],
    ]
    assert grid.seconds == 9.0


def test_messages_without_one_model_pass_with_a_warning(caplog):
    grid = LocalGrid(ClientApp(), 2)
    sent = [Message(RecordDict({"config": ConfigRecord()}), n, "train") for n in grid.clients]
    replies = grid.send_and_receive(sent)

    with caplog.at_level(logging.WARNING):
        passed = FaultGrid(grid, [Doom(clients=(0, 1))]).intercept(sent, replies, 1)

    assert passed is replies
    assert "do not hold one model" in caplog.text
