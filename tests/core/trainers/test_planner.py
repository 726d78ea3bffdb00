import os
import signal

import pytest
import torch
from torch import nn

from fedrobust.core import engine as engine_module
from fedrobust.core.behavior import Behavior
from fedrobust.core.engine import Engine
from fedrobust.core.local import Client, train
from fedrobust.core.task import Data, Task
from fedrobust.core.trainers import loop, planner, pool, stacked
from fedrobust.core.trainers.planner import Planner
from fedrobust.core.training import Training
from fedrobust.errors import ConfigError, FedRobustError
from fedrobust.results import habits
from fedrobust.strategies.client_momentum import ClientMomentum

SIZES = [9, 1, 4, 13, 4]
PLAN = Training(epochs=2, batch_size=4, momentum=0.9)


@pytest.fixture
def task():
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(40, 6, generator=g), torch.randint(3, (40,), generator=g)
    return Task(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), Data(x, y, x, y, 3))


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Remember nothing from other tests."""
    monkeypatch.setattr(planner, "REMEMBERED", {})


def trained(task, trainer, behaviors=(), training=PLAN):
    shards = torch.arange(sum(SIZES)).split(SIZES)
    clients = [
        Client(s, [b.remember(task.init()) for b in behaviors], torch.Generator().manual_seed(i))
        for i, s in enumerate(shards)
    ]
    return train(task, training, behaviors, task.init(), clients, trainer)


class Stubborn(Behavior):
    vectorized = False

    def step(self, direction, batch, memory, draws):
        return direction * float(direction.sum().item() > -1e9), memory


class Proximal(Behavior):
    def loss(self, loss, anchor):
        return lambda params, batch: loss(params, batch) + (params - anchor).square().sum()


@pytest.mark.parametrize("name", ["stacked", "vmap", "loop"])
def test_the_user_may_choose_the_trainer(task, name):
    chosen = Planner(Engine(trainer=name))

    updates, _ = trained(task, chosen)

    assert updates.equal(trained(task, planner._TRAINERS[name])[0])


@pytest.mark.parametrize(
    ("name", "behavior", "reason"),
    [
        ("stacked", Proximal(), "a behavior changes the loss"),
        ("stacked", Stubborn(), "has to be run client by client"),
        ("vmap", Stubborn(), "has to be run client by client"),
    ],
)
def test_a_trainer_that_cannot_is_refused_with_advice(task, name, behavior, reason):
    with pytest.raises(
        ConfigError, match=rf'"{name}" cannot train .*{reason}; set trainer = "auto"'
    ):
        trained(task, Planner(Engine(trainer=name)), [behavior])


def test_a_model_that_cannot_be_stacked_is_named(task):
    model = nn.Sequential(nn.Linear(6, 3), nn.PReLU())

    with pytest.raises(ConfigError, match=r"cannot be stacked: 1\.weight is in no known layer"):
        trained(Task(model, task.data), Planner(Engine(trainer="stacked")))


def test_automatic_choice_falls_to_what_can(task):
    one, other = Planner(Engine()), Planner(Engine())

    trained(task, one, [Stubborn()])
    updates, _ = trained(task, other, [Proximal()])

    assert set(one.choices.values()) == {"loop"}
    assert set(other.choices.values()) <= {"vmap", "loop"}
    torch.testing.assert_close(updates, trained(task, loop.descend, [Proximal()])[0])


def test_a_model_that_vmap_cannot_run_is_trained_one_by_one(task):
    class Branching(nn.Linear):
        def forward(self, x):
            return super().forward(x if x.sum().item() > 0 else -x)

    chosen = Planner(Engine())

    updates, _ = trained(Task(Branching(6, 3), task.data), chosen)

    assert set(chosen.choices.values()) == {"loop"}
    assert updates.isfinite().all()


def test_the_fastest_is_measured_once_and_remembered(task, monkeypatch):
    costs = {"stacked": 3.0, "vmap": 1.0, "loop": 2.0}
    measured = []

    def cost(trainer, job):
        name = next(n for n, t in planner._TRAINERS.items() if t is trainer)
        measured.append(name)
        return costs[name]

    monkeypatch.setattr(planner, "_cost", cost)
    first, second = Planner(Engine()), Planner(Engine())

    trained(task, first)
    trained(task, first)
    trained(task, second)

    assert set(first.choices.values()) == set(second.choices.values()) == {"vmap"}
    assert measured == ["stacked", "vmap", "loop"]


def test_measuring_leaves_no_trace(task):
    """The generators of the clients are where they would have been."""
    momentum = [ClientMomentum(on="step")]

    updates, memories = trained(task, Planner(Engine()), momentum)

    expected, kept = trained(task, Planner(Engine(trainer="stacked")), momentum)
    torch.testing.assert_close(updates, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(memories, kept, atol=1e-6, rtol=0)


def test_a_run_keeps_to_what_it_chose_before(task):
    resumed = Planner(Engine())
    trained(task, resumed)
    kind = next(iter(resumed.choices))

    resumed.choices[kind] = "loop"
    updates, _ = trained(task, resumed)

    assert updates.equal(trained(task, Planner(Engine(trainer="loop")))[0])
    forced = Planner(Engine(trainer="vmap"))
    forced.choices[kind] = "loop"
    updates, _ = trained(task, forced)
    assert updates.equal(trained(task, Planner(Engine(trainer="vmap")))[0])


def test_what_another_process_remembers_is_tried_before_it_is_believed(task, monkeypatch):
    """The code of a model may have changed since, under the same name."""
    trained(task, chosen := Planner(Engine()))
    kind = next(iter(chosen.choices))
    planner.REMEMBERED[kind] = "vmap"

    def broken(job):
        raise RuntimeError("vmap: calling .item()")

    monkeypatch.setitem(planner._TRAINERS, "vmap", broken)
    trained(task, later := Planner(Engine()))

    assert later.choices[kind] in ("stacked", "loop")
    assert planner.REMEMBERED[kind] == later.choices[kind]


def test_a_field_that_decides_which_hooks_there_are_counts(task):
    """Two objects of one class are two kinds of work."""

    class Sometimes(Proximal):
        on: bool

        def overrides(self, hook):
            return super().overrides(hook) and (self.on or hook != "loss")

    chosen = Planner(Engine())
    trained(task, chosen, [Sometimes(on=False)])
    updates, _ = trained(task, chosen, [Sometimes(on=True)])

    assert len(chosen.choices) == 2
    torch.testing.assert_close(updates, trained(task, loop.descend, [Proximal()])[0])


@pytest.mark.parametrize("behaviors", [[], [ClientMomentum(on="step")], [Stubborn()]])
def test_processes_give_what_one_gives_bit_for_bit(task, behaviors):
    def shared(job):
        return pool.descend(job, loop.descend, 3)

    updates, memories = trained(task, shared, behaviors)

    expected, kept = trained(task, loop.descend, behaviors)
    assert updates.equal(expected)
    torch.testing.assert_close(memories, kept, atol=0, rtol=0)


def counted(monkeypatch):
    calls = []

    def shared(job, trainer, processes):
        calls.append(processes)
        return trainer(job)

    monkeypatch.setattr(pool, "descend", shared)
    return calls


def test_processes_that_were_asked_for_are_used(task, monkeypatch):
    calls, chosen = counted(monkeypatch), Planner(Engine(trainer="loop", processes=2))

    trained(task, chosen)

    assert calls == [2]


@pytest.mark.parametrize(("faster", "expected"), [(True, [2, 2]), (False, [2])])
def test_long_rounds_are_shared_if_that_helps(task, monkeypatch, faster, expected):
    """The first round is one process's, the second is shared, the third as the better of them."""
    monkeypatch.setattr(Engine, "cores", lambda self: 2)
    calls, chosen = counted(monkeypatch), Planner(Engine(trainer="loop"))
    clock = iter([0.0, 100.0, 0.0, 50.0 if faster else 150.0, 0.0, 1.0])
    monkeypatch.setattr(planner, "perf_counter", lambda: next(clock))

    for _ in range(3):
        trained(task, chosen)

    assert calls == expected


def test_short_rounds_are_not_shared(task, monkeypatch):
    monkeypatch.setattr(Engine, "cores", lambda self: 2)
    calls, chosen = counted(monkeypatch), Planner(Engine(trainer="loop"))
    monkeypatch.setattr(planner, "perf_counter", lambda: 0.0)

    for _ in range(3):
        trained(task, chosen)

    assert calls == []


def test_with_more_threads_nothing_is_forked(task, monkeypatch):
    """A forked process has one thread, and sums would be taken in another order."""
    calls, chosen = counted(monkeypatch), Planner(Engine(trainer="loop", processes=2))
    monkeypatch.setattr(planner.torch, "get_num_threads", lambda: 2)

    trained(task, chosen)

    assert calls == []


def test_a_machine_without_affinity_has_one_process(monkeypatch):
    monkeypatch.delattr(engine_module.os, "sched_getaffinity")

    assert Engine(processes=4).cores() == 1


class Awkward(Exception):
    def __init__(self, one, other):
        super().__init__(one + other)


def test_an_error_that_cannot_travel_is_told(task):
    def broken(job):
        raise Awkward("a", "b")

    with pytest.raises(FedRobustError, match="Training failed with Awkward: ab"):
        trained(task, lambda job: pool.descend(job, broken, 2))


def test_an_error_in_a_process_is_raised_here(task):
    def broken(job):
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        trained(task, lambda job: pool.descend(job, broken, 2))


def test_the_death_of_a_process_is_explained(task):
    def killed(job):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(FedRobustError, match=r"died.*set engine\.processes"):
        trained(task, lambda job: pool.descend(job, killed, 2))


def test_the_machine_remembers_between_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("FEDROBUST_CACHE", str(tmp_path / "deep" / "cache"))
    assert habits.load() == {}

    habits.save({"one": "loop"})
    habits.save({"one": "vmap", "two": "stacked"})

    assert habits.load() == {"one": "vmap", "two": "stacked"}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', '{"x": {"one": "sing"}}'])
def test_what_is_not_sound_is_not_remembered(tmp_path, monkeypatch, content):
    monkeypatch.setenv("FEDROBUST_CACHE", str(tmp_path))
    monkeypatch.setattr(habits, "_machine", lambda: "x")
    habits.path().write_text(content)

    assert habits.load() == {}


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEDROBUST_CACHE", str(tmp_path / "file"))

    habits.save({"one": "loop"})

    assert habits.load() == {}


def test_a_device_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(engine_module.torch.cuda, "is_available", lambda: False)

    assert Engine().torch_device() == torch.device("cpu")
    with pytest.raises(ConfigError, match=r'cuda:1 needs a CUDA device.* set device = "cpu"'):
        Engine(device="cuda:1").torch_device()


@pytest.mark.parametrize("wrong", [{"device": "gpu"}, {"trainer": "fast"}, {"memory": 0}])
def test_engine_rejects(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Engine(**wrong)


def test_a_stacked_model_is_made_once(task):
    assert stacked.stacked_model(task) is stacked.stacked_model(task)
