"""The three adaptive servers, against the paper's algorithm and against Flower."""

import math

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.flower.touchpoints import adopt_identity
from fedrobust.strategies.fed_adagrad import FedAdagrad
from fedrobust.strategies.fed_adam import FedAdam
from fedrobust.strategies.fed_yogi import FedYogi

SERVERS = [FedAdam, FedYogi, FedAdagrad]


def algorithm_2(server, updates):
    """The paper's algorithm, one coordinate and one round at a time."""
    steps = np.empty(updates.shape)
    for i in range(updates.shape[1]):
        m, v = 0.0, server.tau**2
        for t, delta in enumerate(updates[:, i].tolist()):
            m = server.beta1 * m + (1 - server.beta1) * delta
            if isinstance(server, FedAdagrad):
                v = v + delta**2
            elif isinstance(server, FedYogi):
                v = v - (1 - server.beta2) * delta**2 * np.sign(v - delta**2)
            else:
                v = server.beta2 * v + (1 - server.beta2) * delta**2
            steps[t, i] = server.lr * m / (math.sqrt(v) + server.tau)
    return torch.from_numpy(steps).float()


def run(server, updates, info, state=None):
    """Return the step of each of several rounds ``[t, d]``."""
    state, steps = server.init(updates[0]) if state is None else state, []
    for update in updates:
        step, state = server.transform(update, state, info(updates))
        steps.append(step)
    return torch.stack(steps)


@pytest.mark.parametrize("server", SERVERS)
def test_is_the_paper_s_algorithm(server, info, hard):
    server = server(lr=0.3, beta1=0.8, tau=0.01)

    steps = run(server, hard, info)

    torch.testing.assert_close(steps, algorithm_2(server, hard), rtol=1e-6, atol=0)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("size", [1e-30, 1e18, 1.8e19])
def test_neither_overflows_nor_forgets_small_updates_beside_large_ones(server, info, size):
    updates = torch.tensor([[size, 1.0], [-size, 1e-4], [size, 0.0]])

    steps = run(server(), updates, info)

    torch.testing.assert_close(steps, algorithm_2(server(), updates), rtol=1e-6, atol=0)
    assert steps.isfinite().all()


@pytest.mark.parametrize("server", SERVERS)
def test_a_parameter_that_nobody_moves_stays_where_it_is(server, info):
    updates = torch.tensor([[0.0, 1.0], [0.0, -1.0]])

    steps = run(server(), updates, info)

    assert steps[:, 0].eq(0).all()
    assert steps[:, 1].ne(0).all()


@pytest.mark.parametrize("server", SERVERS)
@given(sizes=st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=12))
@settings(deadline=None, max_examples=50)
def test_mirrored_rounds_give_mirrored_steps(server, info, sizes):
    updates = torch.tensor(sizes)[:, None]

    assert run(server(), -updates, info).equal(-run(server(), updates, info))


def flowers_steps(strategy, updates, start=2.0):
    """Return the steps that Flower's own strategy takes, given updates ``[t, d]``."""
    adopt_identity(run_id=1)
    model, steps = np.full(updates.shape[1], start), []
    for number, update in enumerate(updates.double().numpy(), start=1):
        strategy.current_arrays = {"model": model}
        arrays = ArrayRecord({"model": Array(model + update)})
        content = {"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})}
        reply = Message(RecordDict(content), 1, "train")
        new = strategy.aggregate_train(number, [reply])[0]["model"].numpy()
        steps.append(torch.from_numpy(new - model))
        model = new
    return torch.stack(steps)


@pytest.fixture(scope="module")
def updates():
    return torch.randn(12, 7, generator=torch.Generator().manual_seed(2))


FROM_ZERO = (torch.zeros(7, dtype=torch.float64), torch.zeros(7, dtype=torch.float64))


@pytest.mark.parametrize(
    ("ours", "theirs"), [(FedYogi, flower.FedYogi), (FedAdagrad, flower.FedAdagrad)]
)
def test_is_flower_s_but_for_what_v_starts_from(ours, theirs, info, updates):
    """Flower starts from v = 0; we, as the paper, from tau^2."""
    expected = flowers_steps(theirs(eta=0.2, tau=0.05), updates)

    steps = run(ours(lr=0.2, tau=0.05), updates, info, FROM_ZERO)

    torch.testing.assert_close(steps.double(), expected, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(run(ours(lr=0.2, tau=0.05), updates, info).double(), expected)


def test_adam_is_flower_s_but_for_its_correction_too(info, updates):
    """Flower corrects eta by sqrt(1 - beta2^(t + 1)) / (1 - beta1^(t + 1)), the paper does not."""
    expected = flowers_steps(flower.FedAdam(eta=0.2, tau=0.05), updates)

    steps = run(FedAdam(lr=0.2, tau=0.05), updates, info, FROM_ZERO).double()

    t = torch.arange(2, 14, dtype=torch.float64)[:, None]
    corrected = steps * (1 - 0.99**t).sqrt() / (1 - 0.9**t)
    torch.testing.assert_close(corrected, expected, rtol=1e-5, atol=1e-6)
