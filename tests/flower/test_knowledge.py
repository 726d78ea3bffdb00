"""Each level of knowledge sees what it says, and really nothing of the next."""

import types
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fedrobust.attacks.sign_flip import SignFlip
from fedrobust.core.adversary import Adversary, Attack, Knowledge
from fedrobust.core.federation import Federation
from fedrobust.core.training import Training
from fedrobust.core.world import World
from fedrobust.errors import ConfigError
from fedrobust.flower.adversary_grid import AdversaryGrid
from fedrobust.flower.client_app import FedRobustApp
from fedrobust.flower.local_grid import LocalGrid
from fedrobust.strategies.coordinate_median import CoordinateMedian
from fedrobust.strategies.krum import Krum

CONTROLLED = frozenset({2, 5, 7})
LEVELS = list(Knowledge)


class Spy(Attack):
    """Send what it would have sent, and keep what it saw."""

    seen: Any  # a list, which pydantic would copy
    trying: bool = True

    @property
    def tries_models(self):
        return self.trying

    def goal(self, x, y):
        return x, torch.zeros_like(y)

    def craft(self, view, state):
        self.seen.append(view)
        return view.own, state


def spied(world, played, knowledge, swap=(), rule=None, clients=CONTROLLED, **options):
    """Return what an adversary sees in a first round, with the data of some clients swapped."""
    base, seen = world(), []
    shards = list(base.federation.shards)
    for one, other in swap:
        shards[one], shards[other] = shards[other], shards[one]
    spy = Adversary((Spy(seen=seen, **options),), clients, knowledge)
    played(World(base.task, Federation(shards), Training(), adversaries=(spy,)), rule, rounds=1)
    return seen


def tensors(thing, found=None, known=None):
    """Return every tensor that can be reached from an object, however deep it is hidden."""
    found, known = [] if found is None else found, set() if known is None else known
    skipped = (str, bytes, int, float, bool, type, types.ModuleType, types.NoneType)
    if isinstance(thing, skipped) or id(thing) in known:
        return found
    known.add(id(thing))
    if isinstance(thing, Tensor):
        found.append(thing)
        parts = [thing._base]
    elif isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, list | tuple | set | frozenset):
        parts = list(thing)
    elif isinstance(thing, types.FunctionType):
        parts = [cell.cell_contents for cell in thing.__closure__ or ()]
    elif isinstance(thing, types.MethodType):
        parts = [thing.__self__]
    elif isinstance(thing, nn.Module):
        parts = []  # the architecture, which everyone knows
    elif isinstance(thing, Spy):
        parts = []  # which keeps the other views
    else:
        parts = [getattr(thing, "__dict__", {}), *map(thing.__getattribute__, slots(thing))]
        parts += [thing.func, thing.args, thing.keywords] if hasattr(thing, "func") else []
    for part in parts:
        tensors(part, found, known)
    return found


def slots(thing):
    named = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
    return [name for name in named if isinstance(name, str) and hasattr(thing, name)]


def rows_of(view):
    """Return all that is reachable from a view and has the size of models, as a set of rows."""
    size = view.params.numel()
    wide = [t.reshape(-1, size) for t in tensors(view) if t.shape[-1:] == (size,)]
    return {tuple(row.tolist()) for matrix in wide for row in matrix}


@pytest.mark.parametrize("knowledge", LEVELS)
def test_a_level_has_what_it_says(world, played, knowledge):
    views = spied(world, played, knowledge)

    alone = knowledge is Knowledge.OWN
    assert [len(view.own) for view in views] == ([1, 1, 1] if alone else [3])
    assert all((view.honest is not None) == knowledge.sees_all for view in views)
    assert all((view.simulate is not None) == (knowledge is Knowledge.RULE) for view in views)


@pytest.mark.parametrize("knowledge", [Knowledge.OWN, Knowledge.COLLUDING, Knowledge.OMNISCIENT])
def test_no_other_update_can_be_reached_from_a_view(world, played, knowledge):
    everything = spied(world, played, Knowledge.OMNISCIENT)[0]
    own = [tuple(row.tolist()) for row in everything.own]
    honest = {tuple(row.tolist()) for row in everything.honest}

    views = spied(world, played, knowledge)

    for place, view in enumerate(views):
        mine = {own[place]} if knowledge is Knowledge.OWN else set(own)
        theirs = honest if knowledge.sees_all else set()
        found = rows_of(view) & ({*own} | honest)
        assert found == mine | theirs


@pytest.mark.parametrize("knowledge", [Knowledge.OWN, Knowledge.COLLUDING, Knowledge.OMNISCIENT])
def test_no_example_of_another_client_can_be_reached_from_a_view(world, played, knowledge):
    base = world()
    data, shards = base.task.data, base.federation.shards

    views = spied(world, played, knowledge)

    for client, view in zip(sorted(CONTROLLED), views, strict=False):
        mine = [client] if knowledge is Knowledge.OWN else sorted(CONTROLLED)
        held = {tuple(x.tolist()) for c in mine for x in data.x[shards[c]]}
        wide = [t.reshape(-1, 2) for t in tensors(view.trial) if t.shape[-1:] == (2,)]
        found = {tuple(row.tolist()) for matrix in wide for row in matrix}
        assert found == held


def test_a_client_alone_does_not_notice_what_another_controlled_one_holds(world, played):
    before = spied(world, played, Knowledge.OWN)[0]
    after = spied(world, played, Knowledge.OWN, swap=[(5, 7)])[0]

    assert before.own.equal(after.own)
    assert not spied(world, played, Knowledge.COLLUDING)[0].own.equal(
        spied(world, played, Knowledge.COLLUDING, swap=[(5, 7)])[0].own
    )


def test_colluders_do_not_notice_what_the_honest_hold(world, played):
    before = spied(world, played, Knowledge.COLLUDING)[0]
    after = spied(world, played, Knowledge.COLLUDING, swap=[(0, 9)])[0]

    assert rows_of(before) == rows_of(after)
    omniscient = [spied(world, played, Knowledge.OMNISCIENT, swap=s)[0] for s in ([], [(0, 9)])]
    assert not omniscient[0].honest.equal(omniscient[1].honest)


def test_the_omniscient_do_not_notice_what_the_rule_is(world, played):
    rules = [CoordinateMedian(), Krum(num_malicious=3)]
    seen = [spied(world, played, Knowledge.OMNISCIENT, rule=rule)[0] for rule in rules]

    assert rows_of(seen[0]) == rows_of(seen[1])
    knowing = [spied(world, played, Knowledge.RULE, rule=rule)[0] for rule in rules]
    assert not knowing[0].simulate(knowing[0].own).equal(knowing[1].simulate(knowing[1].own))


def test_who_knows_the_rule_foresees_what_the_server_does(world, played):
    seen = []
    spy = Adversary((Spy(seen=seen), SignFlip(scale=3.0)), CONTROLLED, Knowledge.RULE)
    base = world()
    attacked = World(base.task, base.federation, Training(), adversaries=(spy,))

    model, _ = played(attacked, Krum(num_malicious=3, keep=4), rounds=1)

    foreseen = seen[0].simulate(-3.0 * seen[0].own)
    torch.testing.assert_close(base.task.init() + foreseen, model)


def test_trying_changes_nothing(world, played):
    class Curious(Attack):
        def craft(self, view, state):
            for scale in range(20):
                view.simulate(scale * view.own)
            return view.own, state

    base = world()
    curious = Adversary((Curious(),), CONTROLLED, Knowledge.RULE)
    watched = World(base.task, base.federation, base.training, adversaries=(curious,))
    rule = Krum(num_malicious=3, keep=4)

    assert played(watched, rule)[0].equal(played(base, rule)[0])


def test_a_server_that_would_keep_its_model_is_foreseen_too(world, played):
    view = spied(world, played, Knowledge.RULE, rule=Krum(num_malicious=3))[0]

    assert view.simulate(torch.full_like(view.own, float("nan"))) is not None
    everyone = spied(world, played, Knowledge.RULE, clients=frozenset(range(9)))[0]
    assert everyone.simulate(torch.full_like(everyone.own, 1e30)) is not None
    none_left = spied(world, played, Knowledge.RULE, clients=frozenset(range(10)))[0]
    assert none_left.simulate(torch.full_like(none_left.own, float("nan"))) is None


def test_models_are_tried_on_own_examples(world, played):
    base = world()
    view = spied(world, played, Knowledge.COLLUDING)[0]
    held = torch.cat([base.federation.shards[c] for c in sorted(CONTROLLED)])
    x, y = base.task.data.x[held], base.task.data.y[held]
    params = torch.randn(base.task.init().shape, generator=torch.Generator().manual_seed(0))

    logits = base.task.logits(params, x)

    exact = nn.functional.cross_entropy(logits.double(), y).item()
    assert view.trial.loss(params) == pytest.approx(exact, rel=1e-5)
    assert view.trial.success(params) == pytest.approx((logits.argmax(1) == 0).double().mean())


def test_nothing_is_tried_for_those_who_do_not_ask(world, played):
    assert spied(world, played, Knowledge.COLLUDING, trying=False)[0].trial is None


def test_a_grid_that_does_not_know_the_rule_says_so(world):
    base = world()
    knowing = Adversary((SignFlip(),), CONTROLLED, Knowledge.RULE)

    with pytest.raises(ConfigError, match=r"sign_flip needs to know .* knowledge = \"omniscient\""):
        AdversaryGrid(LocalGrid(FedRobustApp(lambda _: base), 10), [knowing])
