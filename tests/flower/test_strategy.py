"""How a rule becomes a Flower strategy."""

from typing import Any

import pytest
import torch
from flwr.app import ArrayRecord, Context, Message, RecordDict
from flwr.serverapp import Grid

from fedrobust.core.aggregator import Aggregate, Aggregator, Bounded, Mean
from fedrobust.core.sampling import malicious_in_sample
from fedrobust.errors import ConfigError
from fedrobust.flower.client_app import FedRobustApp, app, scenario_of
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.roster import Roster


class Recorder(Mean):
    """The mean, and what it was told."""

    infos: Any  # a list, which pydantic would copy

    def aggregate(self, updates, state, info):
        self.infos.append(info)
        return super().aggregate(updates, state, info)


def test_clients_are_sampled_by_their_ids_and_the_seed_alone(world, played):
    def sampled(seed):
        infos = []
        played(world(), Recorder(infos=infos), rounds=5, fraction_train=0.4, seed=seed)
        return [info.clients.tolist() for info in infos]

    torch.manual_seed(1)
    first = sampled(0)
    torch.manual_seed(2)

    assert sampled(0) == first != sampled(1)
    assert all(len(clients) == 4 and clients == sorted(clients) for clients in first)
    assert len({tuple(clients) for clients in first}) > 1


def test_under_sampling_a_rule_is_told_how_many_may_be_malicious(world, played):
    infos = []
    played(world(), Recorder(infos=infos), rounds=1, fraction_train=0.5, num_malicious=3)

    assert infos[0].num_malicious == malicious_in_sample(10, 3, 5) == 3


def test_a_round_below_a_rules_bound_keeps_the_model(world, played):
    class Strict(Bounded, Mean):
        def aggregate(self, updates, state, info):
            self.malicious_among(len(updates), info)
            return super().aggregate(updates, state, info)

    model, ledgers = played(world(), Strict(num_malicious=5), rounds=2)

    assert model.equal(world().task.init())
    assert [ledger.applied for ledger in ledgers] == [False, False]
    assert "n >= 2f + 1" in ledgers[0].note


def test_an_aggregate_that_is_not_finite_is_not_applied(world, played):
    class Wild(Aggregator):
        def aggregate(self, updates, state, info):
            return Aggregate(updates[0] * float("inf"))

    model, ledgers = played(world(), Wild(), rounds=1)

    assert model.equal(world().task.init())
    assert "not finite" in ledgers[0].note


def test_the_state_of_a_rule_goes_from_round_to_round(world, played):
    class Counting(Mean):
        def init(self, params):
            return 0

        def aggregate(self, updates, state, info):
            states.append(state)
            return super().aggregate(updates, state, info)._replace(state=state + 1)

    states = []
    played(world(), Counting(), rounds=3)

    assert states == [0, 1, 2]


@pytest.mark.parametrize("cohort", [True, False])
def test_a_rule_can_give_each_client_a_model_of_its_own(world, played, cohort):
    """Client i is rewarded with a model of only the number i, and trains from there."""

    class Reward(Mean):
        def aggregate(self, updates, state, info):
            seen.append(updates)
            models = info.clients[:, None].float().expand(len(updates), updates.shape[1])
            return super().aggregate(updates, state, info)._replace(models=models)

    seen = []
    setting = world(lr=1e-6)
    _, ledgers = played(setting, Reward(), rounds=2, cohort=cohort)

    assert all(entry.fault is None for entry in ledgers[1].entries)
    assert not torch.allclose(seen[0][3], seen[1][3])
    assert seen[1].norm(dim=1).max() < 1e-3  # updates are taken from what each client was sent


class Deployment(Grid):
    """A grid that, like a SuperLink, knows node ids and nothing about clients."""

    run = None

    def __init__(self, claims):
        self.claims = claims
        self.local = LocalGrid(FedRobustApp(lambda _: None), 1)

    def get_node_ids(self):
        return list(self.claims)

    def send_and_receive(self, messages, *, timeout=None):
        for message in messages:
            node = message.metadata.dst_node_id
            claim = self.claims[node]
            if claim is not None:
                context = Context(1, node, {"partition-id": claim}, RecordDict(), {})
                yield self.local._app(message, context)

    def set_run(self, run): ...
    def create_message(self, *args, **kwargs): ...
    def push_messages(self, messages): ...
    def pull_messages(self, message_ids): ...


def test_nodes_say_once_which_partition_they_hold_and_cannot_take_anothers():
    grid, roster = Deployment({70: 1, 50: 0, 60: 1, 40: None}), Roster()

    roster.update(grid)

    assert roster.clients == {50: 0, 60: 1, 70: 2, 40: 3}
    grid.claims = {70: 0, 50: 2, 60: 1, 40: 5, 80: 4}
    roster.update(grid)
    assert roster.clients == {50: 0, 60: 1, 70: 2, 40: 3, 80: 4}


SCENARIO = """
rounds = 1
clients = 4
data = "digits"
[[adversary]]
attack = "sign_flip"
clients = [1]
"""


def test_a_deployed_node_attacks_only_if_its_operator_allows_it():
    def answer(**node_config):
        config = {"partition-id": 1, "num-partitions": 4, **node_config}
        context = Context(1, 3, config, RecordDict(), {"scenario": SCENARIO})
        world = scenario_of(context).world()
        grid = LocalGrid(app, 4)
        content = RecordDict({"arrays": ModelRecord(world.task.layout, world.task.init())})
        from flwr.app import ConfigRecord

        content["config"] = ConfigRecord({"server-round": 1})
        grid.get_node_ids()
        return app(Message(content, 3, "train"), context)

    with pytest.raises(ConfigError, match="allow-attack=true"):
        answer()
    with pytest.raises(ConfigError, match="allow-attack=true"):
        answer(**{"allow-attack": "yes"})
    assert isinstance(answer(**{"allow-attack": True}).content["arrays"], ArrayRecord)


def test_a_node_without_a_scenario_says_what_it_needs():
    with pytest.raises(ConfigError, match="scenario"):
        scenario_of(Context(1, 3, {}, RecordDict(), {}))


def test_a_node_says_that_it_needs_the_number_of_the_round(world):
    setting = world()
    grid = LocalGrid(FedRobustApp(lambda _: setting), 10, cohort=False)
    content = RecordDict({"arrays": ModelRecord(setting.task.layout, setting.task.init())})

    (reply,) = grid.send_and_receive([Message(content, grid.get_node_ids()[0], "train")])

    assert "server-round" in reply.error.reason


def test_a_node_refuses_a_model_of_another_form(world):
    grid = LocalGrid(FedRobustApp(lambda _: world()), 10)
    other = ArrayRecord({"other": next(iter(ModelRecord(*_tiny()).values()))})
    from flwr.app import ConfigRecord

    content = RecordDict({"arrays": other, "config": ConfigRecord({"server-round": 1})})
    message = Message(content, grid.get_node_ids()[0], "train")
    reply = LocalGrid(FedRobustApp(lambda _: world()), 10, cohort=False).send_and_receive([message])

    assert "other arrays" in reply[0].error.reason


def _tiny():
    from fedrobust.core.layout import Layout

    return Layout({"x": torch.Size([1])}), torch.zeros(1)


def test_form_of_the_servers_model_is_kept(world, played):
    start = ModelRecord(world().task.layout, world().task.init())

    assert Form.of(start).layout == world().task.layout
