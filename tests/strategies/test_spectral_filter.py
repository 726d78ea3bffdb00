import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.chain import Chain
from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.random_projection import RandomProjection
from fedrobust.strategies.spectral_filter import SpectralFilter


def trimmed_normal_variance(share):
    """Return by numerical integration the variance of the middle share of a normal distribution."""
    x = np.linspace(0, 8, 400_001)
    density = np.exp(-np.square(x) / 2)
    inside = np.cumsum(density) <= share * density.sum()
    return (np.square(x) * density)[inside].sum() / density[inside].sum()


def filtered(points, f, factor):
    """Return the trust in each of the points, by an eigenvector of ``[d, d]`` in float64."""
    n, trust = len(points), np.ones(len(points))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    radius = min(sorted(row)[n // 2] for row in distances)
    while trust.sum() > n - 2 * f + 1e-9:
        mean = trust @ points / trust.sum()
        covariance = np.cov(points.T, aweights=trust, bias=True)
        values, vectors = np.linalg.eigh(covariance)
        projections = (points - mean) @ vectors[:, -1]
        nearest = sorted(abs(projections - np.median(projections)))[: n - f]
        usual = np.mean(np.square(nearest)) / trimmed_normal_variance((n - f) / n)
        if values[-1] <= factor * max(usual, radius**2 / (2 * n)):
            break
        tau = np.square(projections)
        taken = trust * np.minimum(1, tau / max(tau[trust > 0]))
        trust = trust - taken * min(1, (trust.sum() - (n - 2 * f)) / taken.sum())
    return trust


def test_takes_the_weight_of_the_farthest_and_a_share_of_the_others(aggregate):
    """Worked by hand: the mean is 20, four are 20 away from it and the last 80; the first four are
    16 times less suspicious, and what remains does not vary.
    """
    updates = torch.tensor([[0.0], [0.0], [0.0], [0.0], [100.0]])

    out = aggregate(SpectralFilter(), updates, f=1)

    torch.testing.assert_close(out.scores, torch.tensor([15 / 16] * 4 + [0.0]).double())
    assert out.weights.tolist() == [0.25, 0.25, 0.25, 0.25, 0]
    assert out.update.tolist() == [0]


def test_golden_matrices(aggregate, x3, x7):
    """Neither varies suspiciously."""
    assert aggregate(SpectralFilter(), x3, f=1).update.tolist() == [4, 5, 6]
    torch.testing.assert_close(aggregate(SpectralFilter(), x7, f=2).update, x7.mean(dim=0))


@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.parametrize("f", [1, 2, 4])
def test_equals_an_eigenvector_of_the_covariance_in_float64(aggregate, hard, f, factor):
    scale = hard.abs().max().double().item()
    updates = hard[:, :6]
    exact = updates.double().numpy() / scale
    exact[0] *= 3
    updates = torch.cat([3 * updates[:1], updates[1:]])
    trust = filtered(exact, f, factor)

    out = aggregate(SpectralFilter(factor=factor), updates, f)

    np.testing.assert_allclose(out.scores.numpy(), trust, atol=2e-4)
    expected = trust / trust.sum() @ exact
    np.testing.assert_allclose(out.update.double().numpy() / scale, expected, atol=2e-4)


@pytest.mark.parametrize("dimensions", [3, 40, 2000])
@pytest.mark.parametrize("f", [3, 10])
def test_leaves_clients_who_are_alike_as_they_are(aggregate, dimensions, f):
    for seed in range(10):
        g = torch.Generator().manual_seed(seed)
        updates = torch.randn(25, dimensions, generator=g)

        out = aggregate(SpectralFilter(), updates, f=f)

        assert out.scores.tolist() == [1] * 25


def test_leaves_updates_of_different_length_as_they_are(aggregate):
    """Each is far out in a direction of its own, and the longest three times as far as others."""
    g = torch.Generator().manual_seed(0)
    updates = torch.randn(20, 2000, generator=g) * torch.linspace(1, 3, 20)[:, None]

    out = aggregate(SpectralFilter(), updates, f=4)

    assert out.scores.tolist() == [1] * 20


def test_finds_collusion_that_hides_in_noise(aggregate):
    g = torch.Generator().manual_seed(0)
    honest = torch.randn(40, 1000, generator=g)
    crafted = honest.mean(dim=0) + honest.std(dim=0)
    updates = torch.cat([crafted.repeat(10, 1), honest])

    out = aggregate(SpectralFilter(), updates, f=10)

    assert (crafted - honest.mean(dim=0)).norm() < honest.norm(dim=1).max()
    assert not out.weights[:10].any()
    assert out.scores[10:].min() > 0.5


def test_a_larger_factor_is_less_suspicious(aggregate):
    updates = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    updates[:4] += 5

    left = [aggregate(SpectralFilter(factor=c), updates, f=4).scores.sum() for c in (1, 4, 100)]

    assert left[0] < left[1] < left[2] == 20


@pytest.mark.parametrize("n", [1, 2, 7])
def test_is_the_mean_when_nobody_is_malicious(aggregate, x7, n):
    updates = torch.cat([x7[: n - 1], 1e9 * x7[:1]])

    torch.testing.assert_close(
        aggregate(SpectralFilter(), updates, f=0).update, updates.mean(dim=0)
    )


def test_two_camps_do_not_take_all_weight_from_each_other(aggregate):
    """All are equally far from the mean: what is left is what 2f updates do not weigh."""
    updates = torch.tensor([[0.0], [0.0], [0.0], [0.0], [1.0]]).repeat_interleave(3, dim=0)
    updates = torch.cat([updates, torch.ones(1, 1)])

    out = aggregate(SpectralFilter(factor=1), updates, f=4)

    assert out.scores.sum() >= 16 - 2 * 4
    assert out.update.isfinite().all()


def test_copies_of_one_update_stay_and_nothing_else_does(aggregate):
    updates = torch.ones(9, 4)
    updates[:3] += torch.randn(3, 4, generator=torch.Generator().manual_seed(0))

    out = aggregate(SpectralFilter(), updates, f=3)

    assert not out.weights[:3].any()
    torch.testing.assert_close(out.update, torch.ones(4))


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e17, 1e17), min_size=3, max_size=3),
    order=st.permutations(range(9)),
    seed=st.integers(0, 99),
)
def test_no_minority_takes_it_far_from_the_honest_updates(aggregate, sizes, order, seed):
    honest = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 5), honest])

    out = aggregate(SpectralFilter(), updates, f=3)

    radius = (honest - honest.mean(dim=0)).norm(dim=1).max()
    assert (out.update - honest.mean(dim=0)).norm() <= 3 * radius
    assert out.scores.sum() >= 3 - 1e-6
    reordered = aggregate(SpectralFilter(), updates[order], f=3)
    torch.testing.assert_close(reordered.scores, out.scores[order], rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=50)
@given(shift=st.floats(-100, 100), seed=st.integers(0, 99))
def test_moves_with_the_updates(aggregate, shift, seed):
    updates = torch.randn(9, 5, generator=torch.Generator().manual_seed(seed))
    updates[:2] += 10

    out, moved = (aggregate(SpectralFilter(), x, f=2) for x in (updates, updates + shift))

    torch.testing.assert_close(moved.scores, out.scores, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(moved.update, out.update + shift, rtol=1e-3, atol=1e-3)


def test_can_judge_by_sketches(aggregate):
    updates = torch.randn(20, 5000, generator=torch.Generator().manual_seed(0))
    updates[:4] += 2

    rule = Chain(before=(RandomProjection(size=500),), rule=SpectralFilter())
    out = aggregate(rule, updates, f=4)

    assert out.scores[:4].max() < 0.3
    assert out.scores[4:].min() > 0.5
    torch.testing.assert_close(out.update, out.weights @ updates)


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="factor"):
        SpectralFilter(factor=0.5)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(SpectralFilter(), x7, f=4)
