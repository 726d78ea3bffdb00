from dataclasses import replace

import pytest
import torch
from torch import nn

from fedrobust import capacity
from fedrobust.core.cohort import train_cohort
from fedrobust.core.engine import Engine
from fedrobust.core.federation import Federation
from fedrobust.core.footprint import chunk_size, footprint
from fedrobust.core.task import Data, Task
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.errors import ConfigError
from fedrobust.results.store import Store
from fedrobust.scenario import Scenario
from fedrobust.simulate import simulate
from fedrobust.strategies.client_momentum import ClientMomentum


@pytest.fixture(scope="module")
def world():
    """Ten clients with 8 examples each of 20 numbers, and a model of 63 parameters."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(100, 20, generator=g), torch.randint(3, (100,), generator=g)
    task = Task(nn.Linear(20, 3), Data(x[:80], y[:80], x[80:], y[80:], num_classes=3))
    shards = torch.arange(80).split(8)
    return World(task, Federation(shards), Training(batch_size=4), (ClientMomentum(),))


def test_a_footprint_is_the_sum_of_its_parts(world):
    """Worked by hand."""
    needed = footprint(world, sampled=4)

    assert needed.data == 100 * 20 * 4 + 100 * 8 + 80 * 8
    assert needed.clients == 10 * 63 * 4
    assert needed.updates == 2 * 4 * 63 * 4
    assert needed.training == 4 * 4 * (6 * 63 + 4 * (20 + 3 * 3))
    assert needed.ahead == sum(needed) - needed.data


def test_what_layers_make_of_images_counts():
    x, y = torch.zeros(6, 1, 8, 8), torch.zeros(6, dtype=torch.int64)
    model = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(180, 2))
    task = Task(model, Data(x, y, x, y, num_classes=2))
    world = World(task, Federation([torch.arange(6)]), Training(batch_size=2))

    per_example = 64 + 3 * (180 + 180 + 180 + 2)

    assert footprint(world, 1).training == 4 * (6 * task.layout.size + 2 * per_example)


def test_a_cohort_beyond_the_memory_takes_turns(world, monkeypatch):
    alone = replace(world, engine=Engine(memory=1, trainer="stacked"))
    monkeypatch.setattr("fedrobust.core.cohort.chunk_size", lambda world: 3)
    sizes = []
    planner = alone.planner
    monkeypatch.setitem(
        alone.__dict__, "planner", lambda job: sizes.append(len(job.start)) or planner(job)
    )
    start = world.task.init()

    updates, memories = train_cohort(alone, start, range(10), [{}] * 10, round=1)

    expected, kept = train_cohort(world, start, range(10), [{}] * 10, round=1)
    assert sizes == [2, 3, 2, 3]
    torch.testing.assert_close(updates, expected)
    torch.testing.assert_close(memories, kept)


def test_less_memory_means_smaller_chunks(world):
    sizes = [chunk_size(replace(world, engine=Engine(memory=mb))) for mb in (1, 2, 512)]

    assert sizes[0] >= 1 and sizes == sorted(sizes) and sizes[2] > sizes[0]


def test_what_does_not_fit_is_refused_with_advice(world, monkeypatch):
    monkeypatch.setattr(capacity, "available", lambda: 10_000)

    with pytest.raises(
        ConfigError, match=r"needs about .* are free.*63 parameters.*Sample at most"
    ):
        capacity.checked(world, sampled=10)


def test_a_run_that_does_not_fit_leaves_nothing_behind(tmp_path, monkeypatch):
    scenario = Scenario.parse({"data": "digits", "clients": 3, "rounds": 1})
    monkeypatch.setattr(capacity, "available", lambda: 1)

    with pytest.raises(ConfigError, match="Take a smaller model"):
        simulate(scenario, tmp_path)

    with Store(tmp_path) as store:
        assert store.runs() == []


def test_unknown_memory_refuses_nothing(world, monkeypatch):
    monkeypatch.setattr(capacity, "available", lambda: None)

    assert capacity.checked(world, sampled=10) == footprint(world, 10)


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(capacity, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    (tmp_path / "memory.stat").write_text("anon 300\ninactive_file 100\n")
    assert capacity.available() == 700

    (tmp_path / "memory.max").write_text("max\n")
    assert capacity.available() != 700
