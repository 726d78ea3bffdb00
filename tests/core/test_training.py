"""The learning rate of a round."""

import pytest
import torch

from fedrobust.core.cohort import train_cohort
from fedrobust.core.training import Training
from fedrobust.scenario import Scenario

SMALL = {"data": "digits", "clients": 4, "rounds": 9}


def update_of(round, **training):
    world = Scenario.parse({**SMALL, "training": training}).world()
    return train_cohort(world, world.task.init(), range(4), [{}] * 4, round)[0]


def test_each_round_multiplies_the_learning_rate():
    plan = Training(lr=0.8, lr_decay=0.5)

    assert [plan.at(round).lr for round in (1, 2, 4)] == [0.8, 0.4, 0.1]
    assert plan.at(4) == plan.at(4).at(4) == Training(lr=0.1)
    assert Training(lr=0.3).at(1000) == Training(lr=0.3)


def test_a_learning_rate_never_becomes_none_at_all():
    assert 0 < Training(lr_decay=0.01).at(10_000).lr < 1e-20


def test_clients_take_shorter_steps_in_later_rounds():
    decayed = update_of(3, lr=0.4, lr_decay=0.5)

    assert torch.equal(decayed, update_of(3, lr=0.1))
    assert not torch.equal(decayed, update_of(3, lr=0.4))


def test_attackers_who_train_longer_take_shorter_steps_too():
    spec = {"attack": "label_flip", "clients": [1], "training": {"epochs": 3}}
    table = {**SMALL, "training": {"lr": 0.4, "lr_decay": 0.5}, "adversary": [spec]}
    world = Scenario.parse(table).world()

    assert world.training_of(1, 3) == Training(epochs=3, lr=0.1)
    assert world.training_of(0, 3) == Training(lr=0.1)


def test_a_server_with_examples_of_its_own_takes_shorter_steps_too():
    def learned(**training):
        table = {**SMALL, "training": training, "root_examples": 30}
        world = Scenario.parse(table).world()
        return world.root_data(3, world.task.init()).update

    assert torch.equal(learned(lr=0.4, lr_decay=0.5), learned(lr=0.1))


def test_without_decay_a_scenario_is_what_it_was_before_there_was_any():
    plain = Scenario.parse(SMALL)

    assert "lr_decay" not in plain.table()["training"]
    assert Scenario.parse({**SMALL, "training": {"lr_decay": 0.9}}).digest() != plain.digest()


@pytest.mark.parametrize("wrong", [0.0, 1.5, -1])
def test_a_decay_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="lr_decay"):
        Training(lr_decay=wrong)
