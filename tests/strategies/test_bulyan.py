import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.bulyan import Bulyan


def plain(updates, f):
    """Return Bulyan's result in float64, by plain loops."""
    exact = updates.double().numpy()
    left, chosen = list(range(len(exact))), []
    while len(chosen) < len(exact) - 2 * f:
        neighbors = max(len(left) - f - 2, 1)
        scores = []
        for i in left:
            others = sorted(((exact[i] - exact[j]) ** 2).sum() for j in left if j != i)
            scores.append((sum(others[:neighbors]), sum(others[: neighbors + 1])))
        chosen.append(left.pop(scores.index(min(scores))))
    nearest = [
        sorted(column, key=lambda value, middle=np.median(column): abs(value - middle))
        for column in exact[chosen].T
    ]
    return np.array([np.mean(column[: len(exact) - 4 * f]) for column in nearest])


def test_chooses_by_krum_and_averages_the_middle(aggregate):
    """Worked by hand, on a line with f = 1: five of seven are chosen, three of them count.

    With 4, 3, 2, 1 and at last again 1 neighbor, the lowest scores are 10 of 2 (and of 3, which
    comes later), 9 of 3, 10 of 1 (and of 4, which comes later), 1 of 4 (and of 5, which is farther
    from its next neighbor) and 25 of 5 (and of 0, which is): 3 is in the middle.
    """
    updates = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0], [50.0], [5.0]])

    out = aggregate(Bulyan(), updates, f=1)

    assert out.update.tolist() == [3.0]
    assert out.scores[:5].tolist() == [30, 15, 10, 10, 15]
    assert out.scores.argmax() == 5
    assert out.weights is None


@pytest.mark.parametrize("f", [0, 1, 2])
def test_equals_a_plain_loop_in_float64(aggregate, hard, f):
    updates = torch.cat([hard, hard[:1] + hard[1:2]])

    out = aggregate(Bulyan(), updates, f)

    atol = 1e-6 * updates.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), plain(updates, f), rtol=1e-5, atol=atol)


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(Bulyan(), x7, f=0).update, x7.mean(dim=0))


@settings(deadline=None, max_examples=50)
@given(size=st.floats(-1e18, 1e18), seed=st.integers(0, 99))
def test_one_wild_coordinate_does_not_get_through(aggregate, size, seed):
    """It is what Bulyan is for: in all other coordinates these updates are the honest mean.

    Of the values it averages, none is farther from a median of honest range than an honest one is.
    """
    honest = torch.randn(8, 30, generator=torch.Generator().manual_seed(seed))
    wild = honest.mean(dim=0).repeat(2, 1)
    wild[:, 7] += size
    updates = torch.cat([wild, honest, honest[:1]])

    out = aggregate(Bulyan(), updates, f=2).update

    low, high = honest.min(dim=0).values, honest.max(dim=0).values
    assert (out >= low - (high - low) - 1e-6).all()
    assert (out <= high + (high - low) + 1e-6).all()


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        Bulyan(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 4f \+ 3: it can withstand at most 1 of 7"):
        aggregate(Bulyan(), x7, f=2)
