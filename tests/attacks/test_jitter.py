import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.jitter import Jitter


def sent(view, own, seed=0, **fields):
    return Jitter(**fields).craft(view(own, seed=seed), ())[0]


def copies(m=4, d=1000, seed=0, scale=1.0):
    row = torch.randn(d, generator=torch.Generator().manual_seed(seed))
    return scale * row.expand(m, d)


@pytest.mark.parametrize("balanced", [False, True])
def test_no_two_colluders_send_the_same_any_more(view, balanced):
    rows = sent(view, copies(m=6), balanced=balanced)

    assert len(torch.unique(rows, dim=0)) == 6
    torch.testing.assert_close(rows, copies(m=6), rtol=0, atol=1e-5)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("size", [1e-3, 1.0, 3.0])
def test_the_noise_is_so_many_times_as_long_as_the_update(view, size, scale, balanced):
    own = copies(d=20_000, scale=scale)

    noise = (sent(view, own, size=size, balanced=balanced) - own) / scale

    lengths = noise.norm(dim=1) / (own / scale).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((4,), size), rtol=0.03, atol=0)


def test_it_is_as_long_as_each_one_s_own_update_asks_for(view):
    own = torch.ones(2, 5000) * torch.tensor([[1.0], [100.0]])

    lengths = (sent(view, own, size=0.5) - own).norm(dim=1) / own.norm(dim=1)

    torch.testing.assert_close(lengths, torch.full((2,), 0.5), rtol=0.05, atol=0)


def test_noise_of_different_colluders_is_independent(view):
    own = copies(d=20_000)

    noise = sent(view, own, size=1.0) - own

    cosines = torch.corrcoef(noise).fill_diagonal_(0)
    assert cosines.abs().max() < 0.03


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), m=st.integers(1, 6), size=st.floats(1e-3, 100))
def test_is_what_numpy_makes_of_the_same_draws(view, seed, m, size):
    own = torch.randn(m, 11, generator=torch.Generator().manual_seed(seed))
    draws = torch.randn(m, 11, generator=torch.Generator().manual_seed(seed)).double().numpy()
    exact = own.double().numpy()

    free, balanced = (sent(view, own, seed, size=size, balanced=b) for b in (False, True))

    lengths = np.linalg.norm(exact, axis=1, keepdims=True) * size / np.sqrt(11)
    np.testing.assert_allclose(free, exact + lengths * draws, rtol=1e-4, atol=1e-4)
    gain = lengths.mean() * np.sqrt(m / max(1, m - 1))
    expected = exact + gain * (draws - draws.mean(axis=0))
    np.testing.assert_allclose(balanced, expected, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), m=st.integers(1, 6))
def test_balanced_noise_leaves_the_sum_as_it_was(view, seed, m):
    own = torch.randn(m, 11, generator=torch.Generator().manual_seed(seed))

    total = sent(view, own, seed, size=10.0, balanced=True).sum(dim=0)

    torch.testing.assert_close(total, own.sum(dim=0), rtol=0, atol=1e-4)


def test_between_two_it_is_added_and_subtracted(view):
    own = copies(m=2)

    plus, minus = sent(view, own, size=3.0, balanced=True) - own

    torch.testing.assert_close(plus, -minus, rtol=0, atol=1e-5)


def test_one_alone_has_nothing_to_balance_it_with(view):
    own = copies(m=1)

    assert sent(view, own, size=3.0, balanced=True).equal(own)
    assert not sent(view, own, size=3.0).equal(own)


@pytest.mark.parametrize("balanced", [False, True])
def test_an_update_of_zero_stays_zero(view, balanced):
    assert not sent(view, torch.zeros(3, 5), balanced=balanced).any()


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("size", [1e-6, 100.0])
def test_huge_updates_stay_finite(view, size, balanced):
    assert sent(view, copies(scale=5e37), size=size, balanced=balanced).isfinite().all()


def test_the_same_generator_gives_the_same_noise(view):
    assert sent(view, copies(), seed=3).equal(sent(view, copies(), seed=3))
    assert not sent(view, copies(), seed=3).equal(sent(view, copies(), seed=4))


@pytest.mark.parametrize("wrong", [{"size": 0}, {"size": -1.0}, {"balanced": 2}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Jitter(**wrong)
