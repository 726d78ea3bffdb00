import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.min_max import MinMax

DIRECTIONS = ["std", "unit", "sign"]
KINDS = ["random", "heavy_tailed", "near_duplicate", "near_zero", "huge", "two"]


def updates(kind="random", seed=0):
    g = torch.Generator().manual_seed(seed)
    noise = 0.3 + torch.randn(2 if kind == "two" else 9, 20, generator=g)
    if kind == "heavy_tailed":
        return noise / torch.randn(9, 20, generator=g)
    if kind == "near_duplicate":
        return 1 + 1e-5 * noise
    return noise * {"near_zero": 1e-20, "huge": 1e18}.get(kind, 1.0)


def crafted(view, honest, **fields):
    return MinMax(**fields).craft(view(torch.zeros(2, honest.shape[1]), honest), ())[0]


def searched(honest, direction):
    """The paper's search, written plainly: double the shift, then bisect."""
    x = honest.double().numpy()
    mean = x.mean(axis=0)
    p = {"std": x.std(axis=0, ddof=1), "unit": mean, "sign": np.sign(mean)}[direction]
    p = p / np.linalg.norm(p)
    farthest = max(np.linalg.norm(a - b) for a in x for b in x)

    def allowed(shift):
        return max(np.linalg.norm(mean - shift * p - a) for a in x) <= farthest

    low, high = 0.0, 1e-30
    while allowed(high):
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return mean - low * p


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_on_a_line_it_lies_one_span_from_the_farthest_end(view, direction):
    """Worked by hand: from 0 to 4 around a mean of 2, so it may go down to 4 - 4 = 0."""
    sent = crafted(view, torch.tensor([[0.0], [2.0], [4.0]]), direction=direction)

    torch.testing.assert_close(sent, torch.zeros(2, 1))


def test_across_the_spread_it_goes_farther(view):
    """Worked by hand: at a right angle to two updates 2 apart, sqrt(4 - 1) from their mean."""
    sent = crafted(view, torch.tensor([[1.0, 5.0], [-1.0, 5.0]]), direction="unit")

    torch.testing.assert_close(sent, torch.tensor([[0.0, 5 - 3**0.5]] * 2))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_search_of_the_paper_comes_to(view, kind, direction):
    honest = updates(kind)

    sent = crafted(view, honest, direction=direction)

    expected = torch.from_numpy(searched(honest, direction))
    scale = expected.abs().max()
    torch.testing.assert_close(sent[0].double() / scale, expected / scale, atol=2e-7, rtol=0)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 999), direction=st.sampled_from(DIRECTIONS))
def test_no_update_is_farther_than_the_farthest_two_and_one_is_as_far(view, seed, direction):
    honest = updates(seed=seed)

    sent = crafted(view, honest, direction=direction)

    away = (honest.double() - sent[0].double()).norm(dim=1).max()
    farthest = torch.cdist(honest.double(), honest.double()).max()
    assert away.item() == pytest.approx(farthest.item(), rel=1e-5)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999), direction=st.sampled_from(DIRECTIONS))
def test_who_sends_what_does_not_matter(view, seed, direction):
    honest = updates(seed=seed)
    shuffled = honest[torch.randperm(9, generator=torch.Generator().manual_seed(seed))]

    one = crafted(view, honest, direction=direction)

    torch.testing.assert_close(crafted(view, shuffled, direction=direction), one)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_goes_against_what_it_is_named_for(view, direction):
    honest = 5 + updates()
    mean = honest.mean(dim=0)

    shift = crafted(view, honest, direction=direction)[0] - mean

    towards = {"std": honest.std(dim=0), "unit": mean, "sign": mean.sign()}[direction]
    assert torch.cosine_similarity(shift, towards, dim=0).item() == pytest.approx(-1)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("n", [1, 4])
def test_where_updates_do_not_differ_it_sends_their_mean(view, n, value, direction):
    sent = crafted(view, torch.full((n, 3), value), direction=direction)

    torch.testing.assert_close(sent, torch.full((2, 3), value))


def test_a_mean_of_zero_has_no_opposite(view):
    sent = crafted(view, torch.tensor([[1.0, -2.0], [-1.0, 2.0]]), direction="unit")

    assert not sent.any()


def test_without_omniscience_it_uses_only_its_own_updates(view):
    own = updates()

    sent, _ = MinMax().craft(view(own), ())

    assert sent.equal(crafted(view, own)[:1].expand_as(own))


def test_rejects():
    with pytest.raises(ValueError, match="direction"):
        MinMax(direction="uv")
