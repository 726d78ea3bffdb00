import pytest
import torch

from fedrobust.attacks.ipm import IPM
from fedrobust.core.aggregator import Mean


def test_golden_vector(view):
    honest = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])

    sent, _ = IPM(epsilon=2).craft(view(torch.zeros(2, 3), honest), ())

    assert sent.tolist() == [[-8, -10, -12]] * 2


@pytest.mark.parametrize(("epsilon", "turned"), [(3.9, False), (4.1, True)])
def test_turns_the_mean_around_above_honest_over_malicious(view, info, epsilon, turned):
    """Worked by hand: 8 honest and 2 malicious clients, so the threshold is 4."""
    honest = torch.ones(8, 3)
    sent, _ = IPM(epsilon=epsilon).craft(view(torch.zeros(2, 3), honest), ())

    rows = torch.cat([honest, sent])
    update = Mean().aggregate(rows, (), info(rows)).update

    assert (update < 0).all() == turned


def test_without_omniscience_it_reverses_its_own_mean(view):
    sent, _ = IPM(epsilon=1).craft(view(torch.tensor([[1.0], [3.0]])), ())

    assert sent.tolist() == [[-2.0], [-2.0]]


@pytest.mark.parametrize("wrong", [0, -0.1])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="epsilon"):
        IPM(epsilon=wrong)
