import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.data._held_out import held_out
from fedrobust.errors import DataError


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=120), st.floats(0.3, 0.9))
def test_each_class_gives_its_share_rounded_down(labels, share):
    y = np.array([0, 0, 0, 0, *labels])

    tested = held_out(y, share)

    sizes, chosen = np.bincount(y), np.bincount(y[tested], minlength=y.max() + 1)
    np.testing.assert_array_equal(chosen, np.floor(sizes * share + 1e-9))
    assert (chosen[sizes > 0] < sizes[sizes > 0]).all()  # something is left to train on


def test_a_share_is_a_decimal_number():
    """0.29 * 100 is 28.999999999999996 in binary."""
    assert held_out(np.zeros(100, int), 0.29).sum() == 29


def test_the_same_examples_are_chosen_every_time():
    y = np.arange(50) % 3

    assert np.array_equal(held_out(y, 0.3), held_out(y, 0.3))


def test_examples_are_chosen_at_random():
    """Not the first, last or every fifth: sorted files would be tested on one end."""
    places = np.flatnonzero(held_out(np.zeros(1000, int), 0.2))

    assert len(places) == 200
    assert 450 < places.mean() < 550
    assert len(np.unique(np.diff(places))) > 5


def test_examples_are_spread_over_groups():
    """Worked by hand: ten groups of ten examples of one class, a fifth held out of each."""
    groups = np.repeat(np.arange(10), 10)

    tested = held_out(np.zeros(100, int), 0.2, groups)

    assert np.bincount(groups[tested]).tolist() == [2] * 10


def test_a_group_keeps_an_example_to_train_on():
    groups = np.arange(100) // 2 * (np.arange(100) < 40)  # 19 pairs and one large group

    tested = held_out(np.zeros(100, int), 0.7, groups)

    assert set(groups[~tested]) == set(groups)
    assert 40 <= tested.sum() <= 70


def test_too_few_examples_to_hold_any_out():
    with pytest.raises(DataError, match=r"0.2 holds out no example: the largest of 3 .* has 4"):
        held_out(np.array([0, 0, 1, 2, 2, 2, 2]), 0.2)
