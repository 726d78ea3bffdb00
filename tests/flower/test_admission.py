"""One bad reply of ten must not end a run, whatever is bad about it."""

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from fedrobust.attacks.sign_flip import SignFlip
from fedrobust.core.admission import Fault
from fedrobust.core.aggregator import Mean
from fedrobust.flower import touchpoints

BAD = 4  # the client that misbehaves
NODE = BAD + 2


class Meddler(Grid):
    """A grid that changes the replies of a round before the server sees them."""

    run = None

    def __init__(self, grid, meddle):
        self.grid, self.meddle, self.clients = grid, meddle, grid.clients

    def send_and_receive(self, messages, *, timeout=None):
        sent = list(messages)
        replies = list(self.grid.send_and_receive(sent, timeout=timeout))
        return self.meddle(sent, replies) if sent else []

    def get_node_ids(self):
        return self.grid.get_node_ids()

    def set_run(self, run): ...
    def create_message(self, *args, **kwargs): ...
    def push_messages(self, messages): ...
    def pull_messages(self, message_ids): ...


def replaced(change):
    """Return a meddler that changes the content of the bad client's reply."""

    def meddle(sent, replies):
        for reply in replies:
            if reply.metadata.src_node_id == NODE:
                arrays = {n: a.numpy() for n, a in reply.content["arrays"].items()}
                reply.content = change(arrays)
        return replies

    return meddle


def content(arrays, **metrics):
    record = ArrayRecord({name: Array(np.asarray(a)) for name, a in arrays.items()})
    return RecordDict({"arrays": record, "metrics": MetricRecord({"num-examples": 60} | metrics)})


def each(function):
    return replaced(lambda arrays: content({n: function(a) for n, a in arrays.items()}))


def lying(arrays):
    """The header says float32 [3, 2]; the payload holds something else."""
    honest = content(arrays)
    name, array = next(iter(honest["arrays"].items()))
    other = Array(np.zeros(7, np.float32)).data
    honest["arrays"][name] = Array(array.dtype, array.shape, array.stype, other)
    return honest


def garbage(arrays):
    honest = content(arrays)
    name, array = next(iter(honest["arrays"].items()))
    honest["arrays"][name] = Array(array.dtype, array.shape, array.stype, b"no array")
    return honest


def pickled(arrays):
    """A payload that would run code if it were unpickled."""
    import io

    honest = content(arrays)
    name, array = next(iter(honest["arrays"].items()))
    buffer = io.BytesIO()
    np.save(buffer, np.array([print], dtype=object), allow_pickle=True)
    honest["arrays"][name] = Array(array.dtype, array.shape, array.stype, buffer.getvalue())
    return honest


def unpickled_type(arrays):
    honest = content(arrays)
    name, array = next(iter(honest["arrays"].items()))
    honest["arrays"][name] = Array(array.dtype, array.shape, "pickle", array.data)
    return honest


def failing(sent, replies):
    return [
        touchpoints.error_reply(m, "out of memory\x1b[2J") if m.metadata.dst_node_id == NODE else r
        for m, r in zip(sent, replies, strict=True)
    ]


def dead(sent, replies):
    """When a node is dead, the SuperLink itself sends the error."""
    replies = failing(sent, replies)
    for reply in replies:
        if reply.has_error():
            reply.metadata.__dict__["_src_node_id"] = touchpoints.SUPERLINK
    return replies


def silent(sent, replies):
    return [r for r in replies if r.metadata.src_node_id != NODE]


DROPPED = {
    "other array name": (replaced(lambda a: content({f"x{n}": v for n, v in a.items()})), "NAMES"),
    "one array less": (replaced(lambda a: content(dict(list(a.items())[:1]))), "NAMES"),
    "other shape": (each(lambda a: a[:1]), "SHAPES"),
    "other dtype": (each(lambda a: a.astype(np.float64)), "DTYPES"),
    "text": (each(lambda a: a.astype("S4")), "DTYPES"),
    "NaN": (each(lambda a: a * np.float32("nan")), "NOT_FINITE"),
    "one Inf": (each(lambda a: np.where(a == a.max(), np.float32("inf"), a)), "NOT_FINITE"),
    "huge": (each(lambda a: a * 0 + np.float32(1e30)), "TOO_LARGE"),
    "empty record": (replaced(lambda a: RecordDict()), "NO_MODEL"),
    "empty model": (replaced(lambda a: content({})), "NAMES"),
    "two models": (
        replaced(lambda a: RecordDict({"a": ArrayRecord(), "b": ArrayRecord()})),
        "NO_MODEL",
    ),
    "a payload of another shape": (replaced(lying), "SHAPES"),
    "a payload of garbage": (replaced(garbage), "UNREADABLE"),
    "a pickle": (replaced(pickled), "UNREADABLE"),
    "a pickle by name": (replaced(unpickled_type), "UNREADABLE"),
    "error reply": (failing, "ERROR"),
    "dead node": (dead, "ERROR"),
    "silence": (silent, "SILENT"),
}


@pytest.mark.parametrize(("meddle", "fault"), DROPPED.values(), ids=DROPPED)
def test_a_bad_reply_is_dropped_and_named(world, played, meddle, fault):
    model, ledgers = played(world(), wrap=lambda grid: Meddler(grid, meddle), num_malicious=1)

    assert model.isfinite().all()
    for ledger in ledgers:
        assert ledger.applied
        assert [e.client for e in ledger.entries] == list(range(10))
        assert {e.client: e.fault for e in ledger.entries if e.fault} == {BAD: Fault[fault]}


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        (-40, "claims -40 examples"),
        (0, "claims 0 examples"),
        (10**9, "claims 1000000000 examples"),
        (10**5000, "an enormous number"),
        (None, "claims None examples"),
        ("many" * 1000, "claims 'many"),
        (float("nan"), "claims nan examples"),
        (True, "claims True examples"),
        ([1.0] * 1000, "claims a list as its number"),
    ],
    ids=str.split("negative zero billion enormous none text nan bool list"),
)
def test_a_false_claim_of_examples_is_put_right_and_named(world, played, claim, says):
    def lie(sent, replies):
        for reply in replies:
            if reply.metadata.src_node_id == NODE:
                record = MetricRecord()
                if claim is not None:  # past Flower's own check, as a hostile node could
                    record.__dict__["_data"]["num-examples"] = claim
                reply.content["metrics"] = record
        return replies

    honest, _ = played(world())
    model, ledgers = played(world(), wrap=lambda grid: Meddler(grid, lie))

    torch.testing.assert_close(model, honest)
    assert ledgers[0].entries[BAD].fault is None
    assert says in ledgers[0].entries[BAD].note
    assert len(ledgers[0].entries[BAD].note) < 100
    assert [e.client for e in ledgers[0].entries if e.note] == [BAD]


def test_an_extra_metric_is_ignored(world, played):
    extra = replaced(lambda arrays: content(arrays, extra=3.0))

    model, ledgers = played(world(), wrap=lambda grid: Meddler(grid, extra))

    torch.testing.assert_close(model, played(world())[0])
    assert ledgers[-1].admitted == 10


def test_of_two_replies_the_first_counts(world, played):
    def twice(sent, replies):
        again = Message(
            content({n: a.numpy() + 1 for n, a in replies[BAD].content["arrays"].items()}),
            reply_to=sent[BAD],
        )
        return [*replies, again]

    model, ledgers = played(world(), wrap=lambda grid: Meddler(grid, twice))

    torch.testing.assert_close(model, played(world())[0])
    assert "answered twice" in ledgers[0].entries[BAD].note


def test_a_reply_from_a_node_that_was_not_asked_is_dropped(world, played):
    def intrude(sent, replies):
        stranger = Message(replies[0].content, reply_to=sent[0])
        stranger.metadata.__dict__["_src_node_id"] = 999
        return [stranger, *replies]

    model, ledgers = played(world(), wrap=lambda grid: Meddler(grid, intrude))

    torch.testing.assert_close(model, played(world())[0])
    assert [(e.node, e.fault) for e in ledgers[0].entries if e.fault] == [(999, Fault.UNASKED)]


def test_strangers_do_not_count_as_malicious_clients_that_were_caught(world, played):
    def intrude(sent, replies):
        stranger = Message(replies[0].content, reply_to=sent[0])
        stranger.metadata.__dict__["_src_node_id"] = 999
        return [stranger, *replies]

    infos = []

    class Spy(Mean):
        def aggregate(self, updates, state, info):
            infos.append(info)
            return super().aggregate(updates, state, info)

    played(world(), Spy(), rounds=1, wrap=lambda g: Meddler(g, intrude), num_malicious=2)

    assert infos[0].num_malicious == 2


def test_a_metric_that_few_report_is_no_metric(world):
    from fedrobust.flower.reported import median_metrics

    contents = [
        RecordDict({"m": MetricRecord({"loss": float(i), **({"x": 1e200} if i == 0 else {})})})
        for i in range(5)
    ]

    assert dict(median_metrics(contents, "num-examples")) == {"loss": 2.0}


def test_if_no_reply_is_left_the_round_keeps_the_model_and_the_run_goes_on(world, played):
    rounds = iter(range(1, 4))

    def mute(sent, replies):
        return [] if next(rounds) == 2 else replies

    model, ledgers = played(world(), wrap=lambda grid: Meddler(grid, mute))

    assert [ledger.applied for ledger in ledgers] == [True, False, True]
    assert "no reply" in ledgers[1].note
    assert model.isfinite().all()


def test_what_an_error_says_cannot_reach_the_terminal_raw(world, played):
    _, ledgers = played(world(), wrap=lambda grid: Meddler(grid, failing), rounds=1)

    assert ledgers[0].entries[BAD].note == "out of memory [2J"


def test_malformed_replies_reduce_the_number_of_malicious_clients_to_withstand(world, played):
    class Spy(Mean):
        def aggregate(self, updates, state, info):
            seen.append((len(updates), info.num_malicious, info.dropped))
            return super().aggregate(updates, state, info)

    seen = []
    nan = each(lambda a: a * np.float32("nan"))
    played(world(), Spy(), rounds=1, wrap=lambda g: Meddler(g, nan), num_malicious=3)
    played(world(), Spy(), rounds=1, wrap=lambda g: Meddler(g, silent), num_malicious=3)

    assert seen == [(9, 2, 1), (9, 3, 0)]


def hostile(world):
    return world(attack=SignFlip(scale=50.0), malicious=2)


def test_with_adversaries_too_a_round_without_replies_keeps_the_model(world, played):
    model, ledgers = played(hostile(world), wrap=lambda grid: Meddler(grid, lambda *_: []))

    assert not any(ledger.applied for ledger in ledgers)
    assert model.isfinite().all()


def test_with_adversaries_too_a_known_node_that_was_not_asked_is_dropped(world, played):
    def late(sent, replies):
        asked = {message.metadata.dst_node_id for message in sent}
        other = Message(replies[0].content, reply_to=sent[0])
        other.metadata.__dict__["_src_node_id"] = next(
            n for n in grids[0].clients if n not in asked
        )
        return [*replies, other]

    grids = []

    def wrap(grid):
        grids.append(grid)
        return Meddler(grid, late)

    _, ledgers = played(hostile(world), wrap=wrap, fraction_train=0.5)

    assert all(ledger.applied for ledger in ledgers)
    assert [e.fault for e in ledgers[0].entries if e.fault] == [Fault.UNASKED]


def test_an_adversary_rewrites_the_reply_that_counts(world, played):
    def twice(sent, replies):
        return [*replies, Message(replies[9].content, reply_to=sent[9])]

    _, ledgers = played(hostile(world), wrap=lambda grid: Meddler(grid, twice), rounds=1)
    _, usual = played(hostile(world), rounds=1)

    assert ledgers[0].entries[9].norm == pytest.approx(usual[0].entries[9].norm)


def test_an_enormous_claim_does_not_stop_an_adversary(world, played):
    def lie(sent, replies):
        replies[0].content["metrics"].__dict__["_data"]["num-examples"] = 10**400
        return replies

    _, ledgers = played(hostile(world), wrap=lambda grid: Meddler(grid, lie), rounds=1)

    assert ledgers[0].applied
