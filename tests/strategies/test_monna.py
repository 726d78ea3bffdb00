from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import AggregationError, TooManyMalicious
from fedrobust.strategies.coordinate_median import CoordinateMedian
from fedrobust.strategies.monna import MoNNA
from tests.components import Beacon


@pytest.fixture(scope="module")
def guided(info):
    """Return a function that lets a rule aggregate a round of a server with an update."""

    def run(rule, updates, guide, f=0):
        known = replace(info(updates, num_malicious=f), root=Beacon(guide))
        return rule.aggregate(updates, (), known)

    return run


@pytest.mark.parametrize("pivot", ["median", 0, 1])
def test_golden_vector(aggregate, x3, pivot):
    """From the median and from client 1 a tie, which the first wins."""
    assert aggregate(MoNNA(pivot=pivot), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]


def test_averages_what_is_nearest_to_the_pivot(aggregate):
    """Worked by hand: the medians are (1, 0); squared distances 1, 1, 0, 16 and 116."""
    updates = torch.tensor([[0.0, 0.0], [1.0, -1.0], [1.0, 0.0], [1.0, 4.0], [11.0, 4.0]])

    out = aggregate(MoNNA(), updates, f=2)

    assert out.weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])
    torch.testing.assert_close(out.update, torch.tensor([2 / 3, -1 / 3]))
    torch.testing.assert_close(out.scores.square(), torch.tensor([1, 1, 0, 16, 116]).double())


def test_of_an_even_number_of_updates_the_median_is_midway(aggregate):
    """Worked by hand: from 4, not from 3 or 5, 0 is nearer than 8.5."""
    updates = torch.tensor([[8.5], [0.0], [3.0], [5.0]])

    assert aggregate(MoNNA(), updates, f=1).weights[0] == 0


def test_is_around_the_update_that_the_server_trained(guided, x7):
    guide = torch.tensor([-4.0, 0.0, 3.0])  # the last update: next are -2 -2 4, 4 1 3

    out = guided(MoNNA(pivot="root"), x7, guide, f=3)

    assert out.weights.nonzero().flatten().tolist() == [1, 3, 5, 6]
    assert out.scores[6] == 0


def test_asks_for_an_update_of_the_server_only_if_that_is_the_pivot(aggregate, x7):
    assert MoNNA(pivot="root").needs_root
    assert not MoNNA().needs_root
    assert not MoNNA(pivot=3).needs_root
    with pytest.raises(AggregationError, match="monna needs examples of the server's own"):
        aggregate(MoNNA(pivot="root"), x7, f=2)


def test_a_client_that_is_the_pivot_is_needed_in_every_round():
    assert MoNNA(pivot=3).needs_clients == (3,)
    assert MoNNA().needs_clients == MoNNA(pivot="root").needs_clients == ()


def test_a_trusted_client_is_known_by_its_number_and_not_by_its_place(info, x7):
    others = replace(info(x7, num_malicious=2), clients=torch.tensor([9, 8, 7, 6, 5, 4, 3]))

    out = MoNNA(pivot=6).aggregate(x7, (), others)

    assert out.scores[3] == 0
    assert out.weights[3] > 0
    with pytest.raises(AggregationError, match=r"update of client 2, .* those of 7 others\."):
        MoNNA(pivot=2).aggregate(x7, (), others)


@pytest.mark.parametrize("pivot", ["median", "root", 4])
@pytest.mark.parametrize("f", [1, 3, 4])
def test_equals_a_plain_loop_in_float64(guided, hard, pivot, f):
    """The pivot is an update, so the median is rounded to float32."""
    exact, guide = hard.double().numpy(), hard[:3].mean(dim=0)
    median = np.median(exact, axis=0).astype(np.float32).astype(np.float64)
    centers = {"median": median, "root": guide.double().numpy(), 4: exact[4]}
    distances = [np.linalg.norm(row - centers[pivot]) for row in exact]
    kept = sorted(range(len(exact)), key=distances.__getitem__)[: len(exact) - f]

    out = guided(MoNNA(pivot=pivot), hard, guide, f)

    np.testing.assert_allclose(out.scores.numpy(), distances, rtol=1e-6)
    assert out.weights.nonzero().flatten().tolist() == sorted(kept)
    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), exact[kept].mean(axis=0), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("pivot", ["median", "root", 0])
def test_is_the_mean_when_nobody_is_malicious(guided, x7, pivot):
    torch.testing.assert_close(
        guided(MoNNA(pivot=pivot), x7, 9 * torch.ones(3)).update, x7.mean(dim=0)
    )
    assert guided(MoNNA(pivot=pivot), x7[:1], 9 * torch.ones(3)).update.equal(x7[0])


def test_of_equal_updates_the_first_count(aggregate):
    out = aggregate(MoNNA(), torch.ones(5, 2), f=2)

    assert out.weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])
    torch.testing.assert_close(out.update, torch.ones(2))


def test_keeps_more_than_the_median_does(aggregate):
    honest = torch.randn(31, 40, generator=torch.Generator().manual_seed(0))

    kept, median = aggregate(MoNNA(), honest, f=5), aggregate(CoordinateMedian(), honest)

    assert (kept.update - honest.mean(dim=0)).norm() < (median.update - honest.mean(dim=0)).norm()


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(range(9)), seed=st.integers(0, 99))
def test_moves_with_the_updates_and_ignores_their_order(aggregate, order, seed):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    order = list(order)

    out = aggregate(MoNNA(), updates, f=3)
    other = aggregate(MoNNA(), updates[order] + 3, f=3)

    assert other.weights.equal(out.weights[order])
    torch.testing.assert_close(other.update, out.update + 3)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(100, 1e18), seed=st.integers(0, 99), pivot=st.sampled_from(["median", 5]))
def test_never_takes_a_far_away_minority(aggregate, size, seed, pivot):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    updates[:3] += size * torch.tensor([[1.0], [-1.0], [2.0]])

    out = aggregate(MoNNA(pivot=pivot), updates, f=3)

    assert out.weights[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("wrong", [{"pivot": "mean"}, {"pivot": -1}, {"num_malicious": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MoNNA(**wrong)


def test_its_bound(aggregate, x7):
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(MoNNA(), x7, f=4)
