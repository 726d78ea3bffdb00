from itertools import combinations
from time import perf_counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core import pairwise, rows
from fedrobust.errors import AggregationError, TooManyMalicious
from fedrobust.strategies.minimum_diameter_averaging import MinimumDiameterAveraging
from fedrobust.strategies.minimum_variance_averaging import MinimumVarianceAveraging
from fedrobust.strategies.smea import SMEA


def total_variance(points):
    """Return the trace of the covariance in float64."""
    return np.square(points - points.mean(axis=0)).sum(axis=1).mean()


def test_golden_vector(aggregate, x3):
    """A tie: the last goes."""
    assert aggregate(MinimumVarianceAveraging(), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]


def test_weighs_all_distances_and_not_only_the_largest(aggregate):
    """Worked by hand: without 0 squared distances add up to 76, without 7 to 83.

    Without 7 the others are at most 5 apart, without 0 at most 6.
    """
    line = torch.tensor([[0.0], [1.0], [5.0], [5.0], [7.0]])

    out = aggregate(MinimumVarianceAveraging(), line, f=1)

    assert out.weights.tolist() == [0, 0.25, 0.25, 0.25, 0.25]
    assert out.update.item() == 4.5
    assert aggregate(MinimumDiameterAveraging(), line, f=1).update.item() == 2.75


def test_prefers_collusion_to_noise_where_smea_does_not(aggregate):
    """Attackers who agree are at distance zero from each other, the noise of the honest is not."""
    g = torch.Generator().manual_seed(0)
    honest = torch.randn(7, 500, generator=g)
    crafted = honest.mean(dim=0) + 1.2 * honest.std(dim=0)
    updates = torch.cat([crafted.repeat(3, 1), honest])

    assert aggregate(MinimumVarianceAveraging(), updates, f=3).weights[:3].min() > 0
    assert aggregate(SMEA(), updates, f=3).weights[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize("f", range(5))
def test_equals_brute_force_in_float64(aggregate, hard, f):
    exact = hard[:9].double().numpy()
    subsets = [list(subset) for subset in combinations(range(9), 9 - f)]
    best = min(subsets, key=lambda subset: total_variance(exact[subset]))

    out = aggregate(MinimumVarianceAveraging(), hard[:9], f)

    assert out.weights.nonzero().flatten().tolist() == best
    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), exact[best].mean(axis=0), rtol=1e-5, atol=atol)


def test_a_huge_update_does_not_hide_what_the_others_are(aggregate, x7):
    """What is left of a sum of 1e36 when the huge distances are subtracted again is noise."""
    huge = torch.cat([1e18 * torch.ones(1, 3), x7])

    out = aggregate(MinimumVarianceAveraging(), huge, f=3)

    alone = aggregate(MinimumVarianceAveraging(), x7, f=2)
    assert out.weights[1:].equal(alone.weights)


def test_of_equal_updates_the_last_are_left_out(aggregate):
    equal = torch.ones(7, 2)

    out = aggregate(MinimumVarianceAveraging(), equal, f=3)

    assert out.weights.tolist() == [0.25, 0.25, 0.25, 0.25, 0, 0, 0]
    assert out.update.tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["noise", "equal_distances"])
def test_does_not_depend_on_how_many_subsets_are_compared_at_a_time(monkeypatch, kind):
    noise = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    squares = rows.squared_distances(noise if kind == "noise" else torch.eye(9))
    before, at_once = squares.clone(), pairwise.smallest_trace_subset(squares, 6)

    monkeypatch.setattr(pairwise, "_BATCH", 7)

    assert pairwise.smallest_trace_subset(squares, 6) == at_once
    assert kind == "noise" or at_once == [0, 1, 2, 3, 4, 5]
    assert squares.equal(before)


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(
        aggregate(MinimumVarianceAveraging(), x7, f=0).update, x7.mean(dim=0)
    )
    assert aggregate(MinimumVarianceAveraging(), x7[:1], f=0).update.equal(x7[0])


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e18, 1e18), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_its_error_is_bounded_by_kappa_times_the_variance_of_any_subset(aggregate, sizes, seed):
    honest = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 5), honest])
    kappa = MinimumVarianceAveraging().kappa(9, 3)

    out = aggregate(MinimumVarianceAveraging(), updates, f=3).update.double().numpy()

    assert kappa == 4 * 3 / (9 - 2 * 3)
    exact = updates.double().numpy()
    for subset in combinations(range(9), 6):
        kept = exact[list(subset)]
        error = np.square(out - kept.mean(axis=0)).sum()
        assert error <= kappa * total_variance(kept) * (1 + 1e-5) + 1e-9


def test_without_a_majority_no_kappa_is_proven():
    assert MinimumVarianceAveraging().kappa(6, 3) is None
    assert MinimumVarianceAveraging().kappa(5, 0) == 0


@settings(deadline=None, max_examples=50)
@given(order=st.permutations(range(7)), seed=st.integers(0, 99))
def test_moves_with_the_updates_and_ignores_their_order(aggregate, order, seed):
    updates = torch.randn(7, 4, generator=torch.Generator().manual_seed(seed))
    order = list(order)

    out = aggregate(MinimumVarianceAveraging(), updates, f=2)
    other = aggregate(MinimumVarianceAveraging(), updates[order] + 3, f=2)

    assert other.weights.equal(out.weights[order])
    torch.testing.assert_close(other.update, out.update + 3)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(100, 1e18), seed=st.integers(0, 99))
def test_never_takes_a_far_away_minority(aggregate, size, seed):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    updates[:3] += size * torch.tensor([[1.0], [-1.0], [2.0]])

    out = aggregate(MinimumVarianceAveraging(), updates, f=3)

    assert out.weights[:3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(("n", "f"), [(20, 4), (50, 3), (25, 5)])
def test_takes_no_time(aggregate, n, f):
    updates = torch.randn(n, 10, generator=torch.Generator().manual_seed(0))

    start = perf_counter()
    aggregate(MinimumVarianceAveraging(), updates, f=f)

    assert perf_counter() - start < 2


def test_says_how_many_subsets_are_too_many(aggregate):
    updates = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))

    with pytest.raises(
        AggregationError,
        match=r"10,272,278,170 subsets of 40 of n = 50 updates, more than max_subsets = 1,000,000: "
        "raise that, or use minimum_diameter_averaging",
    ):
        aggregate(MinimumVarianceAveraging(), updates, f=10)
    few = MinimumVarianceAveraging(max_subsets=50)
    assert aggregate(few, updates, f=1).weights.count_nonzero() == 49


@pytest.mark.parametrize("wrong", [{"max_subsets": 0}, {"num_malicious": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MinimumVarianceAveraging(**wrong)


def test_its_bound(aggregate, x7):
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(MinimumVarianceAveraging(), x7, f=4)
