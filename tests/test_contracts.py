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

from fedrobust import registry
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import Aggregator, Bounded
from fedrobust.core.component import Component
from fedrobust.errors import TooManyMalicious
from tests.components import (
    AFTER,
    ATTACKS,
    BEHAVIORS,
    BOUNDED,
    COMPONENTS,
    FILES,
    RULES,
    STEPS,
    same,
)

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
