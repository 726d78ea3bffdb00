from itertools import combinations
from time import perf_counter

import numpy as np
import pytest
import torch

from fedrobust.core import pairwise, rows


def gaussian(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def symmetric(n, seed, levels=None):
    """Return random distances, which no points need to have; of few levels, most are equal."""
    values = torch.rand(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    upper = (values if levels is None else (values * levels).round()).triu(diagonal=1)
    return upper + upper.T


@pytest.fixture(scope="module", params=["noise", "line", "outliers", "copies", "huge_and_tiny"])
def updates(request):
    noise = gaussian(9, 4, seed=2)
    if request.param == "line":
        return torch.tensor([3.0, 1, 4, 1, 5, 9, 2, 6, 5])[:, None]
    if request.param == "outliers":
        noise[[0, 4, 8]] += 10
    if request.param == "copies":
        noise[3] = noise[6] = noise[0]
    if request.param == "huge_and_tiny":
        noise *= torch.tensor([1e18, 1, 1, 1e-30, 1, 1, 1e9, 1, 1])[:, None]
    return noise


def test_averaging_gives_those_kept_equal_weights():
    weights = pairwise.averaging([2, 0], torch.zeros(4, 3))

    assert weights.tolist() == [0.5, 0, 0.5, 0]
    assert weights.dtype == torch.float32


def test_nearest_sums_leave_the_row_itself_out():
    """Worked by hand, for points 0, 1, 3, 3 of a line."""
    squares = rows.squared_distances(torch.tensor([[0.0], [1.0], [3.0], [3.0]]))

    assert pairwise.nearest_sums(squares).tolist() == [
        *[[0, 1, 10, 19], [0, 1, 5, 9], [0, 0, 4, 13], [0, 0, 4, 13]]
    ]


def test_square_length_equals_that_of_the_combination():
    points, combination = gaussian(6, 20).double(), gaussian(6, 1).double()[:, 0]
    combination -= combination.mean()

    length = pairwise.square_length(combination, rows.squared_distances(points))

    torch.testing.assert_close(length, (combination @ points).square().sum())


@pytest.mark.parametrize("n", range(1, 10))
@pytest.mark.parametrize("levels", [None, 1, 3])
def test_the_smallest_diameter_equals_brute_force(n, levels):
    for f in range((n + 1) // 2):
        squares = symmetric(n, seed=10 * n + f, levels=levels)

        def farthest_first(subset, squares=squares):
            return sorted((squares[pair].item() for pair in combinations(subset, 2)), reverse=True)

        expected = min(combinations(range(n), n - f), key=farthest_first)

        found = pairwise.smallest_diameter_subset(squares, n - f)

        assert len(found) == n - f
        assert farthest_first(found)[:1] == farthest_first(expected)[:1]
        assert levels is not None or found == list(expected)


def test_of_equal_diameters_the_second_farthest_pair_decides():
    """Worked by hand: the first two rows are 5 apart, the last two 4, so one of the first goes.

    Either way the diameter is 4.  The second row is closer to the others.
    """
    squares = rows.squared_distances(torch.tensor([[2.0, -3], [2, 2], [0, 0], [4, 0]]))

    assert pairwise.smallest_diameter_subset(squares, 3) == [1, 2, 3]


def test_of_equal_rows_the_last_are_left_out():
    squares = torch.zeros(5, 5, dtype=torch.float64)

    assert pairwise.smallest_diameter_subset(squares, 3) == [0, 1, 2]
    assert pairwise.smallest_variance_subset(squares, 3) == [0, 1, 2]


@pytest.mark.parametrize(("n", "f", "seconds"), [(30, 10, 1), (100, 20, 3), (100, 45, 3)])
@pytest.mark.parametrize("distance", [0.0, 1.0, 3.0])
def test_the_smallest_diameter_is_found_in_no_time(n, f, seconds, distance):
    points = gaussian(n, 50)
    points[:f] += distance
    squares = rows.squared_distances(points)

    start = perf_counter()
    found = pairwise.smallest_diameter_subset(squares, n - f)

    assert perf_counter() - start < seconds
    if distance == 3:
        assert found == list(range(f, n))


@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_diameter_is_found_in_sparse_graphs_too(seed):
    """Few far pairs, all about equally far, spread evenly: the hardest case for the search."""
    far = symmetric(60, seed, levels=None) > 0.93
    squares = far + 1e-3 * symmetric(60, seed + 5)
    squares.fill_diagonal_(0)

    start = perf_counter()
    found = pairwise.smallest_diameter_subset(squares, 33)

    assert perf_counter() - start < 3
    assert len(found) == 33


@pytest.mark.parametrize("f", range(5))
def test_the_smallest_variance_equals_brute_force(updates, f):
    exact = updates.double().numpy()

    def largest_eigenvalue(subset):
        return np.linalg.eigvalsh(np.atleast_2d(np.cov(exact[list(subset)].T, bias=True)))[-1]

    best = min(largest_eigenvalue(subset) for subset in combinations(range(9), 9 - f))

    found = pairwise.smallest_variance_subset(rows.squared_distances(updates), 9 - f)

    assert found == sorted(set(found))
    assert len(found) == 9 - f
    assert largest_eigenvalue(found) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("kind", ["noise", "equal_distances"])
def test_the_smallest_variance_does_not_depend_on_how_many_subsets_are_compared_at_a_time(
    monkeypatch, kind
):
    points = gaussian(9, 4) if kind == "noise" else torch.eye(9)
    squares = rows.squared_distances(points)
    at_once = pairwise.smallest_variance_subset(squares, 6)

    monkeypatch.setattr(pairwise, "_BATCH", 7)

    assert pairwise.smallest_variance_subset(squares, 6) == at_once
    assert kind == "noise" or at_once == [0, 1, 2, 3, 4, 5]


def test_the_bound_that_spares_subsets_is_one():
    squares = rows.squared_distances(gaussian(8, 5))
    members = torch.tensor(list(combinations(range(8), 5)))
    inside = torch.zeros(len(members), 8, dtype=torch.float64).scatter_(1, members, 1.0)

    bounds = pairwise._variance_bounds(squares, inside, 5)

    assert (bounds <= pairwise._largest_variances(squares, members)).all()
    assert (bounds > 0).all()


@pytest.mark.parametrize("n", [3, 10, 11, 40])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 3.0])
def test_pulls_cancel_at_the_geometric_median(n, smoothing):
    points = gaussian(n, 30).double()

    weights = pairwise.geometric_median(rows.squared_distances(points), smoothing)

    away = points - weights @ points
    pulls = away / away.norm(dim=1, keepdim=True).clamp(min=smoothing)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    assert pulls.sum(dim=0).norm() < 1e-6


def test_the_geometric_median_can_be_a_row():
    """Worked by hand: at the center of a square, and at a corner where two of three rows are."""
    square = torch.tensor([[0.0, 0], [2, 0], [0, 2], [2, 2], [1, 1]])
    corner = torch.tensor([[0.0, 0], [5, 0], [0, 0]])

    middle = pairwise.geometric_median(rows.squared_distances(square))
    twice = pairwise.geometric_median(rows.squared_distances(corner))

    assert middle.tolist() == [0, 0, 0, 0, 1]
    assert twice.tolist() == [0.5, 0, 0.5]


def test_the_geometric_median_leaves_a_row_that_is_not_the_answer():
    """An obtuse corner of less than 120 degrees: starting from it, Weiszfeld's formula would stay.

    Worked by hand: by symmetry on the axis, where it sees the other two under 60 degrees.
    """
    triangle = torch.tensor([[0.0, 0.0], [-1.0, 0.9], [1.0, 0.9]])

    weights = pairwise.geometric_median(rows.squared_distances(triangle))

    expected = torch.tensor([0.0, 0.9 - 3**-0.5])
    torch.testing.assert_close(weights.float() @ triangle, expected, rtol=0, atol=1e-6)


def test_between_equally_good_rows_the_geometric_median_is_midway():
    """On a line with an even number of points, every point between the middle ones is best."""
    line = torch.tensor([[100.0], [1.0], [0.0], [3.0]])

    weights = pairwise.geometric_median(rows.squared_distances(line))

    assert weights.tolist() == [0, 0.5, 0, 0.5]


@pytest.mark.parametrize("tolerance", [1e-3, 1e-8])
def test_the_geometric_median_converges_to_the_tolerance(tolerance):
    points = gaussian(30, 3).double()
    squares = rows.squared_distances(points)
    exact = pairwise.geometric_median(squares, tolerance=1e-13)

    weights = pairwise.geometric_median(squares, tolerance=tolerance)

    away = ((weights - exact) @ points).norm()
    assert 0 < away < 20 * tolerance


def test_an_iteration_is_a_weiszfeld_step():
    exact = gaussian(9, 4).double()
    squares = rows.squared_distances(exact)
    before = pairwise.geometric_median(squares, smoothing=0.5, max_iterations=1)

    after = pairwise.geometric_median(squares, smoothing=0.5, max_iterations=2)

    shares = 1 / (exact - before @ exact).norm(dim=1).clamp(min=0.5)
    torch.testing.assert_close(after, shares / shares.sum())


def test_nothing_changes_the_distances(updates):
    squares = rows.squared_distances(updates)
    before = squares.clone()

    pairwise.nearest_sums(squares)
    pairwise.smallest_diameter_subset(squares, 6)
    pairwise.smallest_variance_subset(squares, 6)
    pairwise.geometric_median(squares)
    pairwise.square_length(torch.ones(9, dtype=torch.float64), squares)

    assert squares.equal(before)
