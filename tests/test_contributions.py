"""What clients add to a real federation: who is worth least, and that nothing is lost."""

from itertools import permutations

import pytest
import torch
from torch import nn

from fedrobust.contributions import contributions
from fedrobust.core import metrics
from fedrobust.errors import ConfigError
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

DIGITS = {
    "rounds": 6,
    "clients": 6,
    "data": "digits",
    "training": {"steps": 20, "batch_size": 32, "lr": 0.2},
}
ONE_ROUND = {
    **DIGITS,
    "rounds": 1,
    "clients": 4,
    "data": {"name": "synthetic", "num_classes": 4, "test_size": 2500},
    "partition": {"name": "dirichlet", "alpha": 0.3},
    "training": {"steps": 5, "lr": 0.3},
}
RANDOM_LABELS = {"attack": {"name": "label_flip", "target": "random"}, "clients": [2]}
FREE_RIDER = {"attack": "free_rider", "clients": [2]}


def scenario(base=DIGITS, **fields):
    return Scenario.parse({**base, **fields})


class Branching(nn.Module):
    """A linear model with control flow that depends on data."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(10, 4)

    def forward(self, x):
        out = self.linear(x)
        return out if out.sum().item() > 0 else 2 * out


def by_all_orders(what, folder):
    """The values of a run of one round, by the definition, one model at a time."""
    world, ledgers = what.world(), []
    simulate(what, folder, watch=lambda progress: ledgers.append(progress.ledger))
    updates, start = ledgers[-1].updates, world.task.init()
    values, orders = [0.0] * what.clients, list(permutations(range(what.clients)))
    for order in orders:
        before = metrics.quality(world.task, start).accuracy
        for place, client in enumerate(order, 1):
            moved = start + updates[list(order[:place])].mean(dim=0)
            after = metrics.quality(world.task, moved).accuracy
            values[client] += (after - before) / len(orders)
            before = after
    return values


@pytest.mark.parametrize("adversary", [RANDOM_LABELS, FREE_RIDER])
@pytest.mark.parametrize("permutations", [None, 20])
def test_who_teaches_nothing_is_worth_least(adversary, permutations):
    found = contributions(scenario(adversary=[adversary]), permutations=permutations)

    others = [value for client, value in enumerate(found.values) if client != 2]
    assert found.values[2] < 0.0 < min(others)


def test_clients_with_equal_examples_are_worth_about_the_same():
    data = {"name": "synthetic", "size": 6000, "num_classes": 3}
    training = {"steps": 10, "batch_size": 1000, "lr": 0.1}

    found = contributions(scenario(data=data, training=training))

    mean = found.gain / 6
    assert mean > 0.05
    assert found.values == pytest.approx([mean] * 6, rel=0.2)


@pytest.mark.parametrize("model", ["softmax", f"{__name__}:Branching"])
def test_the_values_of_a_round_are_means_over_all_orders_of_joining(model, tmp_path):
    what = scenario(ONE_ROUND, model=model)

    found = contributions(what)

    expected = by_all_orders(what, tmp_path)
    assert found.values == pytest.approx(expected, abs=1 / 2500)
    assert max(expected) - min(expected) > 0.05
    assert found.errors == (0.0,) * 4


@pytest.mark.parametrize(("share", "judged_on"), [(0.0, "test"), (0.3, "validation")])
def test_values_add_up_to_how_far_the_accuracy_rose(share, judged_on, tmp_path):
    what = scenario(validation=share)
    world = what.world()
    task = world.validated or world.task
    reached = []
    simulate(what, tmp_path, watch=lambda progress: reached.append(progress.ledger))

    found = contributions(what)

    start = world.task.init()
    end = start + torch.stack([ledger.update for ledger in reached[1:]]).sum(dim=0)
    rose = metrics.quality(task, end).accuracy - metrics.quality(task, start).accuracy
    assert sum(found.values) == pytest.approx(found.gain)
    assert found.gain == pytest.approx(rose, abs=2 / len(task.data.y_test))
    assert found.judged_on == judged_on


def test_sampled_values_are_as_near_to_exact_ones_as_their_errors_say():
    what = scenario(adversary=[RANDOM_LABELS])
    exact = torch.tensor(contributions(what).values)

    found = contributions(what, permutations=40)

    values, errors = torch.tensor(found.values), torch.tensor(found.errors)
    assert ((values - exact).abs() < 4 * errors).all()
    assert errors.max() < 0.1
    assert contributions(what, permutations=40) == found


def test_truncated_values_miss_less_than_the_tolerance_in_each_round():
    found = contributions(scenario(), permutations=5, tolerance=0.05)

    assert 0 < abs(sum(found.values) - found.gain) < 0.05 * 6


def test_who_is_not_heard_of_is_worth_nothing():
    found = contributions(scenario(rounds=1, clients=12, sample=0.5))

    assert len(found.values) == 12
    assert sum(value != 0.0 for value in found.values) == 6
    assert sum(found.values) == pytest.approx(found.gain)


def test_who_sends_what_is_no_update_is_worth_nothing():
    liar = {"attack": "non_finite", "clients": [2]}

    found = contributions(scenario(rounds=1, adversary=[liar]))

    assert [client for client, value in enumerate(found.values) if value == 0.0] == [2]
    assert sum(found.values) == pytest.approx(found.gain)


def test_a_round_without_replies_has_no_values():
    lost = {"name": "drop_out", "probability": 1.0}

    found = contributions(scenario(rounds=1, fault=[lost]))

    assert found.values == (0.0,) * 6
    assert found.gain == 0.0


def test_the_server_takes_the_mean_and_clients_keep_their_ways():
    clipped = {"name": "gradient_clipping", "max_norm": 0.5}

    with_rule = contributions(scenario(strategy=[clipped, "coordinate_median"]))

    assert with_rule == contributions(scenario(strategy=[clipped]))
    assert with_rule != contributions(scenario())


def test_more_than_ten_clients_a_round_have_to_be_sampled():
    many = scenario(clients=11, rounds=1)

    with pytest.raises(ConfigError, match=r"at most 10 clients a round, not 11; .* permutations"):
        contributions(many)

    assert len(contributions(many, permutations=2).values) == 11
