import pytest
import torch

from fedrobust.attacks.gaussian_noise import GaussianNoise


def test_replaces_updates_by_noise_of_the_given_moments(view):
    sent, _ = GaussianNoise(mean=3, std=2).craft(view(torch.full((4, 10_000), 1e6)), ())

    torch.testing.assert_close(sent.mean(dim=1), torch.full((4,), 3.0), atol=0.1, rtol=0)
    torch.testing.assert_close(sent.std(dim=1), torch.full((4,), 2.0), atol=0.1, rtol=0)


def test_clients_draw_different_noise(view):
    sent, _ = GaussianNoise().craft(view(torch.zeros(2, 3)), ())

    assert not sent[0].equal(sent[1])


@pytest.mark.parametrize("wrong", [{"std": -1}, {"mode": "add"}, {"mean": float("nan")}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GaussianNoise(**wrong)
