import subprocess
import sys

import numpy as np
import pytest
import torch

from fedrobust.data import from_arrays
from fedrobust.errors import DataError

X, Y = np.zeros((4, 2), dtype=np.float32), np.array([0, 1, 2, 1])


def given_with(**changed):
    arrays = {"x": X, "y": Y, "x_test": X[:3], "y_test": Y[:3], **changed}
    return from_arrays(
        arrays.pop("x"), arrays.pop("y"), arrays.pop("x_test"), arrays.pop("y_test"), **arrays
    )


@pytest.mark.parametrize("kind", [np.array, torch.tensor, lambda a: a.tolist()])
@pytest.mark.parametrize("precision", [np.float64, np.float32])
def test_arrays_tensors_and_lists_give_the_same_data(kind, precision):
    x = np.arange(12, dtype=precision).reshape(3, 1, 2, 2) / 8

    data = from_arrays(kind(x), kind(np.array([0, 2, 1])), kind(x[:1]), kind(np.array([1])))

    assert data.x.dtype == data.x_test.dtype == torch.float32
    assert data.y.dtype == data.y_test.dtype == torch.int64
    torch.testing.assert_close(data.x, torch.from_numpy(x).float())
    torch.testing.assert_close(data.x_test, data.x[:1])
    assert data.y.tolist() == [0, 2, 1]
    assert data.y_test.tolist() == [1]
    assert data.num_classes == 3
    assert data.groups is None


@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_the_data_are_copies(kind):
    x, y = kind(X.tolist()), kind(Y.tolist())
    data = given_with(x=x, y=y)

    x[0], y[0] = 9, 2

    assert data.x[0].tolist() == [0, 0]
    assert data.y[0] == 0


def test_readonly_and_reversed_arrays_are_taken():
    x = np.arange(8.0).reshape(4, 2)[::-1]
    x.flags.writeable = False

    assert given_with(x=x).x[0].tolist() == [6.0, 7.0]


def test_half_precision_tensors_and_small_integers_are_taken():
    data = given_with(x=torch.ones(4, 2, dtype=torch.bfloat16), y=torch.tensor(Y).to(torch.uint8))

    assert data.x.dtype == torch.float32
    assert data.y.tolist() == [0, 1, 2, 1]


def test_there_may_be_more_classes_than_labels():
    assert given_with(num_classes=7).num_classes == 7


@pytest.mark.parametrize(
    "groups", [["b", "a", "b", "c"], np.array([5, 2, 5, 9]), torch.tensor([5, 2, 5, 9])]
)
def test_groups_are_numbers_or_names_in_ascending_order(groups):
    data = given_with(groups=groups)

    assert data.groups.tolist() == [1, 0, 1, 2]
    assert data.groups.dtype == torch.int64


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": X.astype(np.uint8)}, r"x needs floating-point numbers, not uint8; .* / 255"),
        ({"x": X.astype(bool)}, "x needs floating-point numbers, not bool"),
        ({"x": X.astype(complex)}, "x needs floating-point numbers, not complex128"),
        ({"x": [["a", "b"]] * 4}, "x needs to be an array of numbers"),
        ({"x": [[1.0], [1.0, 2.0]]}, "x needs to be an array of numbers"),
        ({"x": X[:, 0]}, r"x needs a shape \[N, ...\] with examples and features, not \[4\]"),
        ({"x": X[:0], "y": Y[:0]}, r"with examples and features, not \[0, 2\]"),
        ({"x_test": X[:0], "y_test": Y[:0]}, r"x_test needs .* not \[0, 2\]"),
        ({"x": X * np.nan}, "x needs finite float32 numbers; 4 of 4"),
        ({"x": np.array([[1e300, 0]] + [[0, 0]] * 3)}, "finite float32 numbers; 1 of 4"),
        ({"x_test": X[:3, :1]}, r"x_test needs examples of shape \[2\] as x has, not \[1\]"),
        ({"y": Y[:3]}, r"y needs one label for each of 4 examples, shape \[4\], not \[3\]"),
        ({"y": np.eye(4, dtype=int)}, r"not \[4, 4\]"),
        ({"y_test": Y}, "y_test needs one label for each of 3 examples"),
        ({"y": Y.astype(float)}, "y needs integer labels, not float64"),
        ({"y": Y > 0}, "y needs integer labels, not bool"),
        ({"y": Y - 1}, "y needs labels from 0, not -1"),
        ({"num_classes": 2}, "from 0 to num_classes - 1 = 1, not 2"),
        ({"y_test": np.array([0, 5, 0]), "num_classes": 5}, "num_classes - 1 = 4, not 5"),
        ({"groups": [1, 2, 3]}, r"groups needs one group for each of 4 .* not \[3\]"),
    ],
)
def test_says_what_does_not_fit(changed, message):
    with pytest.raises(DataError, match=message):
        given_with(**changed)


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, fedrobust.data; print(sorted({'numpy','pandas','torch'} & {*sys.modules}))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_the_package_has_nothing_else():
    import fedrobust.data

    with pytest.raises(AttributeError, match="no attribute 'from_array'"):
        _ = fedrobust.data.from_array
