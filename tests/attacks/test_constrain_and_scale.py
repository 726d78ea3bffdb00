import copy

import pytest
import torch
from torch import nn
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from fedrobust.attacks.constrain_and_scale import ConstrainAndScale
from fedrobust.core.task import Batch
from fedrobust.core.training import Training
from tests.cohort import SIZES, TRAINERS, updates_of

METRICS = ["euclidean", "cosine"]
NOTHING = Batch(torch.zeros(1, 1), torch.zeros(1), torch.ones(1))


def flat(params, batch):
    return 10 + 0 * params.sum()


def pull(now, start, metric):
    """Return the slope of the distance, from its formula."""
    if metric == "euclidean":
        away = now - start
        return away / away.norm() if away.any() else away
    cosine = now @ start / (now.norm() * start.norm())
    return cosine * now / now.norm() ** 2 - start / (now.norm() * start.norm())


def plain_loop(task, training, alpha, metric):
    """Train each client in float64, with the pull written as its gradient."""
    updates, start = [], task.init().double()
    for i, shard in enumerate(torch.arange(sum(SIZES)).split(SIZES)):
        model, g = copy.deepcopy(task.model).double(), torch.Generator().manual_seed(i)
        parameters = list(model.parameters())
        for _ in range(training.epochs):
            for batch in shard[torch.randperm(len(shard), generator=g)].split(training.batch_size):
                loss = cross_entropy(model(task.data.x[batch].double()), task.data.y[batch])
                slopes = nn.utils.parameters_to_vector(torch.autograd.grad(loss, parameters))
                now = nn.utils.parameters_to_vector(parameters).detach()
                away = (1 - alpha) * pull(now, start, metric)
                moved = now - training.lr * (alpha * slopes + away)
                nn.utils.vector_to_parameters(moved, parameters)
        updates.append(nn.utils.parameters_to_vector(parameters).detach() - start)
    return torch.stack(updates).float()


@pytest.mark.parametrize(
    ("metric", "now", "start", "value"),
    [
        ("euclidean", [3.0, 4.0], [0.0, 0.0], 0.75 * 10 + 0.25 * 5),
        ("euclidean", [1.0, 1.0], [1.0, 1.0], 7.5),
        ("cosine", [2.0, 0.0], [0.0, 5.0], 0.75 * 10 + 0.25 * 1),
        ("cosine", [2.0, 0.0], [-1.0, 0.0], 0.75 * 10 + 0.25 * 2),
        ("cosine", [3.0, 3.0], [1.0, 1.0], 7.5),
    ],
)
def test_the_distance_counts_what_the_loss_does_not(metric, now, start, value):
    attack = ConstrainAndScale(alpha=0.75, metric=metric)

    objective = attack.loss(flat, torch.tensor(start))(torch.tensor(now), NOTHING)

    assert objective.item() == pytest.approx(value)


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("alpha", [0.9, 0.4])
def test_trains_as_a_plain_loop_does(task, alpha, metric, trainer):
    training = Training(epochs=3, batch_size=16, lr=0.05)

    updates = updates_of(task, [ConstrainAndScale(alpha=alpha, metric=metric)], training, trainer)

    expected = plain_loop(task, training, alpha, metric)
    torch.testing.assert_close(updates, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [0.0, 1e-20, 1.0, 1e15])
def test_at_the_received_model_there_is_no_pull(metric, size, many):
    start = size * torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    attack = ConstrainAndScale(metric=metric)

    def slope(params, anchor):
        return grad(attack.loss(flat, anchor))(params, NOTHING)

    pulls = vmap(slope)(start, start) if many else slope(start[0], start[0])

    assert pulls.abs().max() < 1e-6


@pytest.mark.parametrize("metric", METRICS)
def test_the_first_step_is_towards_the_loss_alone(task, metric):
    training = Training(steps=1, batch_size=16, lr=0.1)

    pulled = updates_of(task, [ConstrainAndScale(alpha=0.3, metric=metric)], training)

    torch.testing.assert_close(pulled, 0.3 * updates_of(task, [], training), atol=1e-6, rtol=1e-5)


def test_with_an_alpha_of_one_it_trains_as_without(task):
    training = Training(epochs=2, batch_size=16, lr=0.1)

    free = updates_of(task, [], training)

    torch.testing.assert_close(updates_of(task, [ConstrainAndScale(alpha=1)], training), free)


@pytest.mark.parametrize("metric", METRICS)
def test_the_stronger_the_constraint_the_shorter_are_updates(task, metric):
    training = Training(epochs=10, batch_size=8, lr=0.05)

    lengths = [
        updates_of(task, [ConstrainAndScale(alpha=a, metric=metric)], training).norm(dim=1).mean()
        for a in (1.0, 0.8, 0.6)
    ]

    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.8 * lengths[0]


def test_scales_what_it_has_learned(view):
    own = torch.tensor([[1.0, -2.0], [0.0, 3e38]])

    scaled, _ = ConstrainAndScale(factor=4).craft(view(own, torch.ones(3, 2)), ())

    assert scaled[0].tolist() == [4, -8]
    assert scaled.isfinite().all()


def test_by_default_it_does_not_scale(view):
    own = torch.randn(2, 5)

    assert ConstrainAndScale().craft(view(own), ())[0].equal(own)


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"alpha": 1.1}, {"metric": "l1"}, {"factor": 0.0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ConstrainAndScale(**wrong)
