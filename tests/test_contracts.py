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
from pydantic import TypeAdapter

from fedrobust import registry
from fedrobust.core.adversary import Attack
from fedrobust.core.aggregator import Aggregator, Bounded
from fedrobust.core.chain import Chain
from fedrobust.core.component import Component
from fedrobust.errors import TooManyMalicious
from fedrobust.parts import AttackPart, StrategyPart
from fedrobust.strategies.standalone import Standalone
from tests.components import (
    AFTER,
    ATTACKS,
    BEHAVIORS,
    BOUNDED,
    COMPONENTS,
    FILES,
    RULES,
    STEPS,
    Beacon,
    same,
)

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
N, F = 13, 2  # enough rows for every rule's bound


def test_there_are_components_of_each_kind():
    """Pytest skips silently what is parametrized over nothing."""
    assert RULES
    assert STEPS
    assert AFTER
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
    assert re.search(
        r"https://(arxiv\.org|doi\.org|openreview\.net)/|needs no citation", module.__doc__
    )


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_docstring_describes_every_field(component):
    docs = "\n".join(getdoc(c) or "" for c in component.__mro__ if issubclass(c, Component))

    for field in component.model_fields:
        assert re.search(rf"^    (\w+, )*{field}(, \w+)*: ", docs, re.MULTILINE), field


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_works_without_being_configured_and_is_its_own_configuration(component):
    made = component()

    table = made.model_dump()

    assert registry.find(*_home(component)) is component
    assert table["name"] == component.reference()
    assert PARTS[_home(component)[0]].validate_python(table) == made
    with pytest.raises(ValueError, match="nonsense"):
        component(nonsense=1)


PARTS = {"strategies": TypeAdapter(StrategyPart), "attacks": TypeAdapter(AttackPart)}


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
            root=Beacon(updates.mean(dim=0)),
            losses=torch.ones(len(updates)),
        )

    return make


def aggregate(rule, updates, info, state=None):
    return rule.aggregate(updates, rule.init(info.params) if state is None else state, info)


@pytest.mark.parametrize("n", ["fewest", N])
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.values[0] is not Standalone])
def test_a_rule_comes_to_agree_with_clients_who_agree(rule, known, n):
    """In one round, unless the rule limits how far it goes in a round.

    On the direction of every coordinate, if that is all it keeps; and without noise of its own,
    a bound on norms, or steps that are shorter where losses are thought to bend.
    """
    usual = {"noise_multiplier": 0.0, "max_norm": 1e3, "lr": 1e9}
    rule = rule(**{name: value for name, value in usual.items() if name in rule.model_fields})
    kept = torch.clone if rule.magnitudes else torch.sign
    fewest = rule.bound[1] if isinstance(rule, Bounded) else 1
    update = torch.randn(30, generator=torch.Generator().manual_seed(5))
    updates = update.repeat(fewest if n == "fewest" else n, 1)

    state, away = rule.init(update), [update.norm()]
    for _ in range(50):
        out = aggregate(rule, updates, known(updates, f=0), state)
        state = out.state
        away.append((kept(out.update) - kept(update)).norm())

    assert all(later <= earlier + 1e-5 for earlier, later in pairwise(away))
    assert away[-1] < 1e-5


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_does_not_care_about_the_order_of_clients(rule, known, rows):
    rule = rule()
    info = known(rows)
    other = replace(known(rows), clients=info.clients.flip(0), examples=info.examples.flip(0))

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


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [0.0, 1e-30, 1.0, 1e18])
@pytest.mark.parametrize("step", AFTER)
def test_a_step_after_the_rule_is_pure_and_keeps_the_shape(step, known, rows, size, device):
    step, rows = step(), rows.to(device) * size
    update = rows[0].clone()
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


PROVEN = [p for p in RULES if p.values[0]().kappa(9, 3) is not None]


def _malicious(kind, honest, f, g):
    """Return what f attackers make of honest updates ``[m, 5]``."""
    mean = honest.mean(dim=0)
    if kind % 2:  # at one point, or around it
        away = (
            torch.randn(5, generator=g),
            honest.std(dim=0),
            torch.linalg.svd(honest - mean).Vh[0] * honest.std(),
            honest[kind % len(honest)] - mean,
        )[kind // 2 % 4]
        near = 0.01 * (kind % 3) * torch.randn(f, 5, generator=g)
        return mean + 4 * torch.rand((), generator=g) * away + near
    away = torch.randn(f, 5, generator=g)  # each on its own
    scales = (
        4 * torch.rand(f, 1, generator=g),
        10 ** (8 * torch.rand(f, 1, generator=g) - 4),
        torch.tensor([1e4] + [1.0] * (f - 1))[:, None],
        torch.full((f, 1), 1e4),
    )[kind // 2 % 4]
    return mean + scales * away


def _worst(rule, info, n, f, trials):
    """Return the largest squared error found, in units of the honest variance."""
    g, worst = torch.Generator().manual_seed(0), 0.0
    for trial in range(trials):
        honest = torch.randn(n - f, 5, generator=g) * torch.rand(5, generator=g).exp()
        if trial % 5 == 0:
            honest[0] *= 30
        mean = honest.mean(dim=0)
        updates = torch.cat([honest, _malicious(trial, honest, f, g)])
        update = aggregate(rule, updates, info(updates, num_malicious=f)).update
        error = (update - mean).square().sum() / (honest - mean).square().sum(dim=1).mean()
        worst = max(worst, error.item())
    return worst


@pytest.mark.parametrize(("n", "f"), [(9, 3), (11, 2), (13, 5)])
@pytest.mark.parametrize("rule", PROVEN)
def test_no_attack_beats_what_is_proven_of_a_rule(rule, info, n, f):
    kappa = rule().kappa(n, f)

    worst = _worst(rule(), info, n, f, 200)

    assert 0.01 * f / (n - 2 * f) < worst <= kappa
    assert kappa >= f / (n - 2 * f)  # no rule can have less


PROVEN_STEPS = [p for p in STEPS if p.values[0]().kappa(9, 3, 1.0) is not None]


@pytest.mark.parametrize("rule", PROVEN)
@pytest.mark.parametrize("step", PROVEN_STEPS)
def test_no_attack_beats_what_is_proven_of_a_rule_behind_a_step(rule, step, info):
    chain = Chain(before=(step(),), rule=rule())

    assert _worst(chain, info, 9, 3, 100) <= chain.kappa(9, 3)


OWN = {"num_malicious": 3}


@pytest.mark.parametrize("rule", [p for p in PROVEN if issubclass(p.values[0], Bounded)])
def test_what_is_proven_is_of_the_number_that_a_rule_reckons_with(rule, info):
    """And of any smaller one; of a larger one nothing is, and one attacker may be too many."""
    careful, careless = Chain(rule=rule(**OWN)), Chain(rule=rule(num_malicious=0))

    assert careful.kappa(11, 1) == careful.kappa(11, 3) == rule().kappa(11, 3)
    assert _worst(careful, info, 11, 1, 100) <= careful.kappa(11, 1)
    assert careful.kappa(11, 4) is careless.kappa(11, 1) is None


@pytest.mark.parametrize("rule", PROVEN)
@pytest.mark.parametrize("step", PROVEN_STEPS)
def test_a_step_that_reckons_with_too_few_voids_what_is_proven(rule, step, info):
    own = OWN if issubclass(rule, Bounded) else {}
    chain = Chain(before=(step(**OWN),), rule=rule(**own))

    assert chain.kappa(11, 1) == chain.kappa(11, 3)
    assert _worst(chain, info, 11, 1, 50) <= chain.kappa(11, 1)
    assert chain.kappa(11, 4) is None


@pytest.mark.parametrize("rule", PROVEN)
def test_without_attackers_what_is_proven_holds_of_all_clients(rule, known, rows):
    kappa, update = rule().kappa(N, 0), aggregate(rule(), rows, known(rows, 0)).update

    error = (update - rows.mean(dim=0)).square().sum()
    assert error <= kappa * (rows - rows.mean(dim=0)).square().sum(dim=1).mean() + 1e-10


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_goes_on_when_other_clients_come_and_fewer_are_malicious(rule, known, rows):
    """Under sampling n, f and who takes part change from round to round."""
    rule = rule()
    state = rule.init(rows[0])
    for who, f in ((range(13), 2), (range(4, 13), 1), (range(9), 0), (range(13), 2)):
        updates = rows[list(who)] * (1 + len(who) / 10)
        info = replace(known(updates, f), clients=torch.tensor(list(who)) * 7)

        out = aggregate(rule, updates, info, state)

        state = out.state
        assert out.update.isfinite().all()
        assert out.weights is None or len(out.weights) == len(who)


@pytest.mark.parametrize("rule", [p for p in RULES if p.values[0].by_distance])
def test_a_rule_by_distance_is_a_mean_that_any_rigid_motion_keeps(rule, known, rows):
    """A rotation and a shift change no distance, so they change no weight."""
    turn, _ = torch.linalg.qr(torch.randn(30, 30, generator=torch.Generator().manual_seed(2)))
    moved = rows @ turn + 3.0

    out = aggregate(rule(), rows, known(rows))
    after = aggregate(rule(), moved, known(moved))

    torch.testing.assert_close(after.weights, out.weights, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(out.weights.sum(), torch.tensor(1.0))
    torch.testing.assert_close(out.weights @ rows, out.update)
