"""Figures of fairness: numbers worked by hand, bounds, and what is undefined."""

import math
import warnings

import numpy as np
import pytest
import scipy.stats  # noqa: F401  (its first import takes longer than hypothesis waits)
from hypothesis import assume, given
from hypothesis import strategies as st

from fedrobust.core.fairness import collaborative_fairness, gini, jain, pearson, spearman
from fedrobust.errors import DataError

NUMBERS = st.floats(-1e6, 1e6)
SHARES = st.lists(st.floats(0, 1e9), min_size=1, max_size=30)
UNDEFINED = [
    ([], []),
    ([0.5], [0.7]),
    ([0.5, 0.5, 0.5], [0.1, 0.2, 0.3]),
    ([0.1, 0.2, 0.3], [0.9, 0.9, 0.9]),
    ([0.3, 0.1 + 0.2], [0.1, 0.2]),
    ([0.0, 0.0], [0.1, 0.2]),
    ([0.1, math.nan, 0.3], [0.1, 0.2, 0.3]),
    ([0.1, 0.2, 0.3], [0.1, math.inf, 0.3]),
]


def by_definition(x, y):
    dx, dy = np.subtract(x, np.mean(x)), np.subtract(y, np.mean(y))
    return float(dx @ dy / np.sqrt((dx @ dx) * (dy @ dy)))


def test_correlations_of_a_curve():
    """Worked by hand: y = x^2 has the order of x, and dx = (-1.5, -0.5, 0.5, 1.5)."""
    x, y = [1.0, 2.0, 3.0, 4.0], [1.0, 4.0, 9.0, 16.0]

    assert pearson(x, y) == pytest.approx(25 / math.sqrt(5 * 129))
    assert spearman(x, y) == pytest.approx(1.0)


def test_equal_values_share_the_mean_of_their_ranks():
    """Worked by hand: the ranks of x are 1, 2.5, 2.5 and 4."""
    assert spearman([1.0, 2.0, 2.0, 9.0], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(
        by_definition([1, 2.5, 2.5, 4], [1, 2, 3, 4])
    )


@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20))
def test_pearson_is_its_definition(pairs):
    x, y = zip(*pairs, strict=True)
    assume(max(x) - min(x) > 1e-3 and max(y) - min(y) > 1e-3)

    assert pearson(x, y) == pytest.approx(by_definition(x, y), abs=1e-6)


@pytest.mark.parametrize("correlation", [pearson, spearman])
@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=20))
def test_a_correlation_is_symmetric_and_between_minus_one_and_one(correlation, pairs):
    x, y = zip(*pairs, strict=True)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = correlation(x, y)

    assert math.isnan(found) or -1 <= found <= 1
    assert found == pytest.approx(correlation(y, x), nan_ok=True)


@pytest.mark.parametrize("correlation", [pearson, spearman])
@pytest.mark.parametrize(("x", "y"), UNDEFINED)
def test_an_undefined_correlation_is_nan_without_a_warning(correlation, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = correlation(x, y)

    assert math.isnan(found)


@pytest.mark.parametrize("correlation", [pearson, spearman])
def test_vectors_of_different_lengths_are_refused(correlation):
    with pytest.raises(DataError, match="same length, not 2 and 3"):
        correlation([0.1, 0.2], [0.1, 0.2, 0.3])


def test_collaborative_fairness_counts_honest_clients_only():
    standalone, final = [0.5, 0.6, 0.8, 0.1], [0.7, 0.75, 0.9, 0.95]

    fairness = collaborative_fairness(standalone, final, [True, True, True, False])

    assert fairness == pytest.approx(100 * by_definition(standalone[:3], final[:3]))
    assert collaborative_fairness(standalone, final, [True] * 4) < fairness


def test_where_all_get_the_same_model_collaborative_fairness_is_undefined():
    assert math.isnan(collaborative_fairness([0.5, 0.6, 0.8], [0.9] * 3, [True] * 3))


def test_collaborative_fairness_needs_a_role_for_each_client():
    with pytest.raises(DataError, match="not 3 standalone ones, 3 final ones and 2 roles"):
        collaborative_fairness([0.5, 0.6, 0.8], [0.7, 0.8, 0.9], [True, True])


def test_gini_is_half_the_relative_mean_difference():
    """Worked by hand: differences over all 9 pairs add up to 2 (1 + 2 + 3), the mean is 2."""
    assert gini([3.0, 1.0, 2.0]) == pytest.approx(8 / 9 / (2 * 2))


@given(shares=SHARES)
def test_gini_is_its_definition(shares):
    assume(max(shares) > 1e-6)
    pairs = np.abs(np.subtract.outer(shares, shares))

    assert gini(shares) == pytest.approx(pairs.mean() / (2 * np.mean(shares)), abs=1e-12)


@given(shares=SHARES)
def test_jain_is_its_definition(shares):
    assume(max(shares) > 1e-6)

    assert jain(shares) == pytest.approx(np.mean(shares) ** 2 / np.mean(np.square(shares)))


@given(n=st.integers(1, 30), share=st.floats(5e-324, 1.7e308))
def test_equal_shares_are_fair_and_one_who_has_all_is_not(n, share):
    alone = [share] + [0.0] * (n - 1)

    assert gini([share] * n) == pytest.approx(0.0, abs=1e-12)
    assert jain([share] * n) == pytest.approx(1.0)
    assert gini(alone) == pytest.approx(1 - 1 / n)
    assert jain(alone) == pytest.approx(1 / n)


@given(shares=SHARES, seed=st.integers(0, 100))
def test_order_and_scale_of_shares_do_not_matter(shares, seed):
    assume(max(shares) > 1e-6)
    other = 8.0 * np.random.default_rng(seed).permutation(shares)

    assert gini(other.tolist()) == pytest.approx(gini(shares), abs=1e-12)
    assert jain(other.tolist()) == pytest.approx(jain(shares))


@pytest.mark.parametrize("figure", [gini, jain])
@pytest.mark.parametrize("shares", [[], [0.0], [0.0, 0.0], [1.0, math.nan], [1.0, math.inf]])
def test_shares_of_nothing_have_no_figure(figure, shares):
    assert math.isnan(figure(shares))


@pytest.mark.parametrize(("figure", "name"), [(gini, "The Gini coefficient"), (jain, "Jain's")])
def test_a_negative_share_is_refused(figure, name):
    with pytest.raises(DataError, match=rf"{name}.* at least 0, not -0\.5"):
        figure([1.0, -0.5])
