import numpy as np
import pytest
import torch

from fedrobust import kernels
from fedrobust.core import rows


@pytest.fixture(scope="module", params=["random", "near_duplicate", "huge", "tiny", "one_far_away"])
def hard(request):
    """Return rows ``[9, 20000]``, of more columns than are converted at a time."""
    noise = torch.randn(9, 20_000, generator=torch.Generator().manual_seed(0))
    if request.param == "near_duplicate":
        return 1 + 1e-5 * noise
    if request.param == "one_far_away":
        noise[4] *= 1e15
        return noise
    return noise * {"random": 1.0, "huge": 1e18, "tiny": 1e-30}[request.param]


def test_norms_and_distances_equal_numpy_in_float64(hard):
    exact = hard.double().numpy()

    norms, distances = rows.norms(hard), rows.distances(hard, hard[2])

    np.testing.assert_allclose(norms.numpy(), np.linalg.norm(exact, axis=1), rtol=1e-12)
    expected = np.linalg.norm(exact - exact[2], axis=1)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-12)


def test_squared_distances_equal_a_plain_loop_in_float64(hard):
    exact = hard.double().numpy()
    expected = [[((one - other) ** 2).sum() for other in exact] for one in exact]

    squares = rows.squared_distances(hard)

    np.testing.assert_allclose(squares.numpy(), expected, rtol=1e-6)
    assert squares.equal(squares.T)


def test_equal_rows_are_at_distance_zero():
    some = torch.randn(5, 7)[[0, 1, 0, 0, 1]]

    squares = rows.squared_distances(some)

    assert (squares == 0).int().tolist() == [
        *[[1, 0, 1, 1, 0], [0, 1, 0, 0, 1], [1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [0, 1, 0, 0, 1]]
    ]


def test_many_equal_rows_are_compared_in_parts():
    assert not rows.squared_distances(torch.ones(200, 3)).any()


def test_clip_shortens_only_what_is_too_long():
    """Worked by hand: 5 becomes 1, 0.5 and 0 stay."""
    clipped = rows.clip(torch.tensor([[3.0, 4.0], [0.0, 0.5], [0.0, 0.0]]), max_norm=1.0)

    torch.testing.assert_close(clipped, torch.tensor([[0.6, 0.8], [0.0, 0.5], [0.0, 0.0]]))


def test_clip_keeps_the_direction_of_huge_rows(hard):
    clipped = rows.clip(hard, max_norm=2.0)

    longer = rows.norms(hard) > 2
    torch.testing.assert_close(clipped[~longer], hard[~longer])
    torch.testing.assert_close(
        rows.norms(clipped[longer]), torch.full((longer.sum(),), 2.0).double()
    )
    torch.testing.assert_close(rows.cosines(clipped, hard[0]), rows.cosines(hard, hard[0]))


def test_clip_works_inside_vmap():
    """Per-example gradients are clipped in a hook."""
    some = torch.randn(3, 4, 5)

    clipped = torch.vmap(lambda one: rows.clip(one, 0.5))(some)

    torch.testing.assert_close(clipped, torch.stack([rows.clip(one, 0.5) for one in some]))


def test_cosines():
    """Worked by hand; a zero has no direction."""
    some = torch.tensor([[2.0, 0.0], [-1.0, 0.0], [0.0, 3.0], [1e18, 1e18], [0.0, 0.0]])

    cosines = rows.cosines(some, torch.tensor([1e-20, 0.0]))

    expected = torch.tensor([1.0, -1.0, 0.0, 0.5**0.5, 0.0], dtype=torch.float64)
    torch.testing.assert_close(cosines, expected)
    assert not rows.cosines(some, torch.zeros(2)).any()


@pytest.mark.parametrize(("low", "high"), [(0, 9), (1, 8), (4, 5), (0, 1), (8, 9)])
def test_rank_mean_equals_numpy_in_float64(hard, low, high):
    expected = np.sort(hard.double().numpy(), axis=0)[low:high].mean(axis=0)

    mean = rows.rank_mean(hard, low, high)

    assert mean.dtype == torch.float32
    scale = hard.abs().max(dim=0).values.double().numpy()
    assert (np.abs(mean.double().numpy() - expected) <= 1e-7 * scale).all()


def test_nothing_changes_its_arguments(hard):
    before = hard.clone()

    for function in (rows.norms, rows.squared_distances):
        function(hard)
    for function in (rows.distances, rows.cosines):
        function(hard, hard[0])
    rows.clip(hard, 1.0)
    rows.rank_mean(hard, 1, 8)

    assert hard.equal(before)


@pytest.fixture
def measured(monkeypatch):
    """Return a list that grows with every measurement that is really made."""
    calls = []

    def counted(name, measure):
        def wrapped(some):
            calls.append(name)
            return measure(some)

        return wrapped

    for name in ("norms", "squared_distances"):
        monkeypatch.setattr(kernels, name, counted(name, getattr(kernels, name)))
    return calls


def test_a_matrix_is_measured_once(measured):
    some = torch.randn(4, 5)

    norms, squares = rows.norms(some), rows.squared_distances(some)

    assert rows.norms(some).equal(norms)
    assert rows.squared_distances(some).equal(squares)
    assert sorted(measured) == ["norms", "squared_distances"]


def test_another_matrix_is_another_measurement(measured):
    some = torch.randn(4, 5)

    assert rows.norms(some).equal(rows.norms(some.clone()))

    assert measured == ["norms", "norms"]


@pytest.mark.parametrize(
    "write",
    [
        lambda some: some.mul_(2),
        lambda some: some[1].fill_(7),
        lambda some: some.view(-1)[3:].zero_(),
        lambda some: some.__setitem__(2, 0.0),
        lambda some: torch.add(some, 1, out=some),
        lambda some: some.index_copy_(0, torch.tensor([0]), torch.ones(1, 5)),
        lambda some: setattr(some, "data", torch.ones(3, 5)),
    ],
)
def test_a_matrix_that_was_written_to_is_measured_again(measured, write):
    some = torch.randn(4, 5)
    rows.norms(some), rows.squared_distances(some)

    write(some)

    assert rows.norms(some).equal(rows.norms(some.clone()))
    assert rows.squared_distances(some).equal(rows.squared_distances(some.clone()))


def test_a_write_to_a_result_is_nobody_elses(measured):
    some = torch.randn(4, 5)
    expected = rows.squared_distances(some).clone()

    rows.squared_distances(some).fill_diagonal_(torch.inf)
    rows.norms(some).zero_()

    assert rows.squared_distances(some).equal(expected)
    assert rows.norms(some).all()
    assert len(measured) == 2


def test_what_has_no_version_is_measured_each_time(measured):
    with torch.inference_mode():
        inferred = torch.randn(4, 5)
    with_gradient = torch.randn(4, 5, requires_grad=True)

    for some in (inferred, inferred, with_gradient, with_gradient):
        rows.norms(some)

    assert len(measured) == 4
    assert rows.norms(with_gradient).requires_grad


def test_what_is_remembered_does_not_outlive_its_matrix():
    some = torch.randn(4, 5)
    rows.norms(some)
    before = len(rows._remembered)

    del some

    assert len(rows._remembered) == before - 1


@pytest.mark.parametrize(("d", "count"), [(7, 1), (7, 3), (7, 6), (1000, 13)])
def test_every_coordinate_is_drawn_as_often_as_any(d, count):
    g = torch.Generator().manual_seed(0)

    drawn = [rows.some_columns(torch.arange(d)[None], count, g)[0] for _ in range(5000)]

    counts = torch.stack(drawn).flatten().bincount(minlength=d).double()
    expected = 5000 * count / d
    assert (counts - expected).abs().max() < 5 * expected**0.5
    assert all((one.diff() >= 0).all() for one in drawn[:100])
