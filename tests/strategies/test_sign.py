import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.chain import Chain
from fedrobust.strategies.mean import Mean
from fedrobust.strategies.sign import Sign


@pytest.fixture(scope="module")
def vote(info):
    """Return a function that replaces updates by votes."""
    return lambda updates, step=Sign(): step.transform(updates, (), info(updates)).updates


def test_keeps_signs_and_gives_all_coordinates_one_size(vote):
    updates = torch.tensor([[3.0, -1e18, 0.0], [-1e-30, 0.0, 7.0]])

    out = vote(updates, Sign(scale=0.5))

    assert out.tolist() == [[0.5, -0.5, 0], [-0.5, 0, 0.5]]


def test_golden_matrix(vote, x7):
    """Its signs, copied by eye; the norms are sqrt 30, 26, 50, 24, 50, 41, 25, so the median is
    sqrt 30 and the size sqrt 10.
    """
    signs = [[1, 1, 1], [1, 1, 1], [1, -1, -1], [-1, -1, 1], [1, -1, 0], [1, -1, 1], [-1, 0, 1]]

    torch.testing.assert_close(vote(x7), 10**0.5 * torch.tensor(signs))


def test_of_an_even_number_of_lengths_the_median_is_midway(vote):
    """Worked by hand: lengths 2, 4, 6, 100 have the median 5; with d = 1 that is the size."""
    updates = torch.tensor([[2.0], [-4.0], [6.0], [-100.0]])

    assert vote(updates).flatten().tolist() == [5, -5, 5, -5]


def test_equals_a_plain_loop_in_float64(vote, hard):
    exact = hard.double().numpy()
    size = np.median([np.linalg.norm(row) for row in exact]) / np.sqrt(exact.shape[1])
    expected = [[size * (1 if x > 0 else -1 if x < 0 else 0) for x in row] for row in exact]

    np.testing.assert_allclose(vote(hard).numpy(), expected, rtol=1e-6)


def test_votes_of_one_client_are_as_long_as_its_update(vote):
    update = torch.tensor([[3.0, -4.0, 12.0, 84.0]])

    torch.testing.assert_close(vote(update).norm(), update.norm())


def test_no_updates_at_all_move_nothing(vote):
    assert vote(torch.zeros(3, 2)).tolist() == [[0, 0]] * 3


@settings(deadline=None, max_examples=50)
@given(
    size=st.floats(0, 1e18),
    order=st.permutations(range(9)),
    seed=st.integers(0, 99),
)
def test_a_minority_of_any_length_moves_a_coordinate_by_its_share_of_the_votes(
    aggregate, size, order, seed
):
    honest = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    attacked = torch.cat([size * honest[:4], honest[4:]])
    rule = Chain(before=(Sign(),), rule=Mean())

    out = aggregate(rule, attacked).update

    longest = honest[4:].norm(dim=1).max() / 2
    assert (out.abs() <= longest * (1 + 1e-5)).all()
    torch.testing.assert_close(aggregate(rule, attacked[order]).update, out)


@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), "mean"])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="scale"):
        Sign(scale=wrong)
