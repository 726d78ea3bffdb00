import pytest
import torch

from fedrobust.attacks.additive_noise import AdditiveNoise
from fedrobust.attacks.gaussian_noise import GaussianNoise


def rows(n=4, d=10_000, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_by_default_the_noise_is_as_long_as_each_client_s_own_update(view):
    own = rows() * torch.tensor([0.001, 1.0, 50.0, 1e18])[:, None]

    sent, _ = AdditiveNoise().craft(view(own), ())

    ratios = (sent.double() - own).norm(dim=1) / own.double().norm(dim=1)
    torch.testing.assert_close(ratios, torch.ones(4).double(), atol=0.05, rtol=0)


def test_the_update_stays_what_is_sent_on_average(view):
    own = torch.full((4, 10_000), 7.0)

    sent, _ = AdditiveNoise(std=2).craft(view(own), ())

    torch.testing.assert_close(sent.mean(dim=1), torch.full((4,), 7.0), atol=0.1, rtol=0)
    torch.testing.assert_close(sent.std(dim=1), torch.full((4,), 2.0), atol=0.1, rtol=0)


def test_with_a_deviation_of_its_own_it_adds_what_gaussian_noise_sends(view):
    own = rows(2, 5)

    added, _ = AdditiveNoise(std=3).craft(view(own), ())
    noise, _ = GaussianNoise(std=3).craft(view(own), ())

    torch.testing.assert_close(added, own + noise)


def test_clients_draw_different_noise(view):
    sent, _ = AdditiveNoise().craft(view(torch.ones(2, 3)), ())

    assert not sent[0].equal(sent[1])


def test_what_others_send_does_not_matter(view):
    own = rows(2, 5)

    alone, _ = AdditiveNoise().craft(view(own), ())
    omniscient, _ = AdditiveNoise().craft(view(own, rows(3, 5, seed=1)), ())

    assert omniscient.equal(alone)


@pytest.mark.parametrize("std", [None, 0.0])
def test_a_client_that_learned_nothing_or_adds_none_sends_its_update(view, std):
    own = torch.zeros(2, 3) if std is None else torch.ones(2, 3)

    sent, _ = AdditiveNoise(std=std).craft(view(own), ())

    assert sent.equal(own)


@pytest.mark.parametrize("wrong", [{"std": -1}, {"std": float("nan")}, {"mean": 1.0}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AdditiveNoise(**wrong)
