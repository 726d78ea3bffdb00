import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.fed_adagrad import FedAdagrad


def test_two_rounds_by_hand(info):
    """Worked by hand: v = 1 + 8 = 9, then 9 + 16 = 25."""
    server = FedAdagrad(lr=3, tau=1)
    state = server.init(torch.zeros(1))

    first, state = server.transform(torch.tensor([8**0.5]), state, info(torch.zeros(1, 1)))
    second, state = server.transform(torch.tensor([-4.0]), state, info(torch.zeros(1, 1)))

    assert first.item() == pytest.approx(3 * 8**0.5 / (3 + 1))
    assert second.item() == pytest.approx(3 * -4 / (5 + 1))
    assert state[1].item() == pytest.approx(25)


def test_with_momentum_it_keeps_a_mean_of_updates(info):
    """Worked by hand: m = 0.5 * 4 = 2, then 0.5 * 2 = 1; v stays at 9 + 16 = 25."""
    server = FedAdagrad(lr=8, beta1=0.5, tau=3)
    state = server.init(torch.zeros(1))

    _, state = server.transform(torch.tensor([4.0]), state, info(torch.zeros(1, 1)))
    second, _ = server.transform(torch.zeros(1), state, info(torch.zeros(1, 1)))

    assert second.item() == pytest.approx(8 * 1 / (5 + 3))


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=20))
def test_no_parameter_moves_by_more_than_the_learning_rate(info, sizes):
    server, state = FedAdagrad(), FedAdagrad().init(torch.zeros(1))

    for size in sizes:
        step, state = server.transform(torch.tensor([size]), state, info(torch.zeros(1, 1)))

        assert abs(step.item()) <= server.lr


def test_equal_rounds_take_ever_shorter_steps(info):
    server, state, steps = FedAdagrad(), FedAdagrad().init(torch.zeros(1)), []

    for _ in range(10):
        step, state = server.transform(torch.ones(1), state, info(torch.zeros(1, 1)))
        steps.append(step.item())

    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == pytest.approx(steps[0] / 10**0.5, rel=1e-3)


@pytest.mark.parametrize(
    "wrong", [{"lr": 0}, {"beta1": 1.0}, {"beta1": -0.1}, {"beta2": 0.9}, {"tau": 0}]
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FedAdagrad(**wrong)
