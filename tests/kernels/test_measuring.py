"""Lengths and distances against numpy in float64, by both paths."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedrobust import kernels

SHAPES = [(1, 1), (2, 3), (3, 257), (10, 8193), (33, 40_000), (130, 700), (300, 600)]
shared = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def integers(draw):
    """Draw a matrix of small integers, whose sums and squares are exact in float32."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 300))
    seed = draw(st.integers(0, 2**32 - 1))
    return torch.from_numpy(np.random.default_rng(seed).integers(-9, 10, (n, d)).astype(np.float32))


def squares_of_differences(exact):
    return np.array([((exact - row) ** 2).sum(axis=1) for row in exact])


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_norms_distances_and_products_equal_numpy(path, kind, matrix, n, d):
    rows = matrix(kind, n, d)
    exact = rows.double().numpy()
    vector, other = rows[n // 2], exact[n // 2]

    norms, distances, products = (
        kernels.norms(rows),
        kernels.distances(rows, vector),
        kernels.products(rows, vector),
    )

    np.testing.assert_allclose(norms, np.linalg.norm(exact, axis=1), rtol=1e-12)
    np.testing.assert_allclose(distances, np.linalg.norm(exact - other, axis=1), rtol=1e-12)
    scale = np.linalg.norm(exact, axis=1) * np.linalg.norm(other)
    assert (np.abs(products.numpy() - exact @ other) <= 1e-12 * scale).all()


@pytest.mark.parametrize(("n", "d"), SHAPES)
def test_squared_distances_equal_numpy(path, kind, matrix, n, d):
    rows = matrix(kind, n, d)

    squares = kernels.squared_distances(rows)

    expected = squares_of_differences(rows.double().numpy())
    np.testing.assert_allclose(squares, expected, rtol=1e-6)
    assert (squares.numpy()[expected == 0] == 0).all()
    assert squares.equal(squares.T)


def test_weights_that_hardly_differ(path, matrix):
    """Late in training models differ by a millionth of their norm, 316."""
    rows = matrix("near_duplicates", 30, 100_000)

    squares = kernels.squared_distances(rows)

    np.testing.assert_allclose(squares, squares_of_differences(rows.double().numpy()), rtol=1e-6)


@pytest.mark.parametrize("value", [3e38, 1e-40])
def test_differences_at_the_ends_of_float32(path, value):
    rows = torch.tensor([[value] * 5, [-value] * 5, [0.0] * 5])

    squares = kernels.squared_distances(rows)

    expected = squares_of_differences(rows.double().numpy())
    np.testing.assert_allclose(squares, expected, rtol=1e-6)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_norms_pass_on_what_is_not_finite(path, odd):
    """Admission finds such rows by their norms."""
    rows = torch.ones(5, 1000)
    rows[3, 777] = odd

    assert kernels.norms(rows).isfinite().tolist() == [True, True, True, False, True]


@given(integers(), st.randoms(use_true_random=False))
@shared
def test_the_order_of_rows_does_not_matter(path, rows, random):
    order = random.sample(range(len(rows)), len(rows))

    assert kernels.norms(rows[order]).equal(kernels.norms(rows)[order])
    squares = kernels.squared_distances(rows)
    assert kernels.squared_distances(rows[order]).equal(squares[order][:, order])


@given(integers(), st.integers(-100, 100))
@shared
def test_distances_do_not_depend_on_the_origin(path, rows, shift):
    assert kernels.squared_distances(rows + shift).equal(kernels.squared_distances(rows))
    assert kernels.distances(rows + shift, rows[0] + shift).equal(kernels.distances(rows, rows[0]))


@given(integers(), st.integers(-30, 30))
@shared
def test_powers_of_two_scale_exactly(path, rows, exponent):
    factor = 2.0**exponent

    assert kernels.norms(factor * rows).equal(factor * kernels.norms(rows))
    squares = kernels.squared_distances(factor * rows)
    assert squares.equal(factor**2 * kernels.squared_distances(rows))


@given(integers())
@shared
def test_distances_agree_with_each_other(path, rows):
    squares = kernels.squared_distances(rows)

    assert kernels.distances(rows, rows[0]).square().allclose(squares[0], rtol=1e-12)
    assert kernels.distances(rows, torch.zeros(rows.shape[1])).equal(kernels.norms(rows))
    assert kernels.products(rows, rows[0])[0].equal(kernels.norms(rows)[0].square().round())
