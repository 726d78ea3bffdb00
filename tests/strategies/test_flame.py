from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.flame import FLAME

SILENT = FLAME(noise_multiplier=0)


@pytest.fixture(scope="module")
def around(info):
    """Return a function that aggregates updates of clients who started from a model."""

    def run(updates, params=None, rule=SILENT, seed=0):
        known = info(updates, seed=seed)
        known = known if params is None else replace(known, params=params)
        return rule.aggregate(updates, rule.init(updates[0]), known)

    return run


def cosine_distances(updates, params):
    """Return ``[n, n]`` of the models, in more digits than float64 has."""
    models = updates.double().numpy().astype(np.longdouble) + params.double().numpy()
    units = models / np.sqrt(np.square(models).sum(axis=1, keepdims=True))
    return np.clip(1 - units @ units.T, 0, 2)


def densest_majority(distances):
    """Return who is in the smallest connected majority: all pairs are linked, closest first."""
    n = len(distances)
    groups = list(range(n))
    for limit in sorted(distances[np.triu_indices(n, k=1)]):
        for i, j in zip(*np.nonzero(distances <= limit), strict=True):
            groups = [groups[i] if group == groups[j] else group for group in groups]
        largest = max(groups, key=groups.count)
        if groups.count(largest) > n // 2:
            return np.array([group == largest for group in groups])
    raise AssertionError


def test_keeps_the_majority_and_clips_it_to_the_median_of_all(around):
    """Worked by hand: three point the same way, two another; the median of 1, 2, 4, 8, 9 is 4."""
    updates = torch.tensor([[1.0, 0], [2, 0], [8, 0], [0, 4], [0, 9]])

    out = around(updates)

    torch.testing.assert_close(out.weights, torch.tensor([1, 1, 0.5, 0, 0]) / 3)
    torch.testing.assert_close(out.update, torch.tensor([7 / 3, 0]))


def test_the_median_of_an_even_number_of_lengths_is_midway(around):
    """Worked by hand: the median of 1, 2, 4, 8 is 3."""
    updates = torch.tensor([[1.0, 0], [2, 0], [8, 0], [0, 4]])

    torch.testing.assert_close(around(updates).update, torch.tensor([2.0, 0]))


def test_compares_models_not_updates(around):
    """Updates of opposite directions make nearly the same model, and two that agree another."""
    updates = torch.tensor([[0.0, 0.1], [0.0, -0.1], [0.0, 0.12], [-10, 1], [-10, 1.1]])

    out = around(updates, params=torch.tensor([10.0, 0]))

    assert (out.weights > 0).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_equals_plain_loops_in_more_digits(around, hard, start):
    g = torch.Generator().manual_seed(1)
    params = start * hard.abs().median() * torch.randn(40, generator=g)
    kept = densest_majority(cosine_distances(hard, params))
    exact = hard.double().numpy()
    lengths = np.linalg.norm(exact, axis=1)
    clipped = exact * np.minimum(1, np.median(lengths) / lengths)[:, None]

    out = around(hard, params)

    assert (out.weights > 0).tolist() == kept.tolist()
    atol = 1e-6 * np.abs(exact).max()
    np.testing.assert_allclose(out.update.numpy(), clipped[kept].mean(axis=0), rtol=1e-5, atol=atol)


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_tells_small_turns_of_large_models(around, size):
    """Squared angles down to 1e-18, of which a plain float64 cosine has no digits left."""
    g = torch.Generator().manual_seed(2)
    params = 1e3 * torch.randn(200, generator=g)
    updates = torch.randn(7, 200, generator=g)
    updates[4:] = updates[4] + 0.5 * updates[4:]

    out = around(size * torch.cat([updates, updates[4:] + 0.1]), params)

    assert (out.weights > 0).tolist() == [False] * 4 + [True] * 6


@settings(deadline=None, max_examples=50)
@given(n=st.integers(3, 12), seed=st.integers(0, 999), values=st.integers(1, 4))
def test_there_always_is_a_majority_even_of_equal_and_equally_far_models(around, n, seed, values):
    g = torch.Generator().manual_seed(seed)
    updates = torch.randint(-values, values + 1, (n, 2), generator=g).float()
    params = torch.tensor([5.0, 7.0])

    out = around(updates, params)

    kept = densest_majority(cosine_distances(updates, params).round(13))
    lengths = updates.norm(dim=1)
    factors = (lengths.quantile(0.5) / lengths).nan_to_num(nan=1.0).clamp(max=1.0)
    weights = torch.from_numpy(kept) * factors / kept.sum()
    torch.testing.assert_close(out.weights, weights)


@pytest.mark.parametrize("n", [1, 2])
def test_of_fewer_than_three_all_are_kept(around, n):
    updates = torch.tensor([[1.0, 0], [0, -1]])[:n]

    torch.testing.assert_close(around(updates).update, updates.mean(dim=0))


def test_noise_has_the_deviation_of_the_median_length_times_lambda(around):
    updates = torch.full((5, 100_000), 0.01)
    rule = FLAME(noise_multiplier=0.5)

    out = around(updates, rule=rule)

    noise = out.update - around(updates).update
    assert noise.std().item() == pytest.approx(0.5 * updates[0].norm().item(), rel=0.02)
    assert abs(noise.mean()) < 5 * noise.std() / 100_000**0.5
    assert not around(updates, rule=rule, seed=1).update.equal(out.update)


@pytest.mark.parametrize(("d", "share"), [(100, 0.01), (2_500, 0.05), (1_000_000, 1.0)])
def test_the_default_noise_is_as_long_as_an_update_of_a_million_parameters(around, d, share):
    """Worked by hand: 0.001 sqrt(d)."""
    updates = torch.full((3, d), 0.01)

    away = (around(updates, rule=FLAME()).update - updates[0]).norm() / updates[0].norm()

    assert away.item() == pytest.approx(share, rel=0.3)


def test_models_of_length_zero_point_nowhere(around):
    updates = torch.tensor([[0.0, 0], [1, 0], [0, 0], [0, 1], [0, 0]])

    out = around(updates)

    assert (out.weights > 0).tolist() == [True, False, True, False, True]
    assert out.update.tolist() == [0, 0]


@settings(deadline=None, max_examples=50)
@given(
    size=st.floats(10, 1e18),
    order=st.permutations(range(9)),
    seed=st.integers(0, 99),
)
def test_a_minority_turned_away_is_not_taken(around, size, order, seed):
    g = torch.Generator().manual_seed(seed)
    params = torch.randn(20, generator=g)
    updates = 0.1 * torch.randn(9, 20, generator=g)
    updates[:4] = -size * params

    out, reordered = around(updates, params), around(updates[order], params)

    assert out.weights[:4].tolist() == [0, 0, 0, 0]
    assert out.update.norm() <= updates[4:].norm(dim=1).max() * (1 + 1e-5)
    torch.testing.assert_close(reordered.weights, out.weights[order])


@pytest.mark.parametrize("wrong", [-0.1, float("inf")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="noise_multiplier"):
        FLAME(noise_multiplier=wrong)
