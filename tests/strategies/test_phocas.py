import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.mean_around_median import MeanAroundMedian
from fedrobust.strategies.phocas import Phocas


def test_golden_vector(aggregate, x3):
    assert aggregate(Phocas(), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]


def test_averages_around_the_trimmed_mean_and_not_around_the_median(aggregate):
    """Worked by hand: the trimmed mean is (0 + 1 + 8) / 3 = 3, from which -3 is the farthest.

    From the median, 1, it is 8.5.
    """
    updates = torch.tensor([[8.0], [-3.0], [8.5], [0.0], [1.0]])

    assert aggregate(Phocas(), updates, f=1).update.item() == (0 + 1 + 8 + 8.5) / 4
    assert aggregate(MeanAroundMedian(), updates, f=1).update.item() == (-3 + 0 + 1 + 8) / 4


def test_of_two_values_equally_far_the_smaller_counts(aggregate):
    """Worked by hand: -3 and 5 are both 4 away from (0 + 0 + 3) / 3 = 1."""
    updates = torch.tensor([[5.0], [0.0], [3.0], [-3.0], [0.0]])

    assert aggregate(Phocas(), updates, f=1).update.item() == (-3 + 0 + 0 + 3) / 4


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(Phocas(), x7, f=0).update, x7.mean(dim=0))
    assert aggregate(Phocas(), x7[:1], f=0).update.equal(x7[0])


@pytest.mark.parametrize("n", [7, 8])
def test_is_the_mean_around_the_median_where_only_the_median_is_left(aggregate, n):
    updates = torch.randn(n, 50, generator=torch.Generator().manual_seed(0))

    expected = aggregate(MeanAroundMedian(), updates, f=3).update

    torch.testing.assert_close(aggregate(Phocas(), updates, f=3).update, expected)


@pytest.mark.parametrize("f", [1, 3, 4])
def test_equals_a_plain_loop_in_float64(aggregate, hard, f):
    """Of two values equally far on either side either may count: the result lies in between."""
    bounds = []
    for column in hard.double().T.numpy():
        center = np.mean(np.sort(column)[f : len(hard) - f])
        for first in (1, -1):
            nearest = sorted((abs(value - center), first * value) for value in column)
            bounds.append(np.mean([first * value for _, value in nearest[: len(hard) - f]]))
    low, high = np.array(bounds).reshape(-1, 2).T

    out = aggregate(Phocas(), hard, f).update.double().numpy()

    atol = 1e-7 * hard.abs().max().item()
    assert (out >= low - atol).all()
    assert (out <= high + atol).all()


@settings(deadline=None, max_examples=50)
@given(
    shift=st.integers(-100, 100),
    order=st.permutations(range(7)),
    values=st.lists(st.integers(-20, 20), min_size=7, max_size=7),
)
def test_moves_with_the_updates_and_ignores_their_order(aggregate, shift, order, values):
    updates = torch.tensor(values, dtype=torch.float32)[:, None]

    out = aggregate(Phocas(), updates, f=2).update
    moved = aggregate(Phocas(), updates[list(order)] + shift, f=2).update

    torch.testing.assert_close(moved, out + shift)


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_f_updates_of_any_size_move_it_by_no_more_than_the_honest_range(aggregate, sizes, seed):
    honest = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 5), honest])
    low, high = honest.min(dim=0).values, honest.max(dim=0).values

    out = aggregate(Phocas(), updates, f=3).update

    assert (out >= low - (high - low) - 1e-6).all()
    assert (out <= high + (high - low) + 1e-6).all()


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        Phocas(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(Phocas(), x7, f=4)
