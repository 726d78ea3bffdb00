import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fedrobust.core.task import Batch
from fedrobust.core.training import Training
from fedrobust.strategies.fed_prox import FedProx
from tests.cohort import SIZES, TRAINERS, updates_of


def plain_loop(task, training, mu):
    """Train each client in float64, with the pull written as its gradient mu (w - w_t)."""
    updates, start = [], task.init().double()
    for i, shard in enumerate(torch.arange(sum(SIZES)).split(SIZES)):
        model, g = copy.deepcopy(task.model).double(), torch.Generator().manual_seed(i)
        parameters = list(model.parameters())
        for _ in range(training.epochs):
            for batch in shard[torch.randperm(len(shard), generator=g)].split(training.batch_size):
                loss = cross_entropy(model(task.data.x[batch].double()), task.data.y[batch])
                slopes = nn.utils.parameters_to_vector(torch.autograd.grad(loss, parameters))
                now = nn.utils.parameters_to_vector(parameters).detach()
                moved = now - training.lr * (slopes + mu * (now - start))
                nn.utils.vector_to_parameters(moved, parameters)
        updates.append(nn.utils.parameters_to_vector(parameters).detach() - start)
    return torch.stack(updates).float()


def test_the_pull_is_half_mu_times_the_squared_distance():
    """Worked by hand: 10 + 3 / 2 * (1 + 4) = 17.5, with gradient 3 (1, -2)."""
    batch = Batch(torch.zeros(1, 1), torch.zeros(1), torch.ones(1))
    params = torch.tensor([1.0, -2.0], requires_grad=True)

    objective = FedProx(mu=3).loss(lambda params, batch: 10 + 0 * params.sum(), torch.zeros(2))
    value = objective(params, batch)
    value.backward()

    assert value.item() == 17.5
    assert params.grad.tolist() == [3.0, -6.0]


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
@pytest.mark.parametrize("mu", [0.0, 0.1, 3.0])
def test_trains_as_a_plain_loop_does(task, mu, trainer):
    training = Training(epochs=3, batch_size=16, lr=0.2)

    updates = updates_of(task, [FedProx(mu=mu)], training, trainer)

    torch.testing.assert_close(updates, plain_loop(task, training, mu), rtol=1e-4, atol=1e-6)


def test_the_pull_is_towards_the_model_of_this_round_and_not_towards_zero(task):
    """From far away, with a pull far stronger than the loss, clients stay where they start."""
    training, far = Training(epochs=4, batch_size=16, lr=0.001), task.init() + 100

    near = updates_of(task, [FedProx(mu=500)], training, start=far)
    free = updates_of(task, [], training, start=far)

    assert (near.norm(dim=1) < free.norm(dim=1))[[0, 3]].all()
    assert near.norm(dim=1).max() < 0.1


def test_the_stronger_the_pull_the_shorter_and_the_closer_are_updates(task):
    training = Training(epochs=10, batch_size=8, lr=0.1)

    drifts, spreads = [], []
    for mu in (0.0, 0.1, 1.0, 5.0):
        updates = updates_of(task, [FedProx(mu=mu)], training)
        drifts.append(updates.norm(dim=1).mean().item())
        spreads.append((updates - updates.mean(dim=0)).norm().item())

    assert drifts == sorted(drifts, reverse=True)
    assert spreads == sorted(spreads, reverse=True)
    assert drifts[-1] < 0.5 * drifts[0]


def test_in_a_single_step_it_does_nothing(task):
    training = Training(steps=1, batch_size=16)

    pulled = updates_of(task, [FedProx(mu=1)], training)

    torch.testing.assert_close(pulled, updates_of(task, [], training))


@pytest.mark.parametrize("wrong", [-1, float("inf"), float("nan")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="mu"):
        FedProx(mu=wrong)
