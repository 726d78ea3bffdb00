"""What every component keeps, checked on every file found: a new file needs no line here."""

import copy
import re
from dataclasses import replace
from importlib import import_module
from inspect import getdoc
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

from fedrobust import registry
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import Aggregator, Bounded, PostAggregator, PreAggregator
from fedrobust.core.behavior import Behavior
from fedrobust.core.component import Component
from fedrobust.core.local import Client, remember, train
from fedrobust.core.task import Data, Task
from fedrobust.core.training import Training
from fedrobust.errors import TooManyMalicious


class Halve(PostAggregator):
    """Stands in while there is no post-aggregator, so that its contracts are run."""

    def transform(self, update, state, info):
        return update / 2, state


FILES = [(kind, name) for kind in ("strategies", "attacks") for name in registry.builtin(kind)]
COMPONENTS = [registry.find(kind, name) for kind, name in FILES]


def found(*bases):
    return [pytest.param(c, id=c.reference()) for c in COMPONENTS if issubclass(c, bases)]


RULES = found(Aggregator)
STEPS = found(PreAggregator)
AFTER = [*found(PostAggregator), Halve]
ATTACKS = found(Attack)
BOUNDED = found(Bounded)
HOOKS = ("remember", "draw", "draw_submit", "batch", "loss", "gradient", "step", "submit", "trains")
BEHAVIORS = [
    pytest.param(c, id=c.reference())
    for c in COMPONENTS
    if issubclass(c, Behavior) and any(getattr(c, h) is not getattr(Behavior, h) for h in HOOKS)
]

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
N, F = 13, 2  # enough rows for every rule's bound


def test_there_are_components_of_each_kind():
    """Pytest skips silently what is parametrized over nothing."""
    assert RULES
    assert STEPS
    assert ATTACKS
    assert BOUNDED
    assert BEHAVIORS


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_file_holds_one_component_that_has_its_name(kind, name):
    module = import_module(f"fedrobust.{kind}.{name}")

    (public,) = module.__all__
    component = getattr(module, public)

    assert issubclass(component, Component)
    assert public.lower() == name.replace("_", "")
    assert component.reference() == name
    assert issubclass(component, Attack) == (kind == "attacks")


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_file_is_short_and_cites_its_source(kind, name):
    module = import_module(f"fedrobust.{kind}.{name}")

    assert len(Path(module.__file__).read_text().splitlines()) <= 150
    assert re.search(r"https://(arxiv|doi)\.org/|needs no citation", module.__doc__)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_docstring_describes_every_field(component):
    docs = "\n".join(getdoc(c) or "" for c in component.__mro__ if issubclass(c, Component))

    for field in component.model_fields:
        assert re.search(rf"^    (\w+, )*{field}(, \w+)*: ", docs, re.MULTILINE), field


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_works_without_being_configured_and_is_its_own_configuration(component):
    made = component()

    fields = made.model_dump()

    assert registry.find(*_home(component)) is component
    assert fields.pop("name") == component.reference()
    assert component(**fields) == made
    with pytest.raises(ValueError, match="nonsense"):
        component(nonsense=1)


def _home(component):
    return next(file for file, c in zip(FILES, COMPONENTS, strict=True) if c is component)


@pytest.fixture(scope="module")
def rows():
    return torch.randn(N, 30, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def known(info):
    """Return what a server knows of a round, a trusted update included."""

    def make(updates, f=F):
        return replace(
            info(updates, num_malicious=f),
            params=torch.zeros_like(updates[0]),
            reference=updates.mean(dim=0),
        )

    return make


def aggregate(rule, updates, info, state=None):
    return rule.aggregate(updates, rule.init(info.params) if state is None else state, info)


def same(one, other):
    """Say whether nested tuples, lists and dicts hold equal tensors and numbers."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("n", ["fewest", N])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_comes_to_agree_with_clients_who_agree(rule, known, n):
    """In one round, unless the rule limits how far it goes in a round."""
    rule = rule()
    fewest = rule.bound[1] if isinstance(rule, Bounded) else 1
    update = torch.randn(30, generator=torch.Generator().manual_seed(5))
    updates = update.repeat(fewest if n == "fewest" else n, 1)

    state, away = rule.init(update), [update.norm()]
    for _ in range(50):
        out = aggregate(rule, updates, known(updates, f=0), state)
        state = out.state
        away.append((out.update - update).norm())

    assert all(later <= earlier + 1e-5 for earlier, later in pairwise(away))
    assert away[-1] < 1e-5


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_not_care_about_the_order_of_clients(rule, known, rows):
    rule = rule()
    info = known(rows)
    other = replace(info, clients=info.clients.flip(0), examples=info.examples.flip(0))

    out, reversed_ = aggregate(rule, rows, info), aggregate(rule, rows.flip(0), other)

    torch.testing.assert_close(reversed_.update, out.update)
    for values, others in ((out.weights, reversed_.weights), (out.scores, reversed_.scores)):
        assert (values is None) == (others is None)
        if values is not None:
            torch.testing.assert_close(others.flip(0), values)


@pytest.mark.parametrize("stage", RULES + STEPS)
def test_a_stage_is_pure(stage, known, rows):
    stage = stage()
    run = stage.aggregate if isinstance(stage, Aggregator) else stage.transform
    _, state, *_ = run(rows, stage.init(rows[0]), known(rows))  # a state with a history
    updates, before = rows.clone(), copy.deepcopy(state)
    attributes = dict(vars(stage))

    once, again = run(updates, state, known(rows)), run(updates, state, known(rows))

    assert same(once, again)
    assert updates.equal(rows)
    assert same(state, before)
    assert vars(stage) == attributes
    assert vars(stage).keys() == type(stage).model_fields.keys()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_returns_what_the_ledger_can_read(rule, known, rows, device):
    updates = rows.to(device)

    out = aggregate(rule(), updates, known(updates))

    assert out.update.shape == (30,)
    assert out.update.dtype == torch.float32
    assert out.update.device == updates.device
    for values in (out.weights, out.scores):
        assert values is None or (values.shape == (N,) and values.isfinite().all())
    assert out.models is None or out.models.shape == rows.shape


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_before_the_rule_returns_rows_and_where_they_come_from(step, known, rows, device):
    step, updates = step(), rows.to(device)

    out = step.transform(updates, step.init(updates[0]), known(updates))

    assert out.updates.shape[1] == 30
    assert out.updates.dtype == torch.float32
    assert out.updates.device == updates.device
    if out.mixing is None:
        assert len(out.updates) == N
    else:
        assert out.mixing.shape == (len(out.updates), N)
        torch.testing.assert_close(out.mixing.sum(dim=1), torch.ones_like(out.mixing[:, 0]))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_before_the_rule_keeps_equal_updates_equal(step, known, rows):
    step, updates = step(), rows[:1].repeat(N, 1)

    out = step.transform(updates, step.init(rows[0]), known(updates)).updates

    torch.testing.assert_close(out, out[:1].repeat(len(out), 1))


@pytest.mark.parametrize("step", AFTER)
def test_a_step_after_the_rule_is_pure_and_keeps_the_shape(step, known, rows):
    step, update = step(), rows[0].clone()
    _, state = step.transform(update, step.init(update), known(rows))
    before = copy.deepcopy(state)

    once = step.transform(update, state, known(rows))
    again = step.transform(update, state, known(rows))

    assert same(once, again)
    assert same((update, state), (rows[0], before))
    assert once[0].shape == update.shape
    assert once[0].dtype == torch.float32
    assert once[0].isfinite().all()


@pytest.mark.parametrize("f", range(5))
@pytest.mark.parametrize("stage", BOUNDED)
def test_a_bounded_stage_works_at_its_bound_and_says_so_below_it(stage, known, f):
    stage = stage()
    run = stage.aggregate if isinstance(stage, Aggregator) else stage.transform
    a, b = stage.bound
    updates = torch.randn(a * f + b, 6, generator=torch.Generator().manual_seed(f))

    assert run(updates, stage.init(updates[0]), known(updates, f))[0].isfinite().all()

    if len(fewer := updates[1:]):
        with pytest.raises(TooManyMalicious, match=re.escape(f"needs {stage.requirement()}")):
            run(fewer, stage.init(updates[0]), known(fewer, f))


def _extreme(kind):
    g = torch.Generator().manual_seed(1)
    rows = torch.randn(N, 30, generator=g)
    sizes = {"huge": [1e18], "tiny": [1e-30], "zero": [0.0], "mixed": [1e18, 1e-30, 1.0, 0.0]}
    scale = torch.tensor([sizes[kind][i % len(sizes[kind])] for i in range(N)])
    return rows * scale[:, None]


@pytest.mark.parametrize("kind", ["huge", "tiny", "zero", "mixed"])
@pytest.mark.parametrize("stage", RULES + STEPS)
def test_a_stage_is_finite_on_whatever_admission_lets_through(stage, known, kind):
    stage, updates = stage(), _extreme(kind)
    run = stage.aggregate if isinstance(stage, Aggregator) else stage.transform

    out = run(updates, stage.init(updates[0]), known(updates))

    assert out[0].isfinite().all()
    if isinstance(stage, Aggregator):
        assert out.weights is None or out.weights.isfinite().all()


@pytest.fixture(scope="module")
def images():
    """Tiny images, a linear model, and eight clients with 1 to 20 of them."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(120, 1, 4, 4, generator=g), torch.randint(3, (120,), generator=g)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with torch.no_grad():
        model[1].weight.copy_(torch.randn(3, 16, generator=g) / 4)
        model[1].bias.zero_()
    shards = torch.arange(80).split([20, 1, 16, 7, 4, 17, 3, 12])
    return Task(model, Data(x[:80], y[:80], x[80:], y[80:], num_classes=3)), shards


def made(component, task):
    return component().for_task(task.data.num_classes, task.data.x.shape[1:])


PLANS = [
    Training(steps=3, batch_size=8),
    Training(epochs=2, batch_size=8, momentum=0.9, weight_decay=0.01),
]


def two_rounds(images, plan, behavior, groups):
    """Return what all clients send in a second round, trained group by group."""
    task, shards = images
    behaviors, start = [behavior], task.init()
    memories = {i: remember(behaviors, start) for group in groups for i in group}
    sent = {}
    for round in range(2):
        for group in groups:
            seeds = [torch.Generator().manual_seed(100 * round + i) for i in group]
            clients = [Client(shards[i], memories[i], g) for i, g in zip(group, seeds, strict=True)]
            updates, kept = train(task, plan, behaviors, start, clients)
            sent |= dict(zip(group, updates, strict=True))
            memories |= dict(zip(group, kept, strict=True))
    return torch.stack([sent[i] for i in sorted(sent)])


@pytest.mark.parametrize("plan", PLANS, ids=["steps", "epochs"])
@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_a_client_sends_the_same_alone_and_among_others(behavior, images, plan):
    behavior = made(behavior, images[0])

    alone = two_rounds(images, plan, behavior, [[i] for i in range(8)])
    together = two_rounds(images, plan, behavior, [[3, 0, 5], [7, 2, 1, 4, 6]])

    assert alone.isfinite().all()
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("plan", PLANS, ids=["steps", "epochs"])
@pytest.mark.parametrize("behavior", BEHAVIORS)
def test_hooks_do_the_same_one_by_one_and_vectorized(behavior, images, plan, monkeypatch):
    made_ = made(behavior, images[0])
    as_it_is = two_rounds(images, plan, made_, [list(range(8))])

    monkeypatch.setattr(behavior, "vectorized", False)

    one_by_one = two_rounds(images, plan, made_, [list(range(8))])
    torch.testing.assert_close(one_by_one, as_it_is, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_fits_the_task_once_and_for_all(component, images):
    once = made(component, images[0])

    assert once.for_task(3, (1, 4, 4)) == once


@pytest.fixture(scope="module")
def views(view):
    """Return what an adversary of three clients among ten sees, by its knowledge."""
    own, honest = torch.randn(10, 12, generator=torch.Generator().manual_seed(2)).split([3, 7])
    known = {"num_clients": 10, "num_controlled": 3}
    return lambda: {
        "own": view(own[:1].clone(), **known),
        "colluding": view(own.clone(), **known),
        "omniscient": view(own.clone(), honest.clone(), **known),
        "omniscient and alone": view(own.clone(), honest[:0], num_clients=3, num_controlled=3),
    }


KNOWLEDGE = ["own", "colluding", "omniscient", "omniscient and alone"]


@pytest.mark.parametrize("knowledge", KNOWLEDGE)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_sends_one_finite_update_a_client(attack, images, views, knowledge):
    attack, view = made(attack, images[0]), views()[knowledge]

    sent, _ = attack.craft(view, attack.init(view.params))

    assert sent.shape == view.own.shape
    assert sent.dtype == torch.float32
    assert sent.isfinite().all()


@pytest.mark.parametrize("knowledge", KNOWLEDGE)
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_pure(attack, images, views, knowledge):
    attack = made(attack, images[0])
    view, untouched = views()[knowledge], views()[knowledge]
    _, state = attack.craft(views()[knowledge], attack.init(view.params))  # one with a history
    before = copy.deepcopy(state)

    once = attack.craft(view, state)
    again = attack.craft(views()[knowledge], state)

    assert same(once, again)
    assert same(state, before)
    assert view.own.equal(untouched.own)
    assert view.honest is None or view.honest.equal(untouched.honest)
    assert vars(attack).keys() == type(attack).model_fields.keys()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_goal_leaves_out_what_is_of_the_wanted_class_anyway(attack, images):
    data = images[0].data
    attack = made(attack, images[0])

    for label in range(data.num_classes):
        of_label = data.y_test == label
        goal = attack.goal(data.x_test[of_label], data.y_test[of_label])

        if goal is not None:
            x, wanted = goal
            assert len(x) == len(wanted)
            assert x.shape[1:] == data.x_test.shape[1:]
            assert (wanted != label).all()
            assert ((wanted >= 0) & (wanted < data.num_classes)).all()
