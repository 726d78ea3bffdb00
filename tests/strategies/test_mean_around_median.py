import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.mean_around_median import MeanAroundMedian


def test_golden_vector(aggregate, x3):
    assert aggregate(MeanAroundMedian(), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]


def test_leaves_out_the_farthest_wherever_they_are(aggregate):
    """Worked by hand: medians 3 and 0; the farthest are 9 and 10 above, -7 below and 8 above."""
    updates = torch.tensor([[1.0, 0.0], [10.0, -7.0], [3.0, 1.0], [9.0, -1.0], [2.0, 8.0]])

    assert aggregate(MeanAroundMedian(), updates, f=2).update.tolist() == [2.0, 0.0]


def test_of_an_even_number_the_median_is_midway(aggregate):
    """Worked by hand: around 2, not around 1 or 3, 4 is nearer than -1."""
    updates = torch.tensor([[1.0], [3.0], [-1.0], [4.0]])

    assert aggregate(MeanAroundMedian(), updates, f=1).update.item() == pytest.approx(8 / 3)


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(MeanAroundMedian(), x7, f=0).update, x7.mean(dim=0))


@pytest.mark.parametrize("f", [1, 3, 4])
def test_equals_a_plain_loop_in_float64(aggregate, hard, f):
    """Of two values equally far on either side either may count: the result lies in between."""
    bounds = []
    for column in hard.double().T.numpy():
        middle = np.median(column)
        for first in (1, -1):
            nearest = sorted((abs(value - middle), first * value) for value in column)
            bounds.append(np.mean([first * value for _, value in nearest[: len(hard) - f]]))
    low, high = np.array(bounds).reshape(-1, 2).T

    out = aggregate(MeanAroundMedian(), hard, f).update.double().numpy()

    atol = 1e-7 * hard.abs().max().item()
    assert (out >= low - atol).all()
    assert (out <= high + atol).all()


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e30, 1e30), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_f_updates_of_any_size_move_it_by_no_more_than_the_honest_range(aggregate, sizes, seed):
    honest = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 5), honest])
    low, high = honest.min(dim=0).values, honest.max(dim=0).values

    out = aggregate(MeanAroundMedian(), updates, f=3).update

    assert (out >= low - (high - low) - 1e-6).all()
    assert (out <= high + (high - low) + 1e-6).all()


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        MeanAroundMedian(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(MeanAroundMedian(), x7, f=4)
