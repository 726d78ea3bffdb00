import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.attacks.alie import ALIE
from fedrobust.attacks.spectral_shift import SpectralShift
from fedrobust.strategies.smea import SMEA


def updates(kind="random", seed=0):
    g = torch.Generator().manual_seed(seed)
    noise = 0.3 + torch.randn(8, 30, generator=g) * torch.linspace(0.1, 2, 30)
    if kind == "heavy_tailed":
        return noise / torch.randn(8, 30, generator=g)
    return noise * {"tiny": 1e-12, "huge": 1e17}.get(kind, 1.0)


def crafted(view, honest, **fields):
    return SpectralShift(**fields).craft(view(torch.zeros(3, honest.shape[1]), honest), ())[0]


def test_golden_vector(view):
    """Worked by hand: variances 8/3 and 2/3, and a mean that points up the first axis."""
    honest = torch.tensor([[4.0, 0.0], [2.0, 1.0], [0.0, 0.0], [2.0, -1.0]])

    sent = crafted(view, honest, shift=2)

    torch.testing.assert_close(sent, torch.tensor([[2 - 2 * 2**0.5, 0.0]] * 3))


@pytest.mark.parametrize("kind", ["random", "heavy_tailed", "tiny", "huge"])
def test_it_is_the_first_singular_vector(view, kind):
    """Against numpy's decomposition of the centered updates, in float64."""
    honest = updates(kind)
    x = honest.double().numpy()
    mean = x.mean(axis=0)
    _, sizes, vectors = np.linalg.svd(x - mean)
    u = -np.sign(vectors[0] @ mean) * vectors[0]

    sent = crafted(view, honest, shift=2.5)[0].double()

    expected = torch.from_numpy(mean + 2.5 * sizes[0] / np.sqrt(8) * u)
    torch.testing.assert_close(sent / sizes[0], expected / sizes[0], atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 999))
def test_it_points_against_the_mean_and_not_on_who_sends_what(view, seed):
    honest = updates(seed=seed)
    shuffled = honest[torch.randperm(8, generator=torch.Generator().manual_seed(seed))]

    sent = crafted(view, honest)

    mean = honest.mean(dim=0)
    assert (sent[0] - mean) @ mean <= 0
    torch.testing.assert_close(crafted(view, shuffled), sent, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 4])
def test_where_updates_do_not_differ_it_sends_their_mean(view, n):
    assert crafted(view, torch.full((n, 2), 3.0)).tolist() == [[3, 3]] * 3


def test_without_omniscience_it_uses_only_its_own_updates(view):
    own = updates()

    sent, _ = SpectralShift().craft(view(own), ())

    assert sent.equal(crafted(view, own)[:1].expand_as(own))


def test_three_of_eleven_move_smea_farther_than_by_any_shift_of_alie(view, info):
    """Mean squared error over ten draws, in units of the largest variance."""

    def error(attack):
        total = 0.0
        for seed in range(10):
            honest = updates(seed=seed)
            sent, _ = attack.craft(view(torch.zeros(3, 30), honest), True)
            rows, mean = torch.cat([honest, sent]), honest.mean(dim=0)
            update = SMEA().aggregate(rows, (), info(rows, num_malicious=3)).update
            spread = torch.linalg.matrix_norm(honest - mean, 2).square() / len(honest)
            total += ((update - mean).square().sum() / spread).item() / 10
        return total

    alie = max(error(ALIE(z=z, sign=sign)) for z in (0.25, 0.5, 1.0, 1.5) for sign in (1, -1))
    assert error(SpectralShift()) > 1.2 * alie
    assert error(SpectralShift(shift=6.0)) < 0.05


@pytest.mark.parametrize("wrong", [0, -1, float("inf")])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="shift"):
        SpectralShift(shift=wrong)
