import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from fedrobust.core.behavior import Behavior
from fedrobust.core.local import Client, remember, train
from fedrobust.core.task import Task
from fedrobust.core.training import Training
from fedrobust.strategies.client_momentum import ClientMomentum

SIZES = [50, 1, 16, 33, 7, 60]


@pytest.fixture(scope="module")
def deep(task):
    """A model with a hidden layer and a bias, for the data of the toy task."""
    g = torch.Generator().manual_seed(4)
    model = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=g) / 2)
    return Task(model, task.data)


@pytest.fixture(scope="module")
def shards():
    return torch.arange(10, 10 + sum(SIZES)).split(SIZES)


def clients(shards, behaviors=(), start=None):
    return [
        Client(shard, remember(behaviors, start), torch.Generator().manual_seed(i))
        for i, shard in enumerate(shards)
    ]


def plain_loop(task, training, start, shard, seed):
    """Train one client as a PyTorch tutorial would."""
    model, g = copy.deepcopy(task.model), torch.Generator().manual_seed(seed)
    nn.utils.vector_to_parameters(start.clone(), model.parameters())
    options = {"momentum": training.momentum, "weight_decay": training.weight_decay}
    optimizer = torch.optim.SGD(model.parameters(), lr=training.lr, **options)
    for _ in range(training.epochs or training.steps or 1):
        order = shard[torch.randperm(len(shard), generator=g)]
        parts = order.split(training.batch_size)
        for batch in parts if training.epochs else parts[:1]:
            optimizer.zero_grad()
            cross_entropy(model(task.data.x[batch]), task.data.y[batch]).backward()
            optimizer.step()
    return nn.utils.parameters_to_vector(model.parameters()).detach() - start


@pytest.mark.parametrize(
    "training",
    [
        Training(),
        Training(steps=5, batch_size=8, lr=0.3),
        Training(epochs=3, batch_size=16, lr=0.2),
        Training(epochs=3, batch_size=16, lr=0.05, momentum=0.9, weight_decay=0.1),
        Training(steps=4, batch_size=100, momentum=0.5, weight_decay=0.01),
    ],
    ids=str,
)
def test_many_clients_at_once_equal_plain_loops(deep, shards, training):
    start = deep.init()

    updates, _ = train(deep, training, [], start, clients(shards))

    expected = [plain_loop(deep, training, start, s, i) for i, s in enumerate(shards)]
    torch.testing.assert_close(updates, torch.stack(expected), atol=1e-6, rtol=1e-5)


def test_each_client_may_start_somewhere_else(deep, shards):
    training = Training(epochs=2, batch_size=16, momentum=0.9)
    starts = deep.init() + torch.randn(len(shards), len(deep.init()))
    before = starts.clone()

    updates, _ = train(deep, training, [], starts, clients(shards))

    each = zip(starts, shards, strict=True)
    expected = [plain_loop(deep, training, start, s, i) for i, (start, s) in enumerate(each)]
    torch.testing.assert_close(updates, torch.stack(expected), atol=1e-5, rtol=1e-5)
    assert starts.equal(before)


def test_the_order_of_clients_does_not_matter(deep, shards):
    start, training = deep.init(), Training(epochs=1, batch_size=16)

    updates, _ = train(deep, training, [], start, clients(shards))
    reversed_, _ = train(deep, training, [], start, clients(shards)[::-1])

    torch.testing.assert_close(reversed_.flip(0), updates)


def test_padding_has_no_influence_at_all(deep, shards):
    """Padding is example 0, which nobody here holds."""
    training = Training(epochs=2, batch_size=16)
    x = deep.data.x.clone()
    x[0] = 1e6
    other = Task(deep.model, replace(deep.data, x=x))

    updates, _ = train(deep, training, [], deep.init(), clients(shards))
    same, _ = train(other, training, [], deep.init(), clients(shards))

    assert same.equal(updates)


class Trace(Behavior):
    """Count steps in its memory, and submissions too; say in which order hooks ran."""

    place: int

    def remember(self, params):
        return {"steps": torch.zeros(()), "rounds": torch.zeros(())}

    def batch(self, params, batch, memory, draws):
        return batch._replace(x=batch.x * 2 + self.place), memory

    def step(self, direction, batch, memory, draws):
        return direction * 0 + self.place, {**memory, "steps": memory["steps"] + 1}

    def submit(self, update, memory, draws):
        return update * 2 + self.place, {**memory, "rounds": memory["rounds"] + 1}


@pytest.mark.parametrize("vectorized", [True, False])
def test_each_client_keeps_its_own_memory(deep, shards, monkeypatch, vectorized):
    monkeypatch.setattr(Trace, "vectorized", vectorized)
    behaviors, start = [Trace(place=1)], deep.init()

    _, memories = train(
        deep, Training(epochs=2, batch_size=16), behaviors, start, clients(shards, behaviors, start)
    )

    steps = [2 * -(-size // 16) for size in SIZES]
    assert [memory[0]["steps"].item() for memory in memories] == steps
    assert [memory[0]["rounds"].item() for memory in memories] == [1] * len(SIZES)


@pytest.mark.parametrize("vectorized", [True, False])
def test_rewriting_what_is_sent_leaves_memories_alone(deep, shards, monkeypatch, vectorized):
    """Adversaries rewrite rows of the matrix, and momentum remembers what it sent."""
    monkeypatch.setattr(ClientMomentum, "vectorized", vectorized)
    behaviors, start = [ClientMomentum(beta=0.5)], deep.init()

    updates, memories = train(deep, Training(), behaviors, start, clients(shards, behaviors, start))
    sent = updates.clone()
    updates.zero_()

    assert torch.stack([memory[0]["momentum"] for memory in memories]).equal(sent)
    assert sent.any()


def test_results_pass_from_the_innermost_behavior_out(deep, shards):
    """Worked by hand: the outer direction wins; submitting gives (u * 2 + 1) * 2 + 5."""
    behaviors, start = [Trace(place=1), Trace(place=5)], deep.init()

    updates, _ = train(deep, Training(lr=0.1), behaviors, start, clients(shards, behaviors, start))

    expected = (-0.1 * 5 * 2 + 1) * 2 + 5
    torch.testing.assert_close(updates, torch.full_like(updates, expected))


def test_data_pass_from_the_outermost_behavior_in(deep, shards):
    """The outer one makes 2 x + 5 of x, the inner one 2 (2 x + 5) + 1."""

    class Passive(Trace):
        step, submit = Behavior.step, Behavior.submit

    shifted = Task(deep.model, replace(deep.data, x=2 * (2 * deep.data.x + 5) + 1))
    behaviors, start = [Passive(place=1), Passive(place=5)], deep.init()

    updates, _ = train(deep, Training(), behaviors, start, clients(shards, behaviors, start))
    expected, _ = train(shifted, Training(), [], start, clients(shards))

    torch.testing.assert_close(updates, expected)
