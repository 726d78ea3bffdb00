from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp.strategy import FedAvgM

from fedrobust.flower.touchpoints import adopt_identity
from fedrobust.strategies.server_momentum import ServerMomentum


def run(step, updates, info):
    """Return the server's step in each of several rounds ``[t, d]``."""
    state, steps = step.init(updates[0]), []
    for number, update in enumerate(updates):
        known = replace(info(updates), number=number + 1)
        moved, state = step.transform(update, state, known)
        steps.append(moved)
    return torch.stack(steps)


def test_a_heavy_ball_adds_up(info):
    """Worked by hand: 4, then 0.5 * 4 + 8 = 10, each times 0.25."""
    momentum = ServerMomentum(beta=0.5, lr=0.25)

    steps = run(momentum, torch.tensor([[4.0], [8.0]]), info)

    assert steps.tolist() == [[1.0], [2.5]]


def test_an_average_starts_from_zero(info):
    """Worked by hand: 0.5 * 4 = 2, then 0.5 * 2 + 0.5 * 8 = 5."""
    momentum = ServerMomentum(beta=0.5, form="average")

    steps = run(momentum, torch.tensor([[4.0], [8.0]]), info)

    assert steps.tolist() == [[2.0], [5.0]]


def test_the_learning_rate_is_no_part_of_what_is_remembered(info):
    _, state = ServerMomentum(lr=0.01).transform(
        torch.ones(2), torch.zeros(2), info(torch.zeros(1, 2))
    )

    assert state.equal(torch.ones(2))


@pytest.mark.parametrize(("form", "gain"), [("heavy_ball", 1.0), ("average", 0.3)])
def test_is_the_weighted_sum_of_all_rounds(info, hard, form, gain):
    momentum = ServerMomentum(beta=0.7, lr=0.5, form=form)

    steps = run(momentum, hard, info)

    rounds = hard.double().numpy()
    for t, step in enumerate(steps):
        expected = sum(0.5 * gain * 0.7 ** (t - s) * rounds[s] for s in range(t + 1))
        tolerance = 1e-5 * np.abs(rounds[: t + 1]).max()
        torch.testing.assert_close(
            step, torch.from_numpy(expected).float(), rtol=1e-5, atol=tolerance
        )


@pytest.mark.parametrize(("form", "length"), [("heavy_ball", 10.0), ("average", 1.0)])
def test_equal_rounds_come_to_the_length_its_docstring_says(info, form, length):
    steps = run(ServerMomentum(form=form), torch.ones(200, 3), info)

    assert steps[-1].tolist() == pytest.approx([length] * 3, rel=1e-4)


@pytest.mark.parametrize("form", ["heavy_ball", "average"])
def test_without_momentum_it_only_scales(info, hard, form):
    steps = run(ServerMomentum(beta=0.0, lr=0.5, form=form), hard, info)

    assert steps.equal(0.5 * hard)


def test_is_flower_s_fedavgm(info):
    adopt_identity(run_id=1)
    updates = torch.randn(8, 5, generator=torch.Generator().manual_seed(1))
    theirs, model, path = FedAvgM(server_momentum=0.9, server_learning_rate=0.3), np.ones(5), []
    theirs.current_arrays = ArrayRecord([model])
    for number, update in enumerate(updates.double().numpy(), start=1):
        arrays = ArrayRecord([model + update])
        content = {"arrays": arrays, "metrics": MetricRecord({"num-examples": 1})}
        new, _ = theirs.aggregate_train(number, [Message(RecordDict(content), 1, "train")])
        (moved,) = new.to_numpy_ndarrays()
        path.append(torch.from_numpy(moved - model))
        model = moved

    steps = run(ServerMomentum(beta=0.9, lr=0.3), updates, info)

    torch.testing.assert_close(steps.double(), torch.stack(path), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"beta": 1.0}, {"beta": -0.1}, {"lr": 0}, {"lr": -1}, {"form": "nesterov"}]
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ServerMomentum(**wrong)
