import numpy as np
import pytest
import torch

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

    np.testing.assert_allclose(squares.numpy(), expected, rtol=1e-7)
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
