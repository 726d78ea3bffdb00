import pytest
import torch
from torch import nn

from fedrobust.core.local import Client, train
from fedrobust.core.task import Batch, Data, Task
from fedrobust.core.trainers import loop, stacked, vectorized
from fedrobust.core.training import Training
from fedrobust.strategies.dp_sgd import DPSGD

CLIP = DPSGD(max_norm=0.5, noise_multiplier=0.0)


@pytest.fixture
def line():
    """A model of two parameters without a bias, and examples of very different sizes."""
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.zero_()
    x = torch.tensor([[0.1], [8.0], [-2.0], [0.0]])
    y = torch.tensor([0, 1, 0, 1])
    return Task(model, Data(x, y, x, y, num_classes=2))


def sent(task, behavior, shards, trainer=stacked.descend, **training):
    clients = [
        Client(torch.tensor(s), [{}], torch.Generator().manual_seed(i))
        for i, s in enumerate(shards)
    ]
    plan = Training(**{"epochs": 1, "batch_size": 4, "lr": 1.0, **training})
    return train(task, plan, [behavior], task.init(), clients, trainer)[0]


def test_each_example_counts_up_to_the_bound(line):
    """Worked by hand: at zero, the gradient of x with label 0 is (-x/2, x/2)."""
    root = 0.5 / 2**0.5  # a gradient of norm 0.5 along the diagonal

    updates = sent(line, CLIP, [[0, 1, 2, 3]])

    total = (0.05 - root - root) / 4  # 0.1 is short, 8 and -2 are clipped, 0 has no gradient
    torch.testing.assert_close(updates, torch.tensor([[total, -total]]))


def test_no_example_moves_the_model_by_more_than_the_bound(line):
    with_, without = sent(line, CLIP, [[0, 1, 2, 3], [0, 2, 3]]) * torch.tensor([[4.0], [3.0]])

    assert (with_ - without).norm() <= 0.5 + 1e-6


@pytest.mark.parametrize("trainer", [stacked.descend, vectorized.descend, loop.descend])
def test_noise_has_the_scale_of_the_bound(line, trainer):
    """Two thousand clients: the deviation of the mean's noise is C sigma / b."""
    clients = 2000 if trainer is not loop.descend else 400
    noisy = DPSGD(max_norm=0.5, noise_multiplier=3.0)

    shards = [[0, 1, 2, 3]] * clients
    noise = sent(line, noisy, shards, trainer) - sent(line, CLIP, shards, trainer)

    assert noise.std().item() == pytest.approx(0.5 * 3.0 / 4, rel=0.1)
    assert abs(noise.mean().item()) < 0.05


def test_padding_does_not_thin_the_noise(line):
    """A client with one example, trained among larger ones, has noise for one."""
    direction, _ = DPSGD(max_norm=2.0, noise_multiplier=1.5).step(
        torch.zeros(2),
        Batch(torch.zeros(4, 1), torch.zeros(4), torch.tensor([1.0, 0, 0, 0])),
        {},
        {"noise": torch.ones(2)},
    )

    assert direction.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("wrong", [{"max_norm": 0.0}, {"noise_multiplier": -1.0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DPSGD(**wrong)
