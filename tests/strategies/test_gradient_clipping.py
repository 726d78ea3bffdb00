import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import vmap
from torch.nn.functional import cross_entropy

from fedrobust.core.local import Client, train
from fedrobust.core.trainers import loop, stacked, vectorized
from fedrobust.core.training import Training
from fedrobust.strategies.gradient_clipping import GradientClipping

TRAINERS = {"stacked": stacked.descend, "vmap": vectorized.descend, "loop": loop.descend}
SIZES = [50, 1, 16, 33]


def clipped(direction, **fields):
    return GradientClipping(**fields).step(direction, None, {}, {})[0]


def updates_of(task, behavior, training, trainer=stacked.descend):
    shards = torch.arange(sum(SIZES)).split(SIZES)
    clients = [Client(s, [{}], torch.Generator().manual_seed(i)) for i, s in enumerate(shards)]
    return train(task, training, [behavior], task.init(), clients, trainer)[0]


def plain_loop(task, training, max_norm):
    """Train each client as a PyTorch tutorial would, in float64."""
    updates, start = [], task.init().double()
    options = {"momentum": training.momentum, "weight_decay": 0.0}
    for i, shard in enumerate(torch.arange(sum(SIZES)).split(SIZES)):
        model, g = copy.deepcopy(task.model).double(), torch.Generator().manual_seed(i)
        optimizer = torch.optim.SGD(model.parameters(), lr=training.lr, **options)
        for _ in range(training.epochs):
            for batch in shard[torch.randperm(len(shard), generator=g)].split(training.batch_size):
                optimizer.zero_grad()
                x, y = task.data.x[batch].double(), task.data.y[batch]
                cross_entropy(model(x), y).backward()
                nn.utils.clip_grad_norm_(model.parameters(), max_norm)
                optimizer.step()
        updates.append(nn.utils.parameters_to_vector(model.parameters()).detach() - start)
    return torch.stack(updates).float()


def test_a_long_direction_is_scaled_down_and_a_short_one_is_not():
    """Worked by hand: (3, 4) has length 5, so to 2 it is scaled by 0.4."""
    direction = torch.tensor([3.0, 4.0])

    torch.testing.assert_close(clipped(direction, max_norm=2), torch.tensor([1.2, 1.6]))
    assert clipped(direction, max_norm=5).equal(direction)
    assert clipped(torch.zeros(2)).equal(torch.zeros(2))


def test_each_client_is_clipped_by_its_own_length():
    directions = torch.tensor([[3.0, 4.0], [0.0, 0.0], [0.1, 0.0], [1e18, 0.0]])

    out = vmap(clipped)(directions)

    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0], [0.1, 0.0], [1.0, 0.0]])
    torch.testing.assert_close(out, expected)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(0, 1e30), max_norm=st.floats(1e-3, 1e3))
def test_no_direction_is_longer_than_the_bound(size, max_norm):
    out = clipped(torch.tensor([size, -size, 0.0]), max_norm=max_norm)

    assert out.norm() <= max_norm * (1 + 1e-5)
    assert out.isfinite().all()


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_trains_as_a_plain_loop_does(task, trainer, momentum):
    training = Training(epochs=3, batch_size=16, lr=0.2, momentum=momentum)

    updates = updates_of(task, GradientClipping(max_norm=0.3), training, trainer)

    expected = plain_loop(task, training, 0.3)
    torch.testing.assert_close(updates, expected, rtol=1e-4, atol=1e-5)
    assert (expected - plain_loop(task, training, 1e9)).abs().max() > 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_update_is_no_longer_than_the_docstring_says(task, momentum):
    training = Training(epochs=2, batch_size=10, lr=0.5, momentum=momentum)

    updates = updates_of(task, GradientClipping(max_norm=0.01), training)

    steps = torch.tensor([10, 2, 4, 8])
    bounds = steps * 0.5 * 0.01 / (1 - momentum)
    assert (updates.norm(dim=1) <= bounds * (1 + 1e-4)).all()
    assert updates.norm(dim=1)[0] > 0.5 * 10 * 0.5 * 0.01


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="max_norm"):
        GradientClipping(max_norm=wrong)
