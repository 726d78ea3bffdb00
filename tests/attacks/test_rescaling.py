import pytest
import torch

from fedrobust.attacks.rescaling import Rescaling
from fedrobust.core.aggregator import Mean
from fedrobust.strategies.norm_clipping import NormClipping


def test_multiplies_each_client_s_own_update(view):
    own = torch.tensor([[1.0, -2.0], [0.0, 3.0]])

    sent, _ = Rescaling(factor=4).craft(view(own, torch.ones(3, 2)), ())

    assert sent.tolist() == [[4, -8], [0, 12]]


def test_a_factor_of_n_replaces_the_mean(view, info):
    """Four honest clients have come to rest, so the fifth decides alone."""
    own = torch.tensor([[1.0, -2.0]])
    sent, _ = Rescaling(factor=5).craft(view(own), ())
    rows = torch.cat([torch.zeros(4, 2), sent])

    torch.testing.assert_close(Mean().aggregate(rows, (), info(rows)).update, own[0])


def test_clipping_turns_it_into_an_honest_client_again(view, info):
    own = torch.tensor([[3.0, 4.0]])
    sent, _ = Rescaling(factor=1000).craft(view(own), ())

    clipped = NormClipping(max_norm=5.0).transform(sent, (), info(sent)).updates

    torch.testing.assert_close(clipped, own)


def test_random_factors_are_uniform_and_lose_the_direction(view):
    own = torch.full((4, 10_000), 2.0)

    sent, _ = Rescaling(factor=100, kind="uniform").craft(view(own), ())

    factors = sent / own
    assert factors.abs().max() <= 100
    assert not sent[0].equal(sent[1])
    torch.testing.assert_close(factors.mean(dim=1), torch.zeros(4), atol=2.5, rtol=0)
    torch.testing.assert_close(factors.std(dim=1), torch.full((4,), 57.7), atol=1.5, rtol=0)


@pytest.mark.parametrize("wrong", [{"factor": 0}, {"factor": -1}, {"kind": "normal"}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rescaling(**wrong)
