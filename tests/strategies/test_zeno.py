from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.aggregator import RootData
from fedrobust.errors import AggregationError, TooManyMalicious
from fedrobust.strategies.zeno import Zeno
from tests.components import Beacon


class Losses(RootData):
    """What a model loses is its first number; remembers what it was asked."""

    asked = None

    @property
    def update(self):
        raise AssertionError("Zeno needs no update of the server's.")

    def losses(self, models, examples):
        self.asked = (models, examples)
        return models[:, 0].double()

    def accuracies(self, models):
        raise AssertionError("Zeno needs no accuracies.")


@pytest.fixture(scope="module")
def guided(info):
    """Return a function that lets a rule aggregate a round of a server with examples."""

    def run(rule, updates, root, f=0, params=None):
        params = torch.zeros(updates.shape[1]) if params is None else params
        known = replace(info(updates, num_malicious=f), params=params, root=root)
        return rule.aggregate(updates, (), known)

    return run


def test_scores_by_the_descent_and_the_length(guided):
    """Worked by hand: the loss, 7, becomes 6, 4, 8; squared lengths are 1, 25, 2."""
    updates = torch.tensor([[-1.0, 0.0], [-3.0, 4.0], [1.0, 1.0]])
    params = torch.tensor([7.0, 7.0])

    free = guided(Zeno(penalty=0), updates, Losses(), f=2, params=params)
    dear = guided(Zeno(penalty=0.25), updates, Losses(), f=1, params=params)

    assert free.scores.tolist() == [1, 3, -1]
    assert free.update.tolist() == [-3, 4]
    assert dear.scores.tolist() == [1 - 0.25, 3 - 6.25, -1 - 0.5]
    assert dear.weights.tolist() == [0.5, 0, 0.5]


def test_of_equal_scores_the_first_wins(guided):
    updates = torch.tensor([[1.0, 0.0], [-1.0, 2.0], [-1.0, -2.0], [-1.0, 2.0]])

    out = guided(Zeno(), updates, Losses(), f=2)

    assert out.weights.tolist() == [0, 0.5, 0.5, 0]


def test_adds_updates_to_the_model_and_compares_all_on_the_same_examples(guided, x3):
    """An update is a step already taken: to subtract it, as a gradient, would keep the worst."""
    root, params = Losses(), torch.tensor([1.0, 2.0, 3.0])

    guided(Zeno(examples=12), x3, root, f=1, params=params)

    models, examples = root.asked
    torch.testing.assert_close(models, torch.cat([params[None], params + x3]))
    assert examples == 12


@pytest.mark.parametrize("f", [0, 1, 4, 9])
@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_equals_a_plain_loop_in_float64(guided, hard, f, penalty):
    goal = hard[:4].mean(dim=0)
    exact = hard.double().numpy()
    scores = []
    for row in exact:
        loss = np.square(row - goal.double().numpy()).sum()
        descent = np.square(goal.double().numpy()).sum() - loss
        scores.append(descent - penalty * np.square(row).sum())
    kept = sorted(range(len(exact)), key=lambda i: -scores[i])[: len(exact) - f]

    out = guided(Zeno(penalty=penalty), hard, Beacon(goal), f)

    assert out.weights.nonzero().flatten().tolist() == sorted(kept)
    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), exact[kept].mean(axis=0), rtol=1e-5, atol=atol)


def test_a_single_honest_client_is_enough(guided):
    updates = -torch.ones(9, 3)
    updates[5] = 1

    out = guided(Zeno(), updates, Beacon(torch.ones(3)), f=8)

    assert out.update.tolist() == [1, 1, 1]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_model_without_a_loss_is_the_worst(guided, loss):
    class Broken(Losses):
        def losses(self, models, examples):
            return models[:, 0].double().where(models[:, 0] < 5, loss)

    models = torch.tensor([[9.0], [2.0], [1.0], [4.0]])

    out = guided(Zeno(penalty=0), models, Broken(), f=3)
    diverged = guided(Zeno(penalty=0), models - 8, Broken(), f=3, params=torch.tensor([8.0]))

    assert out.weights.tolist() == [0, 0, 1, 0]
    assert diverged.weights.tolist() == [0, 0, 1, 0]
    assert diverged.scores[1:].tolist() == [-2, -1, -4]
    assert out.scores.equal(diverged.scores)
    assert out.scores.isfinite().all()


@pytest.mark.parametrize("loss", [1e17, 1e30, 1e300])
def test_a_model_with_a_huge_loss_does_not_hide_what_updates_make_of_it(guided, loss):
    class Lost(Losses):
        def losses(self, models, examples):
            return models[:, 0].double().where(models[:, 0] < 5, loss)

    models = torch.tensor([[2.0], [1.0], [4.0]])

    out = guided(Zeno(penalty=0), models - 8, Lost(), f=2, params=torch.tensor([8.0]))

    assert out.weights.tolist() == [0, 1, 0]
    assert out.scores.isfinite().all()


def test_is_the_mean_when_nobody_is_malicious(guided, x7):
    root = Beacon(torch.ones(3))

    torch.testing.assert_close(guided(Zeno(), x7, root).update, x7.mean(dim=0))
    assert guided(Zeno(), x7[:1], root).update.equal(x7[0])
    assert guided(Zeno(), x7[:1].repeat(4, 1), root, f=2).update.equal(x7[0])


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(range(9)), seed=st.integers(0, 99))
def test_the_order_of_updates_does_not_matter(guided, order, seed):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    order, root = list(order), Beacon(torch.ones(4))

    out = guided(Zeno(), updates, root, f=4)
    other = guided(Zeno(), updates[order], root, f=4)

    assert other.weights.equal(out.weights[order])
    torch.testing.assert_close(other.update, out.update)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(10, 1e18), seed=st.integers(0, 99))
def test_never_takes_what_is_far_from_the_goal_be_it_a_majority(guided, size, seed):
    updates = 1 + 0.1 * torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    updates[:6] += size * torch.tensor([1.0, -1.0, 2.0, 2.0, 2.0, 2.0])[:, None]

    out = guided(Zeno(), updates, Beacon(torch.ones(4)), f=6)

    assert out.weights[:6].tolist() == [0] * 6


def test_a_server_without_examples_cannot_use_it(aggregate, x7):
    assert Zeno().needs_root
    with pytest.raises(AggregationError, match="zeno needs examples of the server's own"):
        aggregate(Zeno(), x7, f=2)


@pytest.mark.parametrize("wrong", [{"penalty": -1}, {"examples": 0}, {"num_malicious": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Zeno(**wrong)


def test_its_bound(guided, x7):
    with pytest.raises(TooManyMalicious, match=r"it can withstand at most 6 of 7, not f = 7"):
        guided(Zeno(), x7, Losses(), f=7)
