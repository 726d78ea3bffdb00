import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.core.chain import Chain
from fedrobust.errors import TooManyMalicious
from fedrobust.strategies.krum import Krum
from fedrobust.strategies.nearest_neighbor_mixing import NearestNeighborMixing
from fedrobust.strategies.trimmed_mean import TrimmedMean


@pytest.fixture(scope="module")
def mix(info):
    """Return a function that mixes updates."""
    step = NearestNeighborMixing()
    return lambda updates, f: step.transform(updates, (), info(updates, num_malicious=f))


def test_golden_vectors(mix, aggregate, x3, x7):
    mixed = mix(x3, 1).updates
    behind = aggregate(Chain(before=(NearestNeighborMixing(),), rule=TrimmedMean()), x7, f=2)

    assert mixed.tolist() == [[2.5, 3.5, 4.5], [2.5, 3.5, 4.5], [5.5, 6.5, 7.5]]
    torch.testing.assert_close(behind.update, torch.tensor([3.2, -1.8, 2.4]))


def test_says_what_is_in_each_mixture(mix):
    """Worked by hand: with f = 1 of 3, each update and its nearest."""
    out = mix(torch.tensor([[0.0], [1.0], [10.0]]), 1)

    assert out.mixing.tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]]
    assert out.updates.tolist() == [[0.5], [0.5], [5.5]]


@pytest.mark.parametrize("f", [0, 1, 4])
def test_equals_a_plain_loop_in_float64(mix, hard, f):
    exact = hard.double()
    expected = []
    for row in exact:
        away = [(row - other).square().sum().item() for other in exact]
        nearest = sorted(range(len(exact)), key=away.__getitem__)[: len(exact) - f]
        expected.append(exact[nearest].mean(dim=0))
    expected = torch.stack(expected)

    out = mix(hard, f)

    atol = 1e-6 * hard.abs().max().item()
    torch.testing.assert_close(out.updates.double(), expected, rtol=1e-5, atol=atol)
    torch.testing.assert_close(out.mixing @ hard, out.updates)


def test_every_mixture_is_the_mean_when_nobody_is_malicious(mix, x7):
    torch.testing.assert_close(mix(x7, 0).updates, x7.mean(dim=0).expand(7, 3))


def test_of_equal_updates_the_first_are_taken_but_each_is_in_its_own_mixture(mix):
    out = mix(torch.ones(5, 2), 2)

    assert (out.mixing > 0).int().tolist() == [
        *[[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 1, 0], [1, 1, 0, 0, 1]]
    ]


def test_the_rule_behind_it_is_credited_with_clients(aggregate):
    """Worked by hand: Krum takes the first mixture, which is of the first two clients."""
    updates = torch.tensor([[0.0], [1.0], [10.0]])
    rule = Chain(before=(NearestNeighborMixing(),), rule=Krum(neighbors="n-f-1"))

    out = aggregate(rule, updates, f=1)

    assert out.update.tolist() == [0.5]
    assert out.weights.tolist() == [0.5, 0.5, 0]


@settings(deadline=None, max_examples=50)
@given(size=st.floats(100, 1e18), seed=st.integers(0, 99))
def test_a_far_away_minority_is_in_no_honest_mixture(mix, size, seed):
    honest = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
    away = size * torch.tensor([[1.0], [-1.0], [1.5]]).expand(3, 4)

    out = mix(torch.cat([away, honest]), 3)

    assert not out.mixing[3:, :3].any()
    torch.testing.assert_close(out.updates[3:], honest.mean(dim=0).expand(5, 4))


def test_rejects(mix, x7):
    with pytest.raises(ValueError, match="num_malicious"):
        NearestNeighborMixing(num_malicious=-1)
    with pytest.raises(TooManyMalicious, match=r"n >= 2f \+ 1: it can withstand at most 3 of 7"):
        mix(x7, 4)
