import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fedrobust.core import metrics
from fedrobust.core.adversary import Adversary, Attack, Knowledge
from fedrobust.core.corruptions import kinds_for
from fedrobust.core.metrics import Quality
from fedrobust.core.task import Data, Task


class Wants(Attack):
    """Want class 1 for whatever is of class 0."""

    def goal(self, x, y):
        return x[y == 0], torch.ones_like(y[y == 0])


class Guess(nn.Module):
    """Take the larger feature for the class."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * x


def guessed(x, y, classes=3):
    x, y = torch.tensor(x), torch.tensor(y)
    return Task(Guess(), Data(x, y, x, y, num_classes=classes))


X = [[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0], [0.0, 9.0, 0.0]]


def test_quality_is_told_within_each_class_and_not_of_one_without_examples():
    task = guessed(X, [0, 0, 1, 1])

    quality = metrics.quality(task, task.init())

    assert quality.accuracy == 0.75
    assert quality.class_accuracy[:2] == (0.5, 1.0)
    assert math.isnan(quality.class_accuracy[2])
    assert quality.worst_class_accuracy == 0.5
    assert quality.figures().keys() == {"accuracy", "worst_class_accuracy", "loss"}


def test_a_client_s_accuracy_is_that_on_its_own_mixture_of_classes():
    quality = Quality(0.5, 0.0, 1.0, class_accuracy=(0.2, 0.8, math.nan))

    mixed = quality.accuracy_on(torch.tensor([[10, 0, 0], [5, 15, 0], [0, 4, 96], [0, 0, 3]]))

    assert mixed[:3].tolist() == pytest.approx([0.2, 0.65, 0.8])
    assert mixed[3].isnan()


def test_success_is_the_share_of_what_the_adversary_wants():
    task = guessed(X, [0, 0, 1, 1])
    adversary = Adversary((Attack(), Wants()), frozenset({0}), Knowledge.OWN)

    assert metrics.attack_success(task, task.init(), adversary) == 0.5


def test_success_is_unknown_where_nothing_suits_and_none_where_nothing_is_wanted():
    task = guessed(X[2:], [1, 1])
    wanting = Adversary((Wants(),), frozenset({0}), Knowledge.OWN)
    harming = Adversary((Attack(),), frozenset({0}), Knowledge.OWN)

    assert math.isnan(metrics.attack_success(task, task.init(), wanting))
    assert metrics.attack_success(task, task.init(), harming) is None


def test_accuracy_on_corrupted_inputs_is_told_by_how_they_were_corrupted():
    g = torch.Generator().manual_seed(0)
    y = torch.randint(3, (60,), generator=g)
    x = torch.zeros(60, 3).scatter_(1, y[:, None], 1.0)
    task = guessed(x.tolist(), y.tolist())

    mild = metrics.corrupted_accuracy(task, task.init(), 1, seed=0)
    harsh = metrics.corrupted_accuracy(task, task.init(), 5, seed=0)

    assert mild.keys() == set(kinds_for((3,)))
    assert harsh["gaussian_noise"] < mild["gaussian_noise"] <= 1.0
    assert harsh == metrics.corrupted_accuracy(task, task.init(), 5, seed=0)


def test_deviation_worked_by_hand():
    updates = torch.tensor([[1.0, 0.0], [3.0, 0.0], [100.0, 100.0]])
    honest = torch.tensor([True, True, False])

    found = metrics.deviation(updates, honest, torch.tensor([2.0, 3.0]))

    assert found == pytest.approx((3.0, 9.0))


def test_equal_updates_have_no_variance_to_compare_with():
    updates = torch.full((3, 7), 0.1)

    found = metrics.deviation(updates, torch.tensor([True, True, True]), torch.zeros(7))

    assert found.distance == pytest.approx(0.1 * 7**0.5)
    assert found.kappa is None


def test_nobody_honest_is_nothing_to_deviate_from():
    assert (
        metrics.deviation(torch.ones(2, 3), torch.zeros(2, dtype=torch.bool), torch.ones(3)) is None
    )


@given(seed=st.integers(0, 99), n=st.integers(2, 9), far=st.floats(-1e3, 1e3))
def test_deviation_is_what_numpy_says(seed, n, far):
    rng = np.random.default_rng(seed)
    updates = (rng.normal(size=(n, 5)) + far).astype(np.float32)
    honest = rng.random(n) < 0.7
    step = rng.normal(size=5).astype(np.float32)

    found = metrics.deviation(
        torch.from_numpy(updates), torch.from_numpy(honest), torch.from_numpy(step)
    )

    if not honest.any():
        assert found is None
        return
    exact = updates.astype(float)[honest]
    squared = ((step - exact.mean(axis=0)) ** 2).sum()
    assert found.distance == pytest.approx(squared**0.5, rel=1e-4, abs=1e-4)
    if honest.sum() > 1 and abs(far) < 10:
        spread = ((exact - exact.mean(axis=0)) ** 2).sum(axis=1).mean()
        assert found.kappa == pytest.approx(squared / spread, rel=1e-2)
