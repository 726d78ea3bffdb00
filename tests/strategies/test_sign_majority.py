import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.sign_majority import SignMajority


def test_takes_a_step_the_way_of_the_majority(aggregate):
    """Worked by hand: two to one, one to two, a tie with an abstention, only abstentions."""
    updates = torch.tensor([[1.0, 1e18, 5, 0], [1e-30, -1, -5, 0], [-9, -2, 0, 0]])

    out = aggregate(SignMajority(scale=0.5), updates)

    assert out.update.tolist() == [0.5, -0.5, 0, 0]
    assert out.scores.tolist() == [0, 0.5, 0]
    assert out.weights is None


def test_golden_matrix(aggregate, x7):
    """Its signs sum to 3, -2, 4, and the median of its norms is sqrt 30."""
    out = aggregate(SignMajority(), x7)

    torch.testing.assert_close(out.update, 10**0.5 * torch.tensor([1.0, -1, 1]))


@pytest.mark.parametrize("scale", [0.01, "median"])
def test_equals_a_plain_loop_in_float64(aggregate, hard, scale):
    exact = hard.double().numpy()
    sums = [sum(1 if x > 0 else -1 if x < 0 else 0 for x in column) for column in exact.T]
    size = scale
    if scale == "median":
        size = np.median([np.linalg.norm(row) for row in exact]) / np.sqrt(exact.shape[1])

    out = aggregate(SignMajority(scale=scale), hard)

    np.testing.assert_allclose(out.update.numpy(), size * np.sign(sums), rtol=1e-6)
    expected = (np.sign(exact) * np.sign(sums)).mean(axis=1)
    np.testing.assert_allclose(out.scores.numpy(), expected, atol=1e-12)


def test_an_even_number_of_split_votes_is_a_tie(aggregate):
    updates = torch.tensor([[1.0], [1.0], [-1.0], [-1e18]])

    assert aggregate(SignMajority(), updates).update.tolist() == [0]


def test_clients_who_agree_are_followed_for_as_far_as_they_go(aggregate):
    updates = torch.tensor([[3.0, -4.0, 12.0, 84.0]]).repeat(4, 1)

    out = aggregate(SignMajority(), updates)

    torch.testing.assert_close(out.update.norm(), updates[0].norm())
    assert out.update.sign().equal(updates[0].sign())
    assert out.scores.tolist() == [1] * 4


def test_a_single_client_is_all_of_the_majority(aggregate):
    assert aggregate(SignMajority(scale=1), torch.tensor([[2.0, -3, 0]])).update.tolist() == [
        *[1, -1, 0]
    ]


def test_votes_are_counted_in_models_of_more_than_one_block(aggregate):
    updates = torch.randn(5, 150_000, generator=torch.Generator().manual_seed(0))

    out = aggregate(SignMajority(scale=1), updates)

    assert out.update.equal(updates.sign().sum(dim=0).sign())
    expected = (updates.sign() * out.update).double().mean(dim=1)
    torch.testing.assert_close(out.scores, expected)


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e18, 1e18), min_size=4, max_size=4), order=st.permutations(range(9))
)
def test_a_minority_cannot_turn_those_who_agree_nor_lengthen_their_step(aggregate, sizes, order):
    updates = torch.tensor([1.0, -2.0, 3.0]).repeat(9, 1)
    updates[:4] *= torch.tensor(sizes)[:, None]

    out = aggregate(SignMajority(), updates)
    reordered = aggregate(SignMajority(), updates[order])

    torch.testing.assert_close(out.update, (14 / 3) ** 0.5 * torch.tensor([1.0, -1, 1]))
    assert reordered.update.equal(out.update)
    assert reordered.scores.equal(out.scores[order])


@settings(deadline=None, max_examples=50)
@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_its_step_follows_the_size_of_updates(aggregate, factor, seed):
    updates = torch.randn(6, 5, generator=torch.Generator().manual_seed(seed))

    scaled = aggregate(SignMajority(), factor * updates).update

    torch.testing.assert_close(scaled, factor * aggregate(SignMajority(), updates).update)


@pytest.mark.parametrize("wrong", [0, -1.0, float("inf"), "mean"])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="scale"):
        SignMajority(scale=wrong)
