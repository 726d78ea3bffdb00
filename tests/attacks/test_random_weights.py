import pytest
import torch

from fedrobust.attacks.random_weights import RandomWeights
from fedrobust.core.local import Client, remember, train
from fedrobust.core.training import Training
from fedrobust.strategies.client_momentum import ClientMomentum


def sent(task, federation, *behaviors, seed=0):
    start = task.init()
    clients = [
        Client(shard, remember(behaviors, start), torch.Generator().manual_seed(seed + i))
        for i, shard in enumerate(federation.shards[:4])
    ]
    return train(task, Training(epochs=1), behaviors, start, clients)[0]


def test_what_is_drawn_becomes_a_number_between_the_bounds():
    """Worked by hand: 0, 1/2 and 3/4 of the way from -4 to 4."""
    draws = {"uniform": torch.tensor([0.0, 0.5, 0.75])}

    update, memory = RandomWeights(bound=4).submit(torch.ones(3), {}, draws)

    assert update.tolist() == [-4, 0, 2]
    assert memory == {}


@pytest.mark.parametrize("bound", [1e-3, 0.5])
def test_numbers_are_uniform(bound):
    attack, params = RandomWeights(bound=bound), torch.zeros(100_000)
    draws = attack.draw_submit(params, torch.Generator().manual_seed(0))

    update, _ = attack.submit(params, {}, draws)

    assert update.abs().max().item() <= bound
    assert update.mean().item() == pytest.approx(0, abs=0.01 * bound)
    assert update.std().item() == pytest.approx(bound / 3**0.5, rel=0.01)


def test_each_client_draws_its_own_in_each_round(task, federation):
    one, another = (sent(task, federation, RandomWeights(), seed=seed) for seed in (0, 10))

    assert len({tuple(row) for row in torch.cat([one, another]).tolist()}) == 8
    assert one.equal(sent(task, federation, RandomWeights(), seed=0))


def test_nothing_of_what_behaviors_beneath_it_add_is_sent(task, federation):
    alone = sent(task, federation, RandomWeights())
    momentum = ClientMomentum()

    assert sent(task, federation, momentum, RandomWeights()).equal(alone)


@pytest.mark.parametrize("wrong", [{"bound": 0}, {"bound": -1e-3}, {"bound": float("inf")}])
def test_rejects(wrong):
    with pytest.raises(ValueError, match="bound"):
        RandomWeights(**wrong)
