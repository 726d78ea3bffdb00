"""What runs on Flower runs on `LocalGrid` unchanged, and ours is the same on every grid."""

import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import Bulyan, FedAvg, FedMedian, FedTrimmedAvg, Krum

from fedrobust.core.adversary import Adversary, Knowledge
from fedrobust.core.aggregator import Mean
from fedrobust.core.federation import Federation
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.strategy import RobustStrategy
from tests.flower import toys
from tests.flower.toys import Momentum, Reverse

FLOWERS_OWN = {
    "FedAvg": FedAvg,
    "FedMedian": FedMedian,
    "FedTrimmedAvg": FedTrimmedAvg,
    "Krum": lambda **options: Krum(num_malicious_nodes=2, **options),
    "Bulyan": lambda **options: Bulyan(num_malicious_nodes=1, **options),
}


def model_after(world, strategy, cohort):
    start = ModelRecord(world.task.layout, world.task.init())
    grid = LocalGrid(FedRobustApp(lambda _: world), 10, cohort=cohort)
    result = strategy(fraction_evaluate=0.0).start(grid, start, num_rounds=3)
    return Form.of(start).vector(result.arrays)


@pytest.mark.parametrize("strategy", FLOWERS_OWN.values(), ids=FLOWERS_OWN)
def test_flowers_own_strategies_run_unmodified(world, strategy):
    together = model_after(world(), strategy, cohort=True)
    one_by_one = model_after(world(), strategy, cohort=False)

    assert not together.equal(world().task.init())
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-5)


def test_our_mean_is_flowers_average_of_equal_clients(world, played, task):
    equal = replace(world(steps=3, epochs=None), federation=Federation(torch.arange(600).split(60)))

    ours, _ = played(equal)

    theirs = model_after(equal, FedAvg, cohort=True)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def third_party_app():
    """A ClientApp as Flower's tutorials write it: numpy, a counter in its state, no fedrobust."""
    app = ClientApp()

    @app.train()
    def train(message, context):
        weights = message.content["arrays"].to_numpy_ndarrays()
        who = context.node_config["partition-id"]
        calls = context.state.get("calls", MetricRecord({"calls": 0}))
        calls["calls"] += 1
        context.state["calls"] = calls
        weights[0] += who + context.run_config["step"]  # in place: must not reach other clients
        metrics = MetricRecord({"num-examples": 10, "calls": calls["calls"]})
        content = RecordDict({"arrays": ArrayRecord(weights), "metrics": metrics})
        return Message(content, reply_to=message)

    @app.evaluate()
    def evaluate(message, context):
        weights = message.content["arrays"].to_numpy_ndarrays()
        metrics = MetricRecord({"num-examples": 10, "first": float(weights[0][0])})
        return Message(RecordDict({"metrics": metrics}), reply_to=message)

    return app


@pytest.mark.parametrize(
    "strategy", [FedAvg, lambda: RobustStrategy(Mean(), fraction_evaluate=1.0)]
)
def test_a_third_partys_apps_run_unmodified(strategy):
    """Worked by hand: a round adds mean(0, 1, 2, 3) + 0.5 = 2 to each weight."""
    server, results = ServerApp(), []

    @server.main()
    def main(grid, context):
        start = ArrayRecord([np.zeros(3, np.float32), np.ones((2, 2), np.float32)])
        results.append(strategy().start(grid, start, num_rounds=2))

    from flwr.app import Context

    grid = LocalGrid(third_party_app(), 4, run_config={"step": 0.5})
    server(grid, Context(grid.run.run_id, 1, {}, RecordDict(), {}))

    weights = results[0].arrays.to_numpy_ndarrays()
    np.testing.assert_allclose(weights[0], [4.0, 4.0, 4.0])
    np.testing.assert_allclose(weights[1], np.ones((2, 2)))
    assert results[0].train_metrics_clientapp[2]["calls"] == 2
    assert results[0].evaluate_metrics_clientapp[2]["first"] == 4.0


def test_arrays_that_are_not_learned_keep_the_servers_value(played):
    """A BatchNorm model has a counter, which clients may change but nobody averages."""
    app = ClientApp()

    @app.train()
    def train(message, context):
        arrays = message.content["arrays"]
        changed = ArrayRecord({n: Array(np.asarray(a.numpy() + 1)) for n, a in arrays.items()})
        metrics = MetricRecord({"num-examples": 1})
        return Message(RecordDict({"arrays": changed, "metrics": metrics}), reply_to=message)

    start = ArrayRecord({"w": Array(np.zeros(2)), "counter": Array(np.array(5, np.int64))})
    result = RobustStrategy(Mean()).start(LocalGrid(app, 3), start, num_rounds=2)

    np.testing.assert_allclose(result.arrays["w"].numpy(), [2.0, 2.0])
    assert result.arrays["w"].dtype == "float64"
    assert result.arrays["counter"].numpy() == 5


SCENARIOS = {
    "plain": ((), None),
    "momentum": ((Momentum(),), None),
    "attacked": ((Momentum(),), Reverse()),
}


@pytest.mark.parametrize(("behaviors", "attack"), SCENARIOS.values(), ids=SCENARIOS)
def test_a_cohort_trains_as_its_clients_do_one_by_one(world, played, behaviors, attack):
    setting = world(behaviors, attack, malicious=3)

    together, _ = played(setting, fraction_train=0.8)
    one_by_one, _ = played(setting, fraction_train=0.8, cohort=False)

    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.xdist_group("ray")  # two of Ray's clusters at once starve each other
@pytest.mark.parametrize(("behaviors", "attack"), SCENARIOS.values(), ids=SCENARIOS)
def test_flowers_ray_engine_gives_the_same_model(world, played, behaviors, attack, tmp_path):
    """The same strategy, client and adversary objects, in Flower's own simulation engine."""
    pytest.importorskip("ray", reason="the extra `simulation` is not installed")
    os.environ["RAY_USAGE_STATS_ENABLED"] = os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    import cloudpickle
    from flwr.simulation import run_simulation

    setting = world(behaviors, attack, malicious=3)
    here, ledgers = played(setting, fraction_train=0.8)
    server, box = ServerApp(), {}

    @server.main()
    def main(grid, context):
        start = ModelRecord(setting.task.layout, setting.task.init())
        rows = []
        strategy = RobustStrategy(
            Mean(), fraction_train=0.8, on_round=rows.append, min_available_nodes=10
        )
        watched = AdversaryGrid(grid, setting.adversaries, setting.seed)
        result = strategy.start(watched, start, num_rounds=3)
        assert [ledger.note for ledger in rows] == ["", "", ""]
        box["model"], box["ledgers"] = Form.of(start).vector(result.arrays), rows

    cloudpickle.register_pickle_by_value(toys)  # Ray's actors cannot import tests
    frozen = cloudpickle.dumps(setting)
    client = FedRobustApp(lambda _: cloudpickle.loads(frozen))
    run_simulation(
        server,
        client,
        num_supernodes=10,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": 2, "include_dashboard": False},
        },
    )

    torch.testing.assert_close(box["model"], here, rtol=0, atol=1e-5)
    asked = [[e.client for e in ledger.entries] for ledger in ledgers]
    assert [[e.client for e in ledger.entries] for ledger in box["ledgers"]] == asked


def test_a_client_finds_its_configuration_and_keeps_its_state():
    grid = LocalGrid(third_party_app(), 3, run_config={"step": 1.0}, node_config={"site": "a"})

    context = grid.context(grid.get_node_ids()[2])

    assert context.node_config == {"site": "a", "partition-id": 2, "num-partitions": 3}
    assert context is grid.context(grid.get_node_ids()[2])


def test_push_and_pull_carry_the_same_replies():
    grid = LocalGrid(third_party_app(), 2, run_config={"step": 0.0})
    content = RecordDict({"arrays": ArrayRecord([np.zeros(1)]), "config": ConfigRecord()})

    ids = list(grid.push_messages(Message(content, n, "train") for n in grid.get_node_ids()))
    replies = list(grid.pull_messages(ids))

    assert [r.metadata.reply_to_message_id for r in replies] == ids
    assert list(grid.pull_messages(ids)) == []


def test_an_adversary_also_meets_a_strategy_that_pushes_and_pulls(world):
    setting = world(attack=Reverse(), malicious=2)
    start = ModelRecord(setting.task.layout, setting.task.init())
    content = RecordDict({"arrays": start, "config": ConfigRecord({"server-round": 1})})
    local = LocalGrid(FedRobustApp(lambda _: setting), 10)
    adversary = Adversary((Reverse(),), frozenset({8, 9}), Knowledge.OWN)
    honest = setting.__class__(setting.task, setting.federation, setting.training)
    plain = LocalGrid(FedRobustApp(lambda _: honest), 10)

    def rows(grid):
        ids = grid.push_messages([Message(content, n, "train") for n in grid.get_node_ids()])
        form = Form.of(start)
        return torch.stack(
            [form.vector(r.content["arrays"]) - start.start for r in grid.pull_messages(ids)]
        )

    attacked, clean = rows(AdversaryGrid(local, [adversary])), rows(plain)

    torch.testing.assert_close(attacked[:8], clean[:8])
    torch.testing.assert_close(attacked[8:], -3 * clean[8:], rtol=0, atol=1e-6)
