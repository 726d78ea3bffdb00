"""Order statistics against numpy's sort in float64, by both paths."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedrobust import kernels
from fedrobust.kernels import portable

SIZES = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 23, 32, 33, 64, 65, 99, 100, 129, 130, 300]
shared = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def integers(draw):
    """Draw a matrix of small integers, with many ties."""
    n, d = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    return torch.from_numpy(np.random.default_rng(seed).integers(-5, 6, (n, d)).astype(np.float32))


def median(n):
    return (n - 1) // 2, n // 2 + 1


def near(exact, keep, low, high):
    """Return the `keep` values left when the farther of the smallest and the largest goes, often.

    If both are equally far from the mean of rank `low` to `high` - 1, the larger goes.
    """
    ordered = np.sort(exact, axis=0)
    center = ordered[low:high].sum(axis=0)  # times high - low
    first = np.zeros((1, exact.shape[1]), int)
    for left in range(len(exact), keep, -1):
        smallest, largest = (np.take_along_axis(ordered, first + i, axis=0) for i in (0, left - 1))
        first += (high - low) * (smallest + largest) < 2 * center
    return np.take_along_axis(ordered, first + np.arange(keep)[:, None], axis=0)


def assert_mean(found, kept):
    """Six digits, or what float64 has left where values cancel."""
    expected = kept.mean(axis=0)
    assert found.dtype == torch.float32
    allowed = 1e-6 * np.abs(expected) + 1e-14 * np.abs(kept).max(axis=0)
    assert (np.abs(found.numpy() - expected) <= allowed).all()


@pytest.mark.parametrize("n", SIZES)
def test_rank_mean_equals_numpy(path, kind, matrix, n):
    rows = matrix(kind, n, 1100)
    ordered = np.sort(rows.double().numpy(), axis=0)

    for low, high in {median(n), (n // 5, n - n // 5), (0, n), (0, 1), (n - 1, n)}:
        assert_mean(kernels.rank_mean(rows, low, high), ordered[low:high])


@pytest.mark.parametrize("n", range(1, 25))
def test_rank_mean_is_exact_for_every_range(path, n):
    """Sums of small integers are exact, so is their quotient to half a unit in the last place."""
    g = np.random.default_rng(n)
    rows = torch.from_numpy(g.integers(-50, 51, (n, 37)).astype(np.float32))
    ordered = np.sort(rows.numpy().astype(np.float64), axis=0)

    for low in range(n):
        for high in range(low + 1, n + 1):
            expected = ordered[low:high].mean(axis=0).astype(np.float32)
            found = kernels.rank_mean(rows, low, high).numpy()
            np.testing.assert_array_max_ulp(found, expected, 1)


@pytest.mark.parametrize("n", SIZES)
def test_mean_near_median_equals_numpy(path, kind, matrix, n):
    rows = matrix(kind, n, 1100)
    exact = rows.double().numpy()

    for keep in {1, (n + 1) // 2, n - n // 5, n}:
        assert_mean(kernels.mean_near_median(rows, keep), near(exact, keep, *median(n)))


@pytest.mark.parametrize("n", SIZES)
def test_mean_near_other_centers_equals_numpy(path, kind, matrix, n):
    rows = matrix(kind, n, 1100)
    exact = rows.double().numpy()

    for keep, low, high in {
        (n - n // 5, n // 5, n - n // 5),  # phocas
        ((n + 2) // 3, n // 4, n),
        (n // 2 + 1, 0, n),
        (n // 2 + 1, 0, 1),
        (1, n - 1, n),
    }:
        assert_mean(kernels.mean_near(rows, keep, low, high), near(exact, keep, low, high))


@given(integers(), st.data())
@shared
def test_mean_near_is_what_its_definition_says(path, rows, data):
    """In integers, where the distance times the number of values in the center is exact."""
    n = len(rows)
    keep = data.draw(st.integers(1, n))
    low = data.draw(st.integers(0, n - 1))
    high = data.draw(st.integers(low + 1, n))
    expected = []
    for column in rows.int().T.tolist():
        center = sum(sorted(column)[low:high])
        nearest = sorted((abs((high - low) * value - center), value) for value in column)[:keep]
        expected.append(sum(value for _, value in nearest) / keep)

    found = kernels.mean_near(rows, keep, low, high).numpy()

    np.testing.assert_array_max_ulp(found, np.array(expected, np.float32), 1)


def test_of_two_values_equally_far_from_the_median_the_smaller_is_nearer(path):
    """Worked by hand: the median is 0; with 2 kept, 0 and then -1 before 1."""
    rows = torch.tensor([[3.0], [1.0], [0.0], [-1.0], [-3.0]])

    kept = [kernels.mean_near_median(rows, keep).item() for keep in range(1, 6)]

    torch.testing.assert_close(kept, [0.0, -0.5, 0.0, -0.75, 0.0])


def test_values_that_repeat_do_not_hide_a_nearer_one(path):
    """Worked by hand: nearest to 0 are 0, 1, 2 and one of the two -5."""
    rows = torch.tensor([[-5.0], [-5.0], [0.0], [1.0], [2.0]])

    assert kernels.mean_near_median(rows, 4).item() == -0.5


def test_of_two_values_equally_far_from_a_mean_the_smaller_is_nearer(path):
    """Worked by hand: -3 and 1 are both 2 away from -1; but 49 * (1 / 49) is less than 1."""
    rows = torch.tensor([[-3.0], *[[-1.0]] * 49, [1.0]])

    assert kernels.mean_near(rows, 50, 1, 50).item() == np.float32(-52 / 50)


def test_a_huge_value_does_not_swallow_the_others(path):
    """In float32, 1e30 + 1 - 1e30 is 0."""
    rows = torch.tensor([[1e30], [1.0], [2.0], [3.0], [-1e30]])

    assert kernels.rank_mean(rows, 1, 4).item() == 2.0
    assert kernels.mean_near_median(rows, 3).item() == 2.0
    assert kernels.mean_near(rows, 3, 1, 4).item() == 2.0


def test_the_largest_numbers_do_not_overflow(path):
    rows = torch.full((20, 3), 3e38)

    assert kernels.rank_mean(rows, 0, 20).equal(rows[0])
    assert kernels.mean_near(rows, 15, 0, 20).equal(rows[0])


@pytest.mark.parametrize("n", [9, 25])
def test_infinities_that_are_trimmed_do_no_harm(path, n):
    rows = torch.ones(n, 5)
    rows[0], rows[1] = torch.inf, -torch.inf

    assert kernels.rank_mean(rows, 1, n - 1).equal(torch.ones(5))
    assert kernels.mean_near(rows, n - 2, 1, n - 1).equal(torch.ones(5))


@given(integers(), st.data())
@shared
def test_the_order_of_rows_does_not_matter(path, rows, data):
    n = len(rows)
    order = data.draw(st.permutations(range(n)))
    low = data.draw(st.integers(0, n - 1))
    high = data.draw(st.integers(low + 1, n))

    assert kernels.rank_mean(rows[order], low, high).equal(kernels.rank_mean(rows, low, high))
    expected = kernels.mean_near(rows, high - low, low, high)
    assert kernels.mean_near(rows[order], high - low, low, high).equal(expected)


@given(integers(), st.integers(-60, 60))
@shared
def test_powers_of_two_scale_exactly(path, rows, exponent):
    factor, (low, high) = 2.0**exponent, median(len(rows))

    assert kernels.rank_mean(factor * rows, low, high).equal(
        factor * kernels.rank_mean(rows, low, high)
    )
    assert kernels.mean_near(factor * rows, high, low, high).equal(
        factor * kernels.mean_near(rows, high, low, high)
    )


@given(integers())
@shared
def test_keeping_all_or_none_but_the_middle(path, rows):
    n = len(rows)

    torch.testing.assert_close(kernels.mean_near_median(rows, n), rows.mean(dim=0))
    torch.testing.assert_close(kernels.rank_mean(rows, 0, n), rows.mean(dim=0))
    if n % 2:
        assert kernels.mean_near_median(rows, 1).equal(rows.median(dim=0).values)


@pytest.mark.parametrize("n", [9, 70])
def test_how_many_columns_are_sorted_at_a_time_does_not_matter(monkeypatch, matrix, n):
    monkeypatch.setenv("FEDROBUST_KERNELS", "portable")
    rows = matrix("random", n, 50)
    results = []

    for columns in (100, 3):
        monkeypatch.setattr(portable, "_COLUMNS", columns)
        monkeypatch.setattr(portable, "_SORTED", (columns * n, columns * n))
        for same in (rows, rows.double()):
            results.append(kernels.mean_near(same, n - 2, 2, n - 2))
            results.append(kernels.rank_mean(same, 2, n - 2))

    for at_once, in_blocks in zip(results[:4], results[4:], strict=True):
        assert at_once.equal(in_blocks)
