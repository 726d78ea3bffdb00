from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import AggregationError, TooManyMalicious
from fedrobust.strategies.minimum_diameter_averaging import MinimumDiameterAveraging
from fedrobust.strategies.smea import SMEA


def largest_eigenvalue(points):
    """Return that of the covariance ``[d, d]`` in float64."""
    return np.linalg.eigvalsh(np.cov(points.T, bias=True))[-1]


def test_golden_vectors(aggregate, x3, x7):
    assert aggregate(SMEA(), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]  # a tie: the last goes
    torch.testing.assert_close(aggregate(SMEA(), x7, f=2).update, torch.tensor([3.2, -1.8, 2.4]))


def test_prefers_noise_in_all_directions_to_a_shift_in_one(aggregate):
    """Worked by hand, f = 1: without the last, variances are 1/2 and 1/2; with it, more in one.

    The last is no farther from the others than they are from each other, so
    `minimum_diameter_averaging` keeps it.
    """
    updates = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.9, 0.0]])

    out = aggregate(SMEA(), updates, f=1)

    assert out.weights.tolist() == [0.25, 0.25, 0.25, 0.25, 0]
    assert out.update.tolist() == [0, 0]
    assert aggregate(MinimumDiameterAveraging(), updates, f=1).weights[4] == 0.25


@pytest.mark.parametrize("f", range(5))
def test_equals_brute_force_in_float64(aggregate, hard, f):
    exact = hard[:9].double().numpy()
    subsets = [list(subset) for subset in combinations(range(9), 9 - f)]
    best = min(largest_eigenvalue(exact[subset]) for subset in subsets)

    out = aggregate(SMEA(), hard[:9], f)

    kept = out.weights.nonzero().flatten().tolist()
    assert len(kept) == 9 - f
    assert largest_eigenvalue(exact[kept]) == pytest.approx(best, rel=1e-6)
    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), exact[kept].mean(axis=0), rtol=1e-5, atol=atol)


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(SMEA(), x7, f=0).update, x7.mean(dim=0))


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e18, 1e18), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_its_error_is_bounded_by_the_honest_updates_largest_variance(aggregate, sizes, seed):
    """Its square is at most 4f / (n - 2f) times that variance.

    What is kept and what is honest share n - 2f updates or more, and neither mean is farther from
    the mean of those than the root of f / (n - 2f) times the variance.
    """
    honest = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 5), honest])

    out = aggregate(SMEA(), updates, f=3).update

    error = (out - honest.mean(dim=0)).square().sum().item()
    assert error <= 4 * 3 / (9 - 2 * 3) * largest_eigenvalue(honest.double().numpy()) * (1 + 1e-5)


def test_finds_collusion_that_hides_in_noise(aggregate):
    """As under differential privacy: large noise, and attackers who shift it all the same way."""
    g = torch.Generator().manual_seed(0)
    honest = torch.randn(7, 50, generator=g)
    crafted = honest.mean(dim=0) + 1.5 * honest.std(dim=0)

    out = aggregate(SMEA(), torch.cat([crafted.repeat(3, 1), honest]), f=3)

    assert out.weights[:3].tolist() == [0, 0, 0]


def test_says_how_many_subsets_are_too_many(aggregate):
    updates = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))

    with pytest.raises(
        AggregationError,
        match=r"10,272,278,170 subsets of 40 of n = 50 updates, more than max_subsets = 100,000: "
        "raise that, or use minimum_diameter_averaging",
    ):
        aggregate(SMEA(), updates, f=10)
    assert aggregate(SMEA(max_subsets=50), updates, f=1).weights.count_nonzero() == 49


@pytest.mark.parametrize("wrong", [{"max_subsets": 0}, {"num_malicious": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SMEA(**wrong)


def test_its_bound(aggregate, x7):
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(SMEA(), x7, f=4)
