import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.coordinate_median import CoordinateMedian


def test_golden_vectors(aggregate, x3, x7):
    assert aggregate(CoordinateMedian(), x3).update.tolist() == [4, 5, 6]
    assert aggregate(CoordinateMedian(), x7).update.tolist() == [4, -2, 3]


def test_an_even_number_averages_the_two_middle_values(aggregate):
    """Worked by hand: of 0, 1, 3, 100 the middle ones are 1 and 3."""
    updates = torch.tensor([[100.0], [1.0], [0.0], [3.0]])

    assert aggregate(CoordinateMedian(), updates).update.tolist() == [2.0]


def test_equals_numpy_in_float64(aggregate, hard):
    expected = np.median(hard.double().numpy(), axis=0)

    out = aggregate(CoordinateMedian(), hard)

    np.testing.assert_allclose(out.update.numpy(), expected, rtol=1e-6)


@settings(deadline=None, max_examples=50)
@given(size=st.floats(-1e30, 1e30), seed=st.integers(0, 99))
def test_a_minority_of_any_size_stays_within_the_honest_range(aggregate, size, seed):
    honest = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.full((5, 4), size), honest])

    out = aggregate(CoordinateMedian(), updates, f=5).update

    assert (out >= honest.min(dim=0).values).all()
    assert (out <= honest.max(dim=0).values).all()


def test_has_no_fields():
    with pytest.raises(ValueError, match="num_malicious"):
        CoordinateMedian(num_malicious=1)
