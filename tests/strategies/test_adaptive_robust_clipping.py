from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.chain import Chain
from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.adaptive_robust_clipping import AdaptiveRobustClipping
from fedrobust.strategies.mean import Mean
from fedrobust.strategies.minimum_variance_averaging import MinimumVarianceAveraging


@pytest.fixture(scope="module")
def clip(info):
    """Return a function that clips updates."""
    step = AdaptiveRobustClipping()
    return lambda updates, f: step.transform(updates, (), info(updates, num_malicious=f))


def test_golden_vector(clip, x3):
    """The bound is 8.77496439, the norm of (4, 5, 6)."""
    out = clip(x3, 1)

    expected = torch.tensor([4.41004009, 5.04004582, 5.67005155])
    torch.testing.assert_close(out.updates[2], expected)
    assert out.updates[:2].equal(x3[:2])


def test_clips_more_updates_than_can_be_malicious(clip):
    """Worked by hand: f = 3 of 9 clips floor(2 * 3 * 6 / 9) = 4, to the length of the fifth."""
    updates = torch.arange(1.0, 10.0)[:, None]

    out = clip(updates, 3)

    assert out.updates.flatten().tolist() == pytest.approx([1, 2, 3, 4, 5, 5, 5, 5, 5])
    torch.testing.assert_close(out.factors, 5 / updates.flatten().clamp(min=5))


@pytest.mark.parametrize(
    ("n", "f", "clipped"), [(1, 0, 0), (3, 1, 1), (5, 2, 2), (10, 1, 1), (10, 4, 4), (11, 3, 4)]
)
def test_how_many_it_clips(clip, n, f, clipped):
    out = clip(torch.arange(1.0, n + 1)[:, None], f)

    assert (out.factors < 1).sum() == clipped


@pytest.mark.parametrize("f", [0, 1, 4])
def test_equals_a_plain_loop_in_float64(clip, hard, f):
    exact = hard.double().numpy()
    n = len(exact)
    lengths = [np.linalg.norm(row) for row in exact]
    bound = sorted(lengths, reverse=True)[int(2 * (f / n) * (n - f) + 1e-9)]
    expected = np.array(
        [row * min(1, bound / length) for row, length in zip(exact, lengths, strict=True)]
    )

    out = clip(hard, f).updates.numpy()

    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_changes_nothing_when_nobody_is_malicious(clip, hard):
    assert clip(hard, 0).updates.equal(hard)


def test_updates_of_one_length_stay_as_they_are(clip):
    updates = torch.tensor([[3.0, 4.0], [4.0, 3.0], [-5.0, 0.0], [0.0, 5.0]])

    assert clip(updates, 1).updates.equal(updates)


def test_a_majority_of_zeros_makes_all_zero(clip):
    updates = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1e18, 0.0]])

    assert clip(updates, 1).updates.tolist() == [[0, 0]] * 3


@settings(deadline=None, max_examples=50)
@given(
    sizes=st.lists(st.floats(0, 1e18), min_size=3, max_size=3),
    order=st.permutations(range(9)),
    seed=st.integers(0, 99),
)
def test_no_update_is_longer_than_the_longest_honest_one(clip, sizes, order, seed):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))
    updates[:3] *= torch.tensor(sizes)[:, None]

    out = clip(updates, 3).updates

    assert (out.norm(dim=1) <= updates[3:].norm(dim=1).max() * (1 + 1e-5)).all()
    assert clip(updates[order], 3).updates.equal(out[order])


@settings(deadline=None, max_examples=30)
@given(
    attack=st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
    shift=st.floats(-10, 10),
    seed=st.integers(0, 99),
)
def test_the_rule_behind_it_keeps_its_proven_robustness(aggregate, attack, shift, seed):
    updates = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed)) + shift
    updates[:3] = torch.tensor(attack)[:, None]
    rule = Chain(before=(AdaptiveRobustClipping(),), rule=MinimumVarianceAveraging())

    out = aggregate(rule, updates, f=3).update.double()

    assert rule.kappa(9, 3) == 4 + 2
    for subset in combinations(updates.double(), 6):
        rows = torch.stack(subset)
        variance = (rows - rows.mean(dim=0)).square().sum() / 6
        error = (out - rows.mean(dim=0)).square().sum()
        assert error <= rule.kappa(9, 3) * variance * (1 + 1e-5)


def test_without_a_majority_nothing_is_proven():
    assert AdaptiveRobustClipping().kappa(6, 3, behind=1.0) is None


def test_a_client_counts_by_as_much_as_is_left_of_its_update(aggregate):
    """Worked by hand: 9 is clipped to 3, and the mean takes a third of each."""
    updates = torch.tensor([[1.0], [3.0], [9.0]])

    out = aggregate(Chain(before=(AdaptiveRobustClipping(),), rule=Mean()), updates, f=1)

    torch.testing.assert_close(out.weights, torch.tensor([1 / 3, 1 / 3, 1 / 9]))
    torch.testing.assert_close(out.update, torch.tensor([7 / 3]))


def test_rejects(clip, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        AdaptiveRobustClipping(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        clip(x7, 4)
