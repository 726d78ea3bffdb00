"""One test for each thing that we use of Flower without being promised it.

When one of these fails after an upgrade of flwr, `fedrobust/flower/touchpoints.py` is the place.
"""

from importlib.metadata import version

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from fedrobust.flower import touchpoints
from fedrobust.flower.records import LazyArray, ModelRecord


def message(node=7):
    touchpoints.adopt_identity(3)
    return Message(RecordDict(), node, "train")


def test_the_version_is_the_one_these_were_written_for():
    assert version("flwr").startswith("1.41.")


def test_a_message_needs_an_identity_and_takes_it_from_the_process():
    sent = message()

    assert (sent.metadata.run_id, sent.metadata.src_node_id) == (3, touchpoints.SUPERLINK)


def test_without_an_identity_there_is_no_message(monkeypatch):
    monkeypatch.setattr(TaskIdentity, "_run_id", None)

    with pytest.raises(RuntimeError):
        Message(RecordDict(), 7, "train")


def test_an_empty_run_has_the_id_we_chose():
    assert touchpoints.empty_run(42).run_id == 42


def test_the_id_that_a_grid_chooses_reaches_the_reply():
    sent = message()

    touchpoints.name_message(sent, "id-1")

    assert sent.metadata.message_id == "id-1"
    assert Message(RecordDict(), reply_to=sent).metadata.reply_to_message_id == "id-1"


def test_an_error_reply_has_a_reason_and_a_sender():
    reply = touchpoints.error_reply(message(), "no memory")

    assert reply.has_error()
    assert reply.error.reason == "no memory"
    assert reply.metadata.src_node_id == 7


def test_an_array_that_is_put_into_a_record_stays_the_same_object():
    record, array = ArrayRecord(), Array(np.ones(2, np.float32))

    touchpoints.put_array(record, "w", array)

    assert record["w"] is array
    assert touchpoints.is_untouched(record, {"w": array})
    record["w"] = Array(np.ones(2, np.float32))
    assert not touchpoints.is_untouched(record, {"w": array})
    del record["w"]
    assert not touchpoints.is_untouched(record, {"w": array})


def test_flower_serialises_a_lazy_array_as_it_does_a_plain_one(task):
    record = ModelRecord(task.layout, task.init())
    plain = ArrayRecord({name: Array(array.numpy()) for name, array in record.items()})

    for name, array in record.items():
        assert isinstance(array, LazyArray)
        assert (array.dtype, array.shape, array.stype) == (
            plain[name].dtype,
            plain[name].shape,
            touchpoints.NUMPY,
        )
        assert array.data == plain[name].data
        assert array.object_id == plain[name].object_id
    assert record.object_id == plain.object_id
    assert record.count_bytes() == plain.count_bytes()
