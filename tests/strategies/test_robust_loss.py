import math

import numpy as np
import pytest
import torch
from torch.func import grad, vmap
from torch.nn.functional import cross_entropy

from fedrobust.core.local import Client, train
from fedrobust.core.task import Batch, mean_cross_entropy
from fedrobust.core.trainers import loop, stacked, vectorized
from fedrobust.core.training import Training
from fedrobust.strategies.robust_loss import RobustLoss

NCE, RCE = RobustLoss(passive=0), RobustLoss(active=0)


def loss(behavior, logits, y, w=None):
    w = torch.ones(len(y)) if w is None else w
    batch = Batch(torch.zeros(len(y), 1), y, w)
    return behavior.criterion(mean_cross_entropy)(logits, batch)


def each_label(behavior, logits):
    """Return the loss of one example's logits ``[C]`` with each of the labels."""
    return torch.stack([loss(behavior, logits[None], y[None]) for y in torch.arange(len(logits))])


def reference(behavior, logits, y, w):
    """The paper's formulas in float64, example by example and class by class."""
    total = 0.0
    for z, label, weight in zip(logits.double().numpy(), y.tolist(), w.tolist(), strict=True):
        log_p = z - z.max() - math.log(np.exp(z - z.max()).sum())
        nce = -log_p[label] / sum(-value for value in log_p)
        log_q = [0.0 if k == label else behavior.floor for k in range(len(z))]
        rce = -sum(math.exp(log_p[k]) * log_q[k] for k in range(len(z)))
        total += weight * (behavior.active * nce + behavior.passive * rce)
    return total / w.sum().item()


@pytest.fixture(scope="module")
def some():
    """Logits of twelve examples, their labels and weights; the last one is padding."""
    g = torch.Generator().manual_seed(0)
    logits, y = 3 * torch.randn(12, 5, generator=g), torch.randint(5, (12,), generator=g)
    w = torch.rand(12, generator=g)
    w[-1] = 0
    return logits, y, w


def test_by_hand():
    """p = (1/2, 1/4, 1/4): NCE is log 2 / log 32 = 1/5, or 2/5; RCE is 4 (1 - p)."""
    logits = torch.tensor([0.5, 0.25, 0.25]).log() + 7

    assert each_label(NCE, logits).tolist() == pytest.approx([0.2, 0.4, 0.4])
    assert each_label(RCE, logits).tolist() == pytest.approx([2.0, 3.0, 3.0])
    both = RobustLoss(active=10, passive=0.5, floor=-2)
    assert each_label(both, logits).tolist() == pytest.approx([2.5, 4.75, 4.75])


@pytest.mark.parametrize(
    "behavior", [RobustLoss(), NCE, RCE, RobustLoss(active=10, passive=0.1, floor=-9.21)]
)
def test_agrees_with_float64(behavior, some):
    assert loss(behavior, *some).item() == pytest.approx(reference(behavior, *some), rel=1e-5)


@pytest.mark.parametrize("size", [0.0, 1.0, 30.0, 1e4])
def test_over_all_labels_each_term_has_a_constant_sum(size):
    """The symmetry that makes it robust: 1 for NCE, and -A (C - 1) for RCE."""
    for logits in size * torch.randn(20, 10, generator=torch.Generator().manual_seed(1)):
        normalized, reverse = each_label(NCE, logits), each_label(RCE, logits)

        assert normalized.sum().item() == pytest.approx(1, rel=1e-5)
        assert reverse.sum().item() == pytest.approx(4 * 9, rel=1e-5)
        assert 0 <= normalized.min() <= normalized.max() <= 1
        assert 0 <= reverse.min() <= reverse.max() <= 4


def test_cross_entropy_has_no_such_bound():
    logits, wrong = torch.tensor([[1e4, 0.0]]), torch.tensor([1])

    assert cross_entropy(logits, wrong) == 1e4
    assert loss(RobustLoss(), logits, wrong) == 1 + 4


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("logits", [[1e4, -1e4, 0], [-1e4, 1e4, 1e4], [0, 0, 0], [1e4] * 3])
def test_gradients_are_finite_for_extreme_logits(logits, label):
    z, y = torch.tensor([logits], dtype=torch.float32), torch.tensor([label])

    slope = grad(lambda z: loss(RobustLoss(), z, y))(z)

    assert slope.isfinite().all()
    assert slope.abs().max() <= 1 + 4


def test_padding_does_not_count(some):
    logits, y, w = some
    other = logits.clone()
    other[-1] = 1e4 * torch.arange(5)

    slope = grad(lambda z: loss(RobustLoss(), z, y, w))(other)

    assert loss(RobustLoss(), other, y, w) == loss(RobustLoss(), logits, y, w)
    assert slope[-1].eq(0).all()
    assert slope[:-1].ne(0).any()


def test_is_zero_where_all_is_padding(some):
    logits, y, w = some

    value = loss(RobustLoss(), logits, y, 0 * w)
    slope = grad(lambda z: loss(RobustLoss(), z, y, 0 * w))(logits)

    assert value == 0
    assert slope.eq(0).all()


def test_replaces_whatever_criterion_was_there(some):
    logits, y, w = some

    found = RobustLoss().criterion(lambda logits, batch: 1 / 0)(logits, Batch(logits, y, w))

    assert found == loss(RobustLoss(), *some)


def test_clients_side_by_side_have_losses_of_their_own(some):
    logits, y, w = (part.view(3, 4, *part.shape[1:]) for part in some)

    together = vmap(lambda *client: loss(RobustLoss(), *client))(logits, y, w)

    alone = [loss(RobustLoss(), *client) for client in zip(logits, y, w, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone))


@pytest.mark.parametrize(
    "trainer", [stacked.descend, vectorized.descend, loop.descend], ids=["stacked", "vmap", "loop"]
)
def test_trains_as_a_plain_loop_does(task, trainer):
    behavior, start = RobustLoss(active=2, passive=0.5), task.init()
    sizes = [50, 1, 16, 33]
    clients = [
        Client(s, [{}], torch.Generator().manual_seed(i))
        for i, s in enumerate(torch.arange(sum(sizes)).split(sizes))
    ]
    expected = []
    for i, shard in enumerate(torch.arange(sum(sizes)).split(sizes)):
        w, g = start.double(), torch.Generator().manual_seed(i)
        for _ in range(3):
            for b in shard[torch.randperm(len(shard), generator=g)].split(16):
                w = w.detach().requires_grad_()
                log_p = task.logits(w, task.data.x[b].double()).log_softmax(dim=1)
                mine = log_p[range(len(b)), task.data.y[b]]
                total = 2 * mine / log_p.sum(dim=1) + 0.5 * 4 * (1 - mine.exp())
                w = w - 0.2 * torch.autograd.grad(total.mean(), w)[0]
        expected.append(w.detach() - start.double())

    training = Training(epochs=3, batch_size=16, lr=0.2)
    updates, _ = train(task, training, [behavior], start, clients, trainer)

    torch.testing.assert_close(updates, torch.stack(expected).float(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"active": -1}, {"passive": -0.1}, {"floor": 0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RobustLoss(**wrong)
