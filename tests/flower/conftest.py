import pytest
import torch

from fedrobust.core.adversary import Adversary, Knowledge
from fedrobust.core.aggregator import Mean
from fedrobust.core.federation import Federation
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.flower.records import Form, ModelRecord
from fedrobust.flower.strategy import RobustStrategy


@pytest.fixture(scope="session")
def ragged():
    """Ten clients with 20 to 100 examples of the task."""
    return Federation(torch.arange(600).split([20, 40, 60, 60, 60, 60, 60, 60, 80, 100]))


@pytest.fixture(scope="session")
def world(task, ragged):
    """Return a factory of worlds of ten clients, of which the last `malicious` attack."""

    def make(behaviors=(), attack=None, malicious=0, knowledge=Knowledge.OWN, **training):
        clients = frozenset(range(10 - malicious, 10))
        adversaries = (Adversary((attack,), clients, knowledge),) if attack else ()
        plan = Training(**{"epochs": 1, "batch_size": 16, **training})
        return World(task, ragged, plan, tuple(behaviors), adversaries)

    return make


@pytest.fixture
def played():
    """Return a function that plays rounds of a world and returns the model and the ledgers."""

    def play(world, rule=None, rounds=3, wrap=lambda grid: grid, cohort=True, **options):
        ledgers = []
        local = LocalGrid(FedRobustApp(lambda _: world), 10, cohort=cohort)
        strategy = RobustStrategy(rule or Mean(), on_round=ledgers.append, **options)
        known = {"world": world, "rehearse": strategy.rehearse}
        grid = AdversaryGrid(wrap(local), world.adversaries, world.seed, **known)
        start = ModelRecord(world.task.layout, world.task.init())
        result = strategy.start(grid, start, num_rounds=rounds)
        kept = result.arrays if len(result.arrays) else start
        return Form.of(start).vector(kept), ledgers

    return play
