import pytest
import torch

from fedrobust.core.local import Client, remember, train
from fedrobust.core.training import Training
from fedrobust.strategies.client_momentum import ClientMomentum


def test_averages_from_zero():
    """Worked by hand: 0.5 * 0 + 0.5 * 4 = 2, then 0.5 * 2 + 0.5 * 8 = 5."""
    momentum = ClientMomentum(beta=0.5)
    memory = momentum.remember(torch.zeros(1))

    first, memory = momentum.submit(torch.tensor([4.0]), memory, {})
    second, memory = momentum.submit(torch.tensor([8.0]), memory, {})

    assert (first.item(), second.item()) == (2.0, 5.0)
    assert memory["momentum"].item() == 5.0


def test_a_heavy_ball_adds_up():
    """Worked by hand: 4, then 0.5 * 4 + 8 = 10."""
    momentum = ClientMomentum(beta=0.5, form="heavy_ball", on="step")
    memory = momentum.remember(torch.zeros(1))

    first, memory = momentum.step(torch.tensor([4.0]), None, memory, {})
    second, memory = momentum.step(torch.tensor([8.0]), None, memory, {})

    assert (first.item(), second.item()) == (4.0, 10.0)


@pytest.mark.parametrize("on", ["update", "step"])
def test_touches_only_what_it_averages(on):
    momentum = ClientMomentum(on=on)
    memory, new = momentum.remember(torch.zeros(2)), torch.ones(2)

    stepped, _ = momentum.step(new, None, memory, {})
    sent, _ = momentum.submit(new, memory, {})

    assert stepped.equal(new) == (on == "update")
    assert sent.equal(new) == (on == "step")


def sent(task, federation, momentum, steps, rounds):
    """Return what the first client sends in each of some rounds from the initial model."""
    memory, updates = remember([momentum], task.init()), []
    for round in range(rounds):
        client = Client(federation.shards[0], memory, torch.Generator().manual_seed(round))
        update, (memory,) = train(task, Training(steps=steps), [momentum], task.init(), [client])
        updates.append(update[0])
    return torch.stack(updates)


def test_with_one_step_a_round_both_places_are_the_paper_s(task, federation):
    by_update = sent(task, federation, ClientMomentum(on="update"), steps=1, rounds=3)
    by_step = sent(task, federation, ClientMomentum(on="step"), steps=1, rounds=3)

    torch.testing.assert_close(by_update, by_step)


def test_what_is_sent_differs_less_from_round_to_round(task, federation):
    plain = sent(task, federation, ClientMomentum(beta=0.0), steps=1, rounds=40)
    averaged = sent(task, federation, ClientMomentum(beta=0.9), steps=1, rounds=40)

    noise = plain[20:].var(dim=0).sum()

    assert averaged[20:].var(dim=0).sum() < 0.2 * noise  # 1 / 19 for independent rounds


@pytest.mark.parametrize("wrong", [{"beta": 1.0}, {"beta": -0.1}, {"form": "adam"}, {"on": "x"}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClientMomentum(**wrong)
