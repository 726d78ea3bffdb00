import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.min_sum import MinSum

DIRECTIONS, BOUNDS = ["std", "unit", "sign"], ["max", "min"]
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
    return MinSum(**fields).craft(view(torch.zeros(2, honest.shape[1]), honest), ())[0]


def searched(honest, direction, bound):
    """The paper's search, written plainly: double the shift, then bisect."""
    x = honest.double().numpy()
    mean = x.mean(axis=0)
    p = {"std": x.std(axis=0, ddof=1), "unit": mean, "sign": np.sign(mean)}[direction]
    p = p / np.linalg.norm(p)

    def total(point):
        return sum(np.sum((point - a) ** 2) for a in x)

    limit = {"max": max, "min": min}[bound](total(a) for a in x)
    low, high = 0.0, 1e-30
    while total(mean - high * p) <= limit:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if total(mean - middle * p) <= limit else (low, middle)
    return mean - low * p


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_on_a_line_it_lies_as_far_away_as_the_bound_says(view, direction):
    """Worked by hand: the mean is 3, the nearest update 1 away and the farthest 3."""
    honest = torch.tensor([[1.0], [2.0], [6.0]])

    assert crafted(view, honest, direction=direction).tolist() == [[0.0]] * 2
    assert crafted(view, honest, direction=direction, bound="min").tolist() == [[2.0]] * 2


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_what_the_search_of_the_paper_comes_to(view, kind, direction, bound):
    honest = updates(kind)

    sent = crafted(view, honest, direction=direction, bound=bound)

    expected = torch.from_numpy(searched(honest, direction, bound))
    scale = expected.abs().max()
    torch.testing.assert_close(sent[0].double() / scale, expected / scale, atol=2e-7, rtol=0)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 999), direction=st.sampled_from(DIRECTIONS), bound=st.sampled_from(BOUNDS)
)
def test_its_distances_add_up_to_those_of_an_honest_update(view, seed, direction, bound):
    honest = updates(seed=seed)

    sent = crafted(view, honest, direction=direction, bound=bound)

    sums = torch.cdist(honest.double(), honest.double()).square().sum(dim=1)
    its = (honest.double() - sent[0].double()).square().sum()
    assert its.item() == pytest.approx(getattr(sums, bound)().item(), rel=1e-5)


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_it_goes_against_what_it_is_named_for(view, direction, bound):
    honest = 5 + updates()
    mean = honest.mean(dim=0)

    shift = crafted(view, honest, direction=direction, bound=bound)[0] - mean

    towards = {"std": honest.std(dim=0), "unit": mean, "sign": mean.sign()}[direction]
    assert torch.cosine_similarity(shift, towards, dim=0).item() == pytest.approx(-1)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("value", [0.0, 3.0])
@pytest.mark.parametrize("n", [1, 4])
def test_where_updates_do_not_differ_it_sends_their_mean(view, n, value, direction):
    sent = crafted(view, torch.full((n, 3), value), direction=direction)

    torch.testing.assert_close(sent, torch.full((2, 3), value))


def test_without_omniscience_it_uses_only_its_own_updates(view):
    own = updates()

    sent, _ = MinSum().craft(view(own), ())

    assert sent.equal(crafted(view, own)[:1].expand_as(own))


@pytest.mark.parametrize("wrong", [{"direction": "uv"}, {"bound": "mean"}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MinSum(**wrong)
