import pytest
import torch

from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError


def labels(attack, *y):
    batch = Batch(torch.zeros(len(y), 2), torch.tensor(y), torch.ones(len(y)))
    return attack.batch(torch.zeros(1), batch, {}, {})[0].y.tolist()


def test_flips_all_labels():
    attack = LabelFlip().for_task(10, (2,))

    assert labels(attack, 0, 1, 7, 9) == [9, 8, 2, 0]


def test_flips_a_source_to_a_target():
    assert labels(LabelFlip(source=1, target=7), 0, 1, 7, 1) == [0, 7, 7, 7]


def test_changes_nothing_but_labels():
    batch = Batch(torch.randn(3, 2), torch.tensor([0, 1, 2]), torch.tensor([1.0, 1.0, 0.0]))

    changed, memory = LabelFlip(num_classes=3).batch(torch.zeros(1), batch, {}, {})

    assert changed.x.equal(batch.x)
    assert changed.w.equal(batch.w)
    assert memory == {}


def test_wants_examples_of_the_source_to_be_taken_for_the_target():
    x, y = torch.arange(4.0)[:, None], torch.tensor([1, 7, 1, 0])

    inputs, wanted = LabelFlip(source=1, target=7).goal(x, y)

    assert inputs.tolist() == [[0.0], [2.0]]
    assert wanted.tolist() == [7, 7]
    assert LabelFlip(num_classes=8).goal(x, y) is None


def test_needs_the_number_of_classes_to_flip_all():
    with pytest.raises(ConfigError, match="needs num_classes to flip all labels; set it"):
        labels(LabelFlip(), 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_classes": 9}, "num_classes = 10, which the data have, not 9"),
        ({"source": 10, "target": 0}, "a source below the 10 classes, not 10"),
        ({"source": 0, "target": 11}, "a target below the 10 classes, not 11"),
    ],
)
def test_has_to_fit_the_task(fields, message):
    with pytest.raises(ConfigError, match=message):
        LabelFlip(**fields).for_task(10, (2,))


@pytest.mark.parametrize("wrong", [{"source": 1}, {"target": 1}, {"source": 2, "target": 2}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="source"):
        LabelFlip(**wrong)
