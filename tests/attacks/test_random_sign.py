import pytest
import torch

from fedrobust.attacks.random_sign import RandomSign


def test_keeps_every_magnitude_and_half_the_signs(view):
    own = torch.randn(4, 10_000, generator=torch.Generator().manual_seed(1)) * 1e18

    sent, _ = RandomSign().craft(view(own), ())

    assert sent.abs().equal(own.abs())
    kept = (sent == own).double().mean(dim=1)
    torch.testing.assert_close(kept, torch.full((4,), 0.5).double(), atol=0.03, rtol=0)


def test_clients_draw_different_signs_and_rounds_do_too(view):
    own = torch.ones(2, 50)

    sent, _ = RandomSign().craft(view(own), ())
    later, _ = RandomSign().craft(view(own, seed=1), ())

    assert not sent[0].equal(sent[1])
    assert not sent.equal(later)


def test_a_client_that_learned_nothing_sends_nothing(view):
    sent, _ = RandomSign().craft(view(torch.zeros(1, 3), torch.ones(2, 3)), ())

    assert not sent.any()


def test_rejects():
    with pytest.raises(ValueError, match="share"):
        RandomSign(share=0.5)
