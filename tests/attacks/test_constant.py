import pytest
import torch

from fedrobust.attacks.constant import Constant
from fedrobust.core.aggregator import Mean
from fedrobust.strategies.coordinate_median import CoordinateMedian


def test_sends_the_same_number_in_every_coordinate(view):
    sent, _ = Constant(value=-2.5).craft(view(torch.randn(2, 3)), ())

    assert sent.tolist() == [[-2.5] * 3] * 2


def test_sends_nothing_by_default(view):
    sent, _ = Constant().craft(view(torch.ones(2, 3)), ())

    assert not sent.any()


@pytest.mark.parametrize("value", [3e38, -3e38])
def test_the_largest_numbers_stay_finite(view, value):
    sent, _ = Constant(value=value).craft(view(torch.zeros(1, 2)), ())

    assert sent.isfinite().all()


def test_zeros_stop_the_median_of_clients_who_differ_and_only_slow_the_mean_down(view, info):
    """Worked by hand: three honest clients and two silent ones."""
    honest = torch.tensor([[3.0], [3.0], [-1.0]])
    sent, _ = Constant().craft(view(torch.zeros(2, 1), honest), ())
    rows = torch.cat([honest, sent])

    assert Mean().aggregate(rows, (), info(rows)).update.item() == 1
    assert CoordinateMedian().aggregate(honest, (), info(honest)).update.item() == 3
    assert CoordinateMedian().aggregate(rows, (), info(rows)).update.item() == 0


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e39, -1e39])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="value"):
        Constant(value=wrong)
