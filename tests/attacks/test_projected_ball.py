import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from fedrobust.attacks.projected_ball import ProjectedBall
from fedrobust.core.training import Training
from fedrobust.strategies.norm_clipping import NormClipping
from tests.cohort import SIZES, TRAINERS, updates_of


def nearest(point, start, radius):
    away = point - start
    return start + away * min(1.0, radius / max(1e-30, away.norm().item()))


def plain_loop(task, training, radius):
    """Train each client in float64: step from where training is, with the slope on the ball."""
    updates, start = [], task.init().double()
    for i, shard in enumerate(torch.arange(sum(SIZES)).split(SIZES)):
        model, g = copy.deepcopy(task.model).double(), torch.Generator().manual_seed(i)
        parameters, now = list(model.parameters()), start.clone()
        for _ in range(training.epochs):
            for batch in shard[torch.randperm(len(shard), generator=g)].split(training.batch_size):
                nn.utils.vector_to_parameters(nearest(now, start, radius), parameters)
                loss = cross_entropy(model(task.data.x[batch].double()), task.data.y[batch])
                slopes = nn.utils.parameters_to_vector(torch.autograd.grad(loss, parameters))
                now = now - training.lr * slopes
        updates.append(nearest(now, start, radius) - start)
    return torch.stack(updates).float()


def test_the_loss_is_that_of_the_nearest_model_in_the_ball():
    """Worked by hand: (4, 4) is 5 from (1, 0), and (1.6, 0.8) is 1 from it on the way."""
    start, far = torch.tensor([1.0, 0.0]), torch.tensor([4.0, 4.0])
    within = ProjectedBall(radius=1).loss(lambda p, batch: (p * p).sum(), start)

    value, slope = within(far, None), grad(within)(far, None)

    assert value.item() == pytest.approx(1.6**2 + 0.8**2)
    torch.testing.assert_close(slope, torch.tensor([3.2, 1.6]))


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("radius", [0.05, 0.5, 100.0])
def test_trains_as_a_plain_loop_does(task, radius, trainer):
    training = Training(epochs=3, batch_size=16, lr=0.2)

    updates = updates_of(task, [ProjectedBall(radius=radius)], training, trainer)

    expected = plain_loop(task, training, radius)
    torch.testing.assert_close(updates, expected, rtol=1e-4, atol=1e-6)


def test_a_client_that_stays_inside_trains_as_without(task):
    training = Training(epochs=3, batch_size=16, lr=0.2)

    free = updates_of(task, [], training)

    torch.testing.assert_close(updates_of(task, [ProjectedBall(radius=50)], training), free)


def test_it_finds_back_into_the_ball():
    """Worked by hand: the best is at 0.5, training is at 4, and the slope at 1 leads back."""
    within = ProjectedBall(radius=1).loss(lambda p, batch: (p - 0.5).square().sum(), torch.zeros(1))

    assert grad(within)(torch.tensor([4.0]), None).tolist() == [1.0]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 999),
    exponent=st.integers(-37, 37),
    radius=st.floats(1e-6, 1e6),
)
def test_what_is_sent_is_the_nearest_point_of_the_ball(seed, exponent, radius):
    update = torch.randn(9, generator=torch.Generator().manual_seed(seed)) * 10.0**exponent

    sent, _ = ProjectedBall(radius=radius).submit(update, {}, {})

    exact = update.double()
    expected = exact * min(1.0, radius / exact.norm().item())
    torch.testing.assert_close(sent.double(), expected, rtol=1e-6, atol=1e-44)


def test_an_update_of_zero_stays_zero():
    assert not ProjectedBall().submit(torch.zeros(4), {}, {})[0].any()


def test_many_clients_are_projected_each_by_its_own_length():
    updates = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])

    sent, _ = vmap(lambda update: ProjectedBall(radius=1).submit(update, {}, {}))(updates)

    torch.testing.assert_close(sent, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_norm_clipping_of_the_same_bound_clips_nothing_of_it(task, info):
    updates = updates_of(task, [ProjectedBall()], Training(epochs=20, batch_size=8, lr=0.5))

    factors = NormClipping().transform(updates, (), info(updates)).factors

    assert updates.norm(dim=1).max().item() == pytest.approx(1.0)
    torch.testing.assert_close(factors, torch.ones(4))


@pytest.mark.parametrize("wrong", [0, -1, float("inf")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="radius"):
        ProjectedBall(radius=wrong)
