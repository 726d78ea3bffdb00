import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.strategies.fed_adam import FedAdam


def test_two_rounds_by_hand(info):
    """Worked by hand: v = 1, then 0.75 + 0.25 * 16 = 4.75 and 0.75 * 4.75 = 3.5625."""
    server = FedAdam(lr=2, beta1=0.5, beta2=0.75, tau=1)
    state = server.init(torch.zeros(1))

    first, state = server.transform(torch.tensor([4.0]), state, info(torch.zeros(1, 1)))
    second, state = server.transform(torch.tensor([0.0]), state, info(torch.zeros(1, 1)))

    assert first.item() == pytest.approx(2 * 2 / (4.75**0.5 + 1))
    assert second.item() == pytest.approx(2 * 1 / (3.5625**0.5 + 1))
    assert [part.item() for part in state] == [1.0, 3.5625]


def test_starts_from_tau_squared_and_does_not_correct_the_first_step(info):
    """By hand: m = 0.1 * 1, v = 0.99 * 0.25 + 0.01; Kingma and Ba would move by about lr."""
    server = FedAdam(lr=1, tau=0.5)

    step, _ = server.transform(torch.ones(1), server.init(torch.zeros(1)), info(torch.ones(1, 1)))

    assert step.item() == pytest.approx(0.1 / (0.2575**0.5 + 0.5))


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.floats(-(2.0**60), 2.0**60, width=32), min_size=1, max_size=20))
def test_no_parameter_moves_by_more_than_its_docstring_says(info, sizes):
    server, state = FedAdam(), FedAdam().init(torch.zeros(1))

    for size in sizes:
        step, state = server.transform(torch.tensor([size]), state, info(torch.zeros(1, 1)))

        assert abs(step.item()) <= 2.4 * server.lr


def test_one_huge_round_stops_the_model_for_hundreds_of_rounds(info):
    server, state = FedAdam(lr=1), FedAdam().init(torch.zeros(1))
    attack, honest = torch.tensor([1e6]), torch.ones(1)

    _, state = server.transform(attack, state, info(torch.zeros(1, 1)))
    for _ in range(300):
        step, state = server.transform(honest, state, info(torch.zeros(1, 1)))

    assert 0 < step.item() < 1e-4


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0}, {"beta1": 1.0}, {"beta1": -0.1}, {"beta2": 1.0}, {"beta2": -0.1}, {"tau": 0}],
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FedAdam(**wrong)
