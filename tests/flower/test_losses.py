"""What clients say they lose by the model that they are sent, from them to the rule."""

import pytest
import torch
from flwr.app import MetricRecord
from flwr.serverapp import strategy as flower
from torch.nn.functional import cross_entropy

from fedrobust.attacks.loss_inflation import LossInflation
from fedrobust.core.admission import claimed_losses
from fedrobust.core.adversary import Adversary, Attack, Knowledge
from fedrobust.core.cohort import losses_of
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.fault_grid import FaultGrid
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.server_app import serve, strategy_of
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate

FAIR = {
    "data": "digits",
    "clients": 5,
    "rounds": 2,
    "partition": "power_law",
    "strategy": "q_fed_avg",
}


class Open(LocalGrid):
    """A grid that hands out replies as messages, as any other grid does."""

    def send_and_receive(self, messages, *, timeout=None):
        return list(super().send_and_receive(messages, timeout=timeout))


def weights(grid, scenario=FAIR, change=lambda replies: None):
    """Return what clients weighed in each round."""
    scenario = Scenario.parse(scenario)
    world, found = scenario.world(), []

    class Changing(FaultGrid):
        def send_and_receive(self, messages, *, timeout=None):
            replies = super().send_and_receive(messages, timeout=timeout)
            change(replies)
            return replies

    def keep(ledger):
        found.append([entry.weight for entry in ledger.entries])

    strategy = strategy_of(scenario, world, on_round=keep)
    inner = grid(FedRobustApp(lambda _: world), scenario.clients)
    outer = Changing(inner, (), scenario.seed)
    serve(outer, strategy, world, world.task.init(), scenario.rounds, lambda *_: None)
    return found


def test_a_loss_is_the_mean_cross_entropy_of_ones_own_examples():
    world = Scenario.parse(FAIR).world()
    start, data = world.task.init(), world.task.data

    found = losses_of(world, start, [3, 1])

    for client, loss in zip([3, 1], found, strict=True):
        held = world.federation.shards[client]
        expected = cross_entropy(world.task.logits(start, data.x[held]).double(), data.y[held])
        assert loss == pytest.approx(expected.item(), rel=1e-9)


def test_of_models_of_their_own_each_tells_of_its_own():
    world = Scenario.parse(FAIR).world()
    starts = torch.randn(2, world.task.layout.size)

    both = losses_of(world, starts, [0, 1])

    alone = [losses_of(world, s, [c])[0] for c, s in enumerate(starts)]
    assert both == pytest.approx(alone, rel=1e-12)
    assert both[0] != both[1]


def test_the_rule_learns_the_same_from_a_cohort_and_from_messages():
    whole, single = weights(LocalGrid), weights(Open)

    assert whole == [pytest.approx(round, rel=1e-5) for round in single]
    assert len(set(whole[1])) > 1


@pytest.mark.parametrize("grid", [LocalGrid, Open])
def test_a_liar_counts_as_if_it_lost_as_much_as_it_says(grid):
    """In the first round all start alike, so that only what client 2 says has changed."""
    scenario = Scenario.parse(FAIR)
    liar = {"attack": {"name": "loss_inflation", "factor": 4.0}, "clients": [2]}
    (adversary,) = Scenario.parse({**FAIR, "adversary": [liar]}).adversaries
    losses = losses_of(scenario.world(), scenario.world().task.init(), range(5))

    def lying(inner, size):
        return AdversaryGrid(grid(inner, size), [adversary])

    true, lied = weights(grid)[0], weights(lying)[0]

    q = true[2] / losses[2], lied[2] / (4 * losses[2])  # with q = 1 weights grow with losses
    for client in (0, 1, 3, 4):
        assert true[client] / losses[client] == pytest.approx(q[0], rel=1e-5)
        assert lied[client] / losses[client] == pytest.approx(q[1], rel=1e-5)


def test_flowers_own_q_fed_avg_comes_to_the_same_model():
    """In one round: then Flower's model has become float64, which no client was asked to train."""
    scenario = Scenario.parse(FAIR)
    world = scenario.world()
    start = ModelRecord(world.task.layout, world.task.init())
    theirs = flower.QFedAvg(client_learning_rate=0.1, q=1.0, fraction_evaluate=0.0)

    def after(strategy):
        grid = LocalGrid(FedRobustApp(lambda _: scenario.world()), scenario.clients)
        return Form.of(start).vector(strategy.start(grid, start, num_rounds=1).arrays)

    ours = after(strategy_of(scenario, world))

    torch.testing.assert_close(ours, after(theirs), rtol=0, atol=1e-6)
    assert not torch.allclose(ours, world.task.init(), rtol=0, atol=1e-3)


def test_a_lie_counts_up_to_a_hundred_times_the_median():
    def lie(replies):
        for reply in replies[:1]:
            reply.content["metrics"]["train_loss"] = 1e30

    honest, lied = weights(Open), weights(Open, change=lie)

    assert lied[0][0] > 0.9 * sum(lied[0])
    assert lied[0][0] < 1
    assert honest[0][0] < 0.5 * sum(honest[0])


def test_without_any_claim_the_model_stays_as_it_was():
    def silence(replies):
        for reply in replies:
            reply.content["metrics"] = MetricRecord({"num-examples": 1})

    assert weights(Open, change=silence) == [[None] * 5] * 2


@pytest.mark.parametrize("claim", [None, "much", float("nan"), -1.0, True, 10**400])
def test_a_claim_that_is_no_loss_counts_as_a_hundredth_of_the_median(claim):
    assert claimed_losses([2.0, claim, 4.0]).tolist() == [2.0, 0.04, 4.0]


def test_if_nobody_says_anything_nothing_is_known():
    assert claimed_losses([None, "much"]) is None
    assert claimed_losses([]) is None
    assert claimed_losses([1.0, 1.0, 1e9, 1e-9]).tolist() == [1.0, 1.0, 100.0, 0.01]


def test_an_attacker_who_knows_the_rule_rehearses_with_losses(tmp_path):
    """Else every try would come to nothing, and it would send what it sends without knowledge."""
    table = {**FAIR, "rounds": 3, "clients": 10, "evaluate_every": 3}
    ipm = {"share": 0.2, "attack": {"name": "adaptive", "attack": "ipm"}}
    plain = {"share": 0.2, "attack": "ipm"}
    adaptive = simulate(Scenario.parse({**table, "adversary": [ipm]}), tmp_path)

    other = simulate(Scenario.parse({**table, "adversary": [plain]}), tmp_path)

    assert adaptive.summary.kept == 0
    assert adaptive.model_hash != other.model_hash


def test_who_knows_the_rule_rehearses_with_the_losses_it_lies_about():
    class Probe(Attack):
        def craft(self, view, state):
            view.simulate(view.own)
            return view.own, state

    world, told = Scenario.parse(FAIR).world(), []

    def rehearse(updates, clients, examples, generator, losses):
        told.append(losses.tolist())
        return updates[0]

    clients = frozenset({1, 2})
    adversary = Adversary((LossInflation(factor=4.0), Probe()), clients, Knowledge.RULE)
    inner = LocalGrid(FedRobustApp(lambda _: world), 5)
    outer = AdversaryGrid(inner, [adversary], rehearse=rehearse)
    strategy = strategy_of(Scenario.parse(FAIR), world)

    serve(outer, strategy, world, world.task.init(), 1, lambda *_: None)

    true = losses_of(world, world.task.init(), range(5))
    lied = [4 * loss if client in clients else loss for client, loss in enumerate(true)]
    assert told == [pytest.approx(lied, rel=1e-6)]
