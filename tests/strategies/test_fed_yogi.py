import pytest
import torch

from fedrobust.strategies.fed_adam import FedAdam
from fedrobust.strategies.fed_yogi import FedYogi


def test_two_rounds_by_hand(info):
    """Worked by hand: v = 1 + 0.25 * 16 = 5, then 5 - 0.25 * 4 = 4."""
    server = FedYogi(lr=2, beta1=0.5, beta2=0.75, tau=1)
    state = server.init(torch.zeros(1))

    first, state = server.transform(torch.tensor([4.0]), state, info(torch.zeros(1, 1)))
    second, state = server.transform(torch.tensor([2.0]), state, info(torch.zeros(1, 1)))

    assert first.item() == pytest.approx(2 * 2 / (5**0.5 + 1))
    assert second.item() == pytest.approx(2 * 2 / (4**0.5 + 1))
    assert [part.item() for part in state] == [2.0, 4.0]


def test_an_update_as_large_as_the_root_of_v_leaves_v_alone(info):
    server = FedYogi(tau=0.5)

    _, (_, v) = server.transform(
        torch.tensor([-0.5]), server.init(torch.zeros(1)), info(torch.zeros(1, 1))
    )

    assert v.item() == 0.25


def test_v_never_becomes_negative(info, hard):
    server, state = FedYogi(beta2=0.0), FedYogi().init(hard[0])

    for update in [*hard, *hard.flip(0)]:
        step, state = server.transform(update, state, info(hard))

        assert state[1].ge(0).all()
        assert step.isfinite().all()


def test_its_steps_lengthen_more_slowly_than_adam_s(info):
    """After a large round, small ones: Adam forgets a hundredth of v a round, Yogi hardly any."""
    rounds = [10.0] + 200 * [0.1]

    def last_step(server):
        state = server.init(torch.zeros(1))
        for size in rounds:
            step, state = server.transform(torch.tensor([size]), state, info(torch.zeros(1, 1)))
        return step.item()

    assert 0 < 2 * last_step(FedYogi()) < last_step(FedAdam())


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0}, {"beta1": 1.0}, {"beta1": -0.1}, {"beta2": 1.0}, {"beta2": -0.1}, {"tau": 0}],
)
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FedYogi(**wrong)
