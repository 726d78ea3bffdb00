import pytest
import torch
from torch.func import vmap

from fedrobust.attacks.label_flip import LabelFlip
from fedrobust.core.task import Batch
from fedrobust.errors import ConfigError


def labels(attack, *y, seed=0):
    batch = Batch(torch.zeros(len(y), 2), torch.tensor(y), torch.ones(len(y)))
    draws = attack.draw(torch.zeros(1), torch.Generator().manual_seed(seed))
    return attack.batch(torch.zeros(1), batch, {}, draws)[0].y.tolist()


def test_flips_all_labels():
    attack = LabelFlip().for_task(10, (2,))

    assert labels(attack, 0, 1, 7, 9) == [9, 8, 2, 0]


def test_flips_a_source_to_a_target():
    assert labels(LabelFlip(source=1, target=7), 0, 1, 7, 1) == [0, 7, 7, 7]


def test_random_labels_are_of_all_classes_equally_often_whatever_is_right():
    seen = torch.tensor(labels(LabelFlip(target="random", num_classes=4), *[2] * 4000))

    assert torch.bincount(seen).div(4000).tolist() == pytest.approx([0.25] * 4, abs=0.03)


def test_random_labels_of_a_source_leave_the_others_right():
    attack = LabelFlip(source=1, target="random").for_task(10, (2,))

    seen = labels(attack, *[1, 5] * 500)

    assert seen[1::2] == [5] * 500
    assert len(set(seen[::2])) == 10


def test_random_labels_are_new_in_each_step_and_for_each_example():
    attack = LabelFlip(target="random", num_classes=1000)
    once, again, another = (labels(attack, *[0] * 200, seed=seed) for seed in (0, 0, 1))

    assert once == again
    assert sum(a == b for a, b in zip(once, another, strict=True)) < 10
    assert len(set(once)) > 150


def test_a_batch_beyond_all_that_is_drawn_uses_it_again():
    seen = labels(LabelFlip(target="random", num_classes=9), *[0] * 5000)

    assert seen[4093:] == seen[: 5000 - 4093]


def test_many_clients_at_once_get_the_labels_each_draws():
    attack, y = LabelFlip(target="random", num_classes=5), torch.zeros(2, 30, dtype=torch.int64)
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    drawn = torch.stack([attack.draw(torch.zeros(1), g)["labels"] for g in generators])

    def one(y, drawn):
        batch = Batch(torch.zeros(30, 2), y, torch.ones(30))
        return attack.batch(torch.zeros(1), batch, {}, {"labels": drawn})[0].y

    together = vmap(one)(y, drawn)

    assert together.tolist() == [labels(attack, *[0] * 30, seed=seed) for seed in (0, 1)]


@pytest.mark.parametrize("fields", [{}, {"target": "random"}, {"source": 1, "target": "random"}])
def test_changes_nothing_but_labels(fields):
    batch = Batch(torch.randn(3, 2), torch.tensor([0, 1, 2]), torch.tensor([1.0, 1.0, 0.0]))
    attack = LabelFlip(**fields).for_task(3, (2,))
    draws = attack.draw(torch.zeros(1), torch.Generator())

    changed, memory = attack.batch(torch.zeros(1), batch, {}, draws)

    assert changed.x.equal(batch.x)
    assert changed.w.equal(batch.w)
    assert memory == {}


def test_wants_examples_of_the_source_to_be_taken_for_the_target():
    x, y = torch.arange(4.0)[:, None], torch.tensor([1, 7, 1, 0])

    inputs, wanted = LabelFlip(source=1, target=7).goal(x, y)

    assert inputs.tolist() == [[0.0], [2.0]]
    assert wanted.tolist() == [7, 7]


@pytest.mark.parametrize("fields", [{}, {"target": "random"}, {"source": 1, "target": "random"}])
def test_wants_only_harm_without_a_target(fields):
    x, y = torch.zeros(3, 1), torch.tensor([1, 7, 0])

    assert LabelFlip(**fields, num_classes=8).goal(x, y) is None


@pytest.mark.parametrize("target", [None, "random"])
def test_needs_the_number_of_classes_to_flip_all(target):
    with pytest.raises(ConfigError, match="needs num_classes to flip all labels; set it"):
        labels(LabelFlip(target=target), 0)


def test_tables_of_scenarios_written_before_random_labels_stay_as_they_were():
    tables = [a.model_dump(exclude_none=True) for a in (LabelFlip(), LabelFlip(source=1, target=7))]

    assert tables == [{"name": "label_flip"}, {"name": "label_flip", "source": 1, "target": 7}]


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


@pytest.mark.parametrize("target", ["any", -1, 1.5])
def test_rejects_what_is_no_class(target):
    with pytest.raises(ValueError, match="target"):
        LabelFlip(source=1, target=target)
