import pickle

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord

from fedrobust.core.admission import Fault
from fedrobust.core.layout import Layout
from fedrobust.flower.records import Form, ModelRecord, from_tensors, to_tensors, update_matrix

LAYOUT = Layout({"a": torch.Size([2, 2]), "b": torch.Size([3])})


@pytest.fixture
def start():
    return torch.arange(7.0)


def rows_of(start, matrix):
    return [ModelRecord(LAYOUT, start, matrix, row) for row in range(len(matrix))]


def test_a_record_is_the_model_to_anyone_who_looks(start):
    matrix = torch.ones(2, 7)

    record = rows_of(start, matrix)[1]

    np.testing.assert_array_equal(record["a"].numpy(), [[1, 2], [3, 4]])
    assert list(record) == ["a", "b"]
    assert Form.of(record).vector(record).equal(start + 1)
    assert [a.tolist() for a in record.to_torch_state_dict().values()] == [
        [[1, 2], [3, 4]],
        [5, 6, 7],
    ]


def test_replies_that_are_rows_of_one_matrix_are_that_matrix(start):
    matrix = torch.randn(4, 7)
    records, form = rows_of(start, matrix), Form.of(ModelRecord(LAYOUT, start))

    assert update_matrix(records, [start] * 4, form) is matrix
    assert update_matrix(records[2:], [start] * 2, form).equal(matrix[2:])


def test_what_someone_has_changed_is_read_anew(start):
    matrix = torch.zeros(2, 7)
    records, form = rows_of(start, matrix), Form.of(ModelRecord(LAYOUT, start))

    records[0]["b"] = Array(np.full(3, 100.0, np.float32))
    updates = update_matrix(records, [start] * 2, form)

    torch.testing.assert_close(updates[0], torch.tensor([0.0, 0, 0, 0, 96, 95, 94]))
    assert not updates[1].any()


def test_what_is_read_from_a_record_is_a_copy(start):
    record = ModelRecord(LAYOUT, start)

    record["a"].numpy()[:] = 99

    assert start.equal(torch.arange(7.0))


def test_a_record_travels_as_a_plain_one(start):
    record = rows_of(start, torch.ones(1, 7))[0]

    arrived = pickle.loads(pickle.dumps(record))

    assert type(arrived) is ArrayRecord
    assert Form.of(record).vector(arrived).equal(start + 1)


def test_memories_keep_their_values_and_types():
    tensors = {"m": torch.randn(3), "n": torch.zeros(2, 2)}

    kept = to_tensors(from_tensors(tensors))

    assert all(kept[name] is tensors[name] for name in tensors)


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"a": np.zeros((2, 2)), "b": np.zeros(3)}, None),
        ({"a": np.zeros((2, 2))}, Fault.NAMES),
        ({"a": np.zeros((2, 2)), "b": np.zeros(4)}, Fault.SHAPES),
        ({"a": np.zeros((2, 2)), "b": np.zeros(3, np.int32)}, Fault.DTYPES),
    ],
)
def test_a_form_says_what_does_not_fit(start, arrays, fault):
    form = Form.of(ModelRecord(LAYOUT, start))
    floats = {n: a.astype(np.float32) if a.dtype == float else a for n, a in arrays.items()}

    assert form.fault(ArrayRecord({n: Array(a) for n, a in floats.items()})) == fault
