"""A loss of the model's outputs reaches every trainer, under clipping too."""

import copy

import pytest
import torch
from torch import nn

from fedrobust.core.behavior import Behavior
from fedrobust.core.local import Client, remember, train
from fedrobust.core.task import Data, Task, mean_weights
from fedrobust.core.trainers import loop, stacked, vectorized
from fedrobust.core.training import Training
from fedrobust.strategies.dp_sgd import DPSGD

TRAINERS = {"stacked": stacked.descend, "vmap": vectorized.descend, "loop": loop.descend}
SIZES = [7, 2, 5]


class Brier(Behavior):
    """The squared distance of predictions from labels."""

    def criterion(self, criterion):
        def brier(logits, batch):
            wrong = logits.softmax(dim=1) - torch.eye(3).to(logits)[batch.y]
            return mean_weights(batch.w[None])[0] @ wrong.square().sum(dim=1)

        return brier


class Doubled(Behavior):
    def criterion(self, criterion):
        return lambda logits, batch: 2 * criterion(logits, batch)


@pytest.fixture
def images():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(14, 1, 6, 6, generator=g), torch.randint(3, (14,), generator=g)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3))
    return Task(model, Data(x, y, x, y, num_classes=3))


def cohort(behaviors, start):
    shards = torch.arange(14).split(SIZES)
    return [
        Client(shard, remember(behaviors, start), torch.Generator().manual_seed(i))
        for i, shard in enumerate(shards)
    ]


def plain_loop(task, training, client, clip, factor):
    model = copy.deepcopy(task.model).double()
    parameters = list(model.parameters())
    start = nn.utils.parameters_to_vector(parameters).detach()
    for _ in range(training.epochs):
        order = torch.randperm(len(client.shard), generator=client.generator)
        for batch in client.shard[order].split(training.batch_size):
            total = torch.zeros_like(start)
            for i in batch:
                logits = model(task.data.x[i][None].double())[0]
                wrong = logits.softmax(dim=0) - torch.eye(3, dtype=torch.float64)[task.data.y[i]]
                found = torch.autograd.grad(factor * wrong.square().sum(), parameters)
                slope = torch.cat([part.flatten() for part in found])
                total += slope * min(1.0, clip / slope.norm().item()) / len(batch)
            now = nn.utils.parameters_to_vector(parameters).detach() - training.lr * total
            nn.utils.vector_to_parameters(now, parameters)
    return (nn.utils.parameters_to_vector(parameters).detach() - start).float()


@pytest.mark.parametrize("clip", [None, 0.2])
@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_it_is_what_clients_descend(images, trainer, clip):
    training = Training(epochs=2, batch_size=3, lr=0.3)
    clipping = [] if clip is None else [DPSGD(max_norm=clip, noise_multiplier=0.0)]
    behaviors, start = [Brier(), Doubled(), *clipping], images.init()

    updates, _ = train(images, training, behaviors, start, cohort(behaviors, start), trainer)

    bound = float("inf") if clip is None else clip
    clients = cohort(behaviors, start)
    expected = torch.stack([plain_loop(images, training, c, bound, 2.0) for c in clients])
    torch.testing.assert_close(updates, expected, atol=1e-5, rtol=0)
    honest, _ = train(images, training, clipping, start, cohort(clipping, start), trainer)
    assert not torch.allclose(updates, honest, atol=1e-3)
