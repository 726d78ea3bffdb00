import pytest
import torch

from fedrobust.attacks.nullification import Nullification
from fedrobust.core.aggregator import Mean


def test_golden_vector(view):
    """Worked by hand: three honest updates around (4, 5, 6), and two clients to undo them."""
    honest = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])

    sent, _ = Nullification().craft(view(torch.zeros(2, 3), honest), ())

    assert sent.tolist() == [[-6, -7.5, -9]] * 2


@pytest.mark.parametrize("scale", [1e-18, 1.0, 1e18])
@pytest.mark.parametrize("m", [1, 3])
def test_the_mean_learns_nothing(view, info, m, scale):
    honest = (1 + torch.randn(7, 50, generator=torch.Generator().manual_seed(0))) * scale
    sent, _ = Nullification().craft(view(torch.zeros(m, 50), honest), ())
    rows = torch.cat([honest, sent])

    update = Mean().aggregate(rows, (), info(rows)).update

    torch.testing.assert_close(update / scale, torch.zeros(50), atol=1e-6, rtol=0)


def test_without_omniscience_its_own_mean_stands_for_the_others(view):
    """Two of six: four honest clients, taken to send (2, 0) each."""
    own = torch.tensor([[1.0, 0.0], [3.0, 0.0]])

    sent, _ = Nullification().craft(view(own, num_clients=6), ())

    assert sent.tolist() == [[-4, 0]] * 2


def test_each_client_that_sees_only_itself_does_its_share(view):
    """One of two that are controlled, of six."""
    seen = view(torch.tensor([[1.0, -1.0]]), num_clients=6, num_controlled=2)

    sent, _ = Nullification().craft(seen, ())

    assert sent.tolist() == [[-2, 2]]


def test_where_nobody_is_honest_it_sends_nothing(view):
    sent, _ = Nullification().craft(view(torch.ones(2, 3), torch.zeros(0, 3)), ())

    assert not sent.any()


def test_rejects():
    with pytest.raises(ValueError, match="scale"):
        Nullification(scale=2)
