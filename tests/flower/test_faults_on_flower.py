"""Faults around Flower's own strategies and ClientApps that know nothing of fedrobust."""

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import FedAvg, FedMedian

from fedrobust.core.aggregator import Mean
from fedrobust.faults.bit_corruption import BitCorruption
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.fault_grid import FaultGrid
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.strategy import RobustStrategy
from tests.flower.toys import Doom


def numbers_app():
    """A ClientApp that fedrobust knows nothing of; client i sends i."""
    app = ClientApp()

    def reply(message, context, **content):
        metrics = MetricRecord({"num-examples": 1, "of": context.node_config["partition-id"]})
        return Message(RecordDict({**content, "metrics": metrics}), reply_to=message)

    @app.train()
    def train(message, context):
        value = np.full(2, context.node_config["partition-id"], np.float32)
        return reply(message, context, arrays=ArrayRecord([value]))

    @app.evaluate()
    def evaluate(message, context):
        return reply(message, context)

    return app


def flowers(strategy, app, faults, rounds=1, clients=4, start=None):
    start = start or ArrayRecord([np.zeros(2, np.float32)])
    grid = FaultGrid(LocalGrid(app, clients), faults)
    return strategy.start(grid, start, num_rounds=rounds)


def test_a_server_that_counts_messages_counts_a_client_twice():
    """Worked by hand: the mean of 0, 1, 2, 3 and 3 is 1.8, where that of clients is 1.5."""
    twice = [Doom(copies=2)]

    theirs = flowers(FedAvg(fraction_evaluate=0.0), numbers_app(), twice)
    ours = flowers(RobustStrategy(Mean()), numbers_app(), twice)

    np.testing.assert_allclose(theirs.arrays.to_numpy_ndarrays()[0], [1.8, 1.8])
    np.testing.assert_allclose(ours.arrays.to_numpy_ndarrays()[0], [1.5, 1.5])


def test_evaluation_goes_its_way():
    doom = [Doom(clients=(0, 1, 2))]

    result = flowers(FedAvg(), numbers_app(), doom, clients=4)

    np.testing.assert_allclose(result.arrays.to_numpy_ndarrays()[0], [3.0, 3.0])
    assert result.evaluate_metrics_clientapp[1]["of"] == 1.5  # of 0, 1, 2 and 3


def test_an_error_stays_what_it_is():
    app = ClientApp()

    @app.train()
    def train(message, context):
        if context.node_config["partition-id"] == 1:
            raise RuntimeError("out of memory")
        return Message(RecordDict({"arrays": message.content["arrays"]}), reply_to=message)

    ledgers = []
    flowers(RobustStrategy(Mean(), on_round=ledgers.append), app, [Doom(clients=(1, 3))])

    notes = {entry.client: entry.note for entry in ledgers[0].entries if entry.fault}
    assert notes == {1: "RuntimeError: out of memory", 3: "fell off a cliff (simulated)"}


def test_flipped_exponents_ruin_flowers_mean_but_neither_its_median_nor_what_admits(world):
    flips = [BitCorruption(probability=0.02, bits="exponent")]
    setting = world()
    start = ModelRecord(setting.task.layout, setting.task.init())

    def model(strategy):
        app = FedRobustApp(lambda _: setting)
        result = flowers(strategy, app, flips, 5, 10, start)
        return Form.of(start).vector(result.arrays)

    assert not model(FedAvg(fraction_evaluate=0.0)).abs().max() < 1e6  # or no numbers at all
    assert model(FedMedian(fraction_evaluate=0.0)).abs().max() < 10
    assert model(RobustStrategy(Mean())).abs().max() < 10
