import pytest
import torch

from fedrobust.attacks.patch_backdoor import PatchBackdoor
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError


@pytest.mark.parametrize(
    ("corner", "rows", "columns"),
    [
        ("top_left", (0, 1), (0, 1)),
        ("top_right", (0, 1), (3, 4)),
        ("bottom_left", (2, 3), (0, 1)),
        ("bottom_right", (2, 3), (3, 4)),
    ],
)
def test_paints_a_square_in_a_corner_of_each_channel(corner, rows, columns):
    x = torch.zeros(2, 3, 4, 5)

    patched = PatchBackdoor(size=2, corner=corner, value=0.5).triggered(x)

    expected = torch.zeros_like(x)
    expected[:, :, rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = 0.5
    assert patched.equal(expected)
    assert not x.any()


@pytest.mark.parametrize(("corner", "first"), [("top_left", 1.0), ("bottom_left", 0.0)])
def test_overwrites_features_of_inputs_that_are_no_images(corner, first):
    patched = PatchBackdoor(size=2, corner=corner).triggered(torch.zeros(1, 5))

    assert patched.tolist() == [[first, first, 0.0, 1 - first, 1 - first]]


@pytest.mark.parametrize(
    ("weights", "poisoned"),
    [
        ([1, 1, 1, 1], [1, 1, 0, 0]),  # 0.3 of 4 is 1.2, rounded up
        ([1, 1, 1, 0], [1, 0, 0, 0]),  # 0.9 of an example
        ([0, 1, 0, 1], [0, 1, 0, 0]),
        ([1] * 10, [1] * 3 + [0] * 7),  # exactly 3, whatever 0.3 is in binary
        ([0, 0], [0, 0]),
    ],
)
def test_poisons_a_share_of_the_real_examples(weights, poisoned):
    b = len(weights)
    batch = Batch(torch.zeros(b, 4), torch.ones(b, dtype=torch.int64), torch.tensor(weights))

    changed, _ = PatchBackdoor(poison_share=0.3).batch(torch.zeros(1), batch, {}, {})

    assert (changed.y == 0).int().tolist() == poisoned
    assert changed.x[:, -1].int().tolist() == poisoned
    assert changed.w.equal(batch.w)


def test_wants_every_patched_input_of_another_class_to_be_of_the_target():
    x, y = torch.zeros(4, 1, 4, 4), torch.tensor([0, 2, 1, 2])

    inputs, wanted = PatchBackdoor(target=2).goal(x, y)

    assert inputs.shape == (2, 1, 4, 4)
    assert inputs[:, :, 1:, 1:].eq(1).all()
    assert wanted.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("fields", "shape", "message"),
    [
        ({"size": 5}, (1, 8, 4), r"size of at most 4 for inputs of shape \(1, 8, 4\), not 5"),
        ({"size": 3}, (2,), "size of at most 2"),
        ({"target": 10}, (1, 8, 8), "target below the 10 classes, not 10"),
    ],
)
def test_has_to_fit_the_task(fields, shape, message):
    with pytest.raises(ConfigError, match=message):
        PatchBackdoor(**fields).for_task(10, shape)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"poison_share": 0}, {"poison_share": 1.1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PatchBackdoor(**wrong)
