from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.minimum_diameter_averaging import MinimumDiameterAveraging as MDA


def test_golden_vectors(aggregate, x3, x7):
    assert aggregate(MDA(), x3, f=1).update.tolist() == [2.5, 3.5, 4.5]  # a tie: the last goes
    torch.testing.assert_close(aggregate(MDA(), x7, f=2).update, torch.tensor([3.2, -1.8, 2.4]))


def test_leaves_out_what_makes_the_group_wide(aggregate):
    """Worked by hand: 1 to 4 span 3; any other three values span more."""
    updates = torch.tensor([[-5.0], [1.0], [4.0], [8.0], [2.0]])

    out = aggregate(MDA(), updates, f=2)

    torch.testing.assert_close(out.weights, torch.tensor([0, 1 / 3, 1 / 3, 0, 1 / 3]))
    torch.testing.assert_close(out.update, torch.tensor([7 / 3]))


@pytest.mark.parametrize("f", range(5))
def test_equals_brute_force_in_float64(aggregate, hard, f):
    exact = hard[:9].double().numpy()

    def diameter(subset):
        return max(np.linalg.norm(exact[i] - exact[j]) for i, j in combinations(subset, 2))

    best = min(diameter(subset) for subset in combinations(range(9), 9 - f))

    out = aggregate(MDA(), hard[:9], f)

    kept = out.weights.nonzero().flatten().tolist()
    assert len(kept) == 9 - f
    assert diameter(kept) == pytest.approx(best, rel=1e-6)
    atol = 1e-6 * hard.abs().max().item()
    np.testing.assert_allclose(out.update.numpy(), exact[kept].mean(axis=0), rtol=1e-5, atol=atol)


def test_is_the_mean_when_nobody_is_malicious(aggregate, x7):
    torch.testing.assert_close(aggregate(MDA(), x7, f=0).update, x7.mean(dim=0))


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(-1e18, 1e18), min_size=3, max_size=3),
    seed=st.integers(0, 99),
)
def test_f_updates_move_it_from_the_honest_mean_by_a_share_of_their_diameter(
    aggregate, sizes, seed
):
    """All that is kept is within a diameter, so 2f / (n - f) of it at most."""
    honest = torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))
    updates = torch.cat([torch.tensor(sizes)[:, None].expand(3, 4), honest])

    out = aggregate(MDA(), updates, f=3).update

    diameter = torch.cdist(honest, honest).max()
    assert (out - honest.mean(dim=0)).norm() <= 2 * 3 / 6 * diameter * (1 + 1e-5)


def test_rejects(aggregate, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        MDA(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        aggregate(MDA(), x7, f=4)
