import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.krum import Krum


def test_golden_vectors(aggregate, x3, x7):
    wide = Krum(neighbors="n-f-1")
    assert aggregate(wide, x3, f=1).update.tolist() == [1, 2, 3]  # a tie: the first wins
    assert aggregate(wide, x7, f=2).update.tolist() == [4, -4, 3]
    assert aggregate(Krum(), x7, f=2).update.tolist() == [4, -4, 3]


def test_golden_vectors_of_multi_krum(aggregate, x3, x7):
    multi = Krum(keep="n-f", neighbors="n-f-1")

    assert aggregate(multi, x3, f=1).update.tolist() == [2.5, 3.5, 4.5]
    torch.testing.assert_close(aggregate(multi, x7, f=2).update, torch.tensor([3.2, -1.8, 2.4]))


def test_says_which_updates_it_kept(aggregate):
    """Worked by hand, on a line with f = 1: each of five has two neighbors."""
    updates = torch.tensor([[0.0], [1.0], [3.0], [4.0], [100.0]])

    out = aggregate(Krum(keep=2), updates, f=1)

    assert out.scores.tolist() == [1 + 9, 1 + 4, 1 + 4, 1 + 9, 96**2 + 97**2]
    assert out.weights.tolist() == [0, 0.5, 0.5, 0, 0]
    assert out.update.tolist() == [2.0]


@pytest.mark.parametrize("neighbors", ["n-f-2", "n-f-1"])
@pytest.mark.parametrize("f", [0, 1, 3])
def test_scores_equal_a_plain_loop_in_float64(aggregate, hard, neighbors, f):
    exact = hard.double()
    nearest = len(hard) - f - int(neighbors[-1])
    expected = []
    for i, row in enumerate(exact):
        others = [(row - other).square().sum().item() for j, other in enumerate(exact) if j != i]
        expected.append(sum(sorted(others)[:nearest]))
    expected = torch.tensor(expected, dtype=torch.float64)

    out = aggregate(Krum(neighbors=neighbors), hard, f)

    torch.testing.assert_close(out.scores, expected, rtol=1e-6, atol=0)
    assert out.update.equal(hard[expected.argmin()])


def test_never_keeps_more_than_all_but_f(aggregate, x7):
    most = aggregate(Krum(keep="n-f"), x7, f=2)

    assert aggregate(Krum(keep=7), x7, f=2).update.equal(most.update)
    assert most.weights.count_nonzero() == 5


@settings(deadline=None, max_examples=50)
@given(size=st.floats(100, 1e18), seed=st.integers(0, 99))
def test_never_takes_a_far_away_minority(aggregate, size, seed):
    g = torch.Generator().manual_seed(seed)
    updates = torch.randn(9, 4, generator=g)
    updates[:3] += size * torch.tensor([[1.0], [-1.0], [2.0]])

    assert aggregate(Krum(keep="n-f"), updates, f=3).weights[:3].tolist() == [0, 0, 0]


def test_the_bound_depends_on_the_neighbors(aggregate, x7):
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 3: it can withstand at most 2 of 7"):
        aggregate(Krum(), x7, f=3)

    assert aggregate(Krum(neighbors="n-f-1"), x7, f=3).update.isfinite().all()


@pytest.mark.parametrize("wrong", [{"keep": 0}, {"neighbors": "n"}, {"num_malicious": -1}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Krum(**wrong)
