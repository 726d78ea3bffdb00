import pytest
import torch

from fedrobust.attacks.free_rider import FreeRider
from fedrobust.core.local import Client, remember, train
from fedrobust.core.training import Training
from fedrobust.strategies.client_momentum import ClientMomentum


def sent(task, federation, *behaviors):
    start = task.init()
    clients = [
        Client(shard, remember(behaviors, start), torch.Generator().manual_seed(i))
        for i, shard in enumerate(federation.shards[:4])
    ]
    return train(task, Training(epochs=1), behaviors, start, clients)[0]


def test_sends_back_the_global_model(task, federation):
    assert not sent(task, federation, FreeRider()).any()


def test_hides_behind_noise(task, federation):
    updates = sent(task, federation, FreeRider(noise=0.5))

    assert updates.std().item() == pytest.approx(0.5, rel=0.3)
    assert not updates[0].equal(updates[1])


def test_sends_nothing_of_what_behaviors_beneath_it_add(task, federation):
    rider = FreeRider()
    memory = {"momentum": torch.ones(9)}
    momentum = ClientMomentum()
    client = Client(federation.shards[0], [memory, {}], torch.Generator())

    updates, _ = train(task, Training(), [momentum, rider], task.init(), [client])

    assert not updates.any()


def test_rejects():
    with pytest.raises(ValueError, match="noise"):
        FreeRider(noise=-1)
