"""What adversaries may see, when they act, and whose updates they replace."""

from typing import Any

import pytest
import torch

from fedrobust.core.adversary import Adversary, Attack, Knowledge, Schedule
from fedrobust.core.world import World


class Spy(Attack):
    """Send what it would have sent, and keep what it saw."""

    seen: Any  # a list, which pydantic would copy

    def init(self, params):
        return 0

    def craft(self, view, state):
        self.seen.append((view, state))
        return view.own, state + 1


class Constant(Attack):
    """Send the same number everywhere."""

    value: float = 1.0

    def craft(self, view, state):
        return torch.full_like(view.own, self.value), state


@pytest.fixture
def attacked(world):
    """Return a factory of worlds with the adversaries given as (attack, clients, ...)."""

    def make(*adversaries):
        base = world()
        listed = [Adversary((a[0],), *a[1:], index=i) for i, a in enumerate(adversaries)]
        return World(base.task, base.federation, base.training, adversaries=tuple(listed))

    return make


def spied(attacked, played, knowledge, **options):
    seen = []
    played(attacked((Spy(seen=seen), frozenset({2, 5, 7}), knowledge)), rounds=2, **options)
    return seen


def test_own_knowledge_is_one_clients_update_at_a_time(attacked, played):
    seen = spied(attacked, played, Knowledge.OWN)

    assert [tuple(view.own.shape) for view, _ in seen] == [(1, 9)] * 6
    assert all(view.honest is None for view, _ in seen)
    assert [state for _, state in seen] == [0, 0, 0, 1, 1, 1]  # each client has its own memory


def test_colluders_see_each_other_and_nobody_else(attacked, played):
    seen = spied(attacked, played, Knowledge.COLLUDING)

    assert [tuple(view.own.shape) for view, _ in seen] == [(3, 9)] * 2
    assert all(view.honest is None for view, _ in seen)
    assert [state for _, state in seen] == [0, 1]


def test_the_omniscient_see_what_the_honest_transmit(attacked, played, world):
    (first, _), _ = spied(attacked, played, Knowledge.OMNISCIENT)

    assert first.honest.shape == (7, 9)
    assert (first.num_clients, first.num_controlled, first.round) == (10, 3, 1)


def test_with_sampling_an_adversary_has_the_controlled_clients_of_the_round(attacked, played):
    seen = spied(attacked, played, Knowledge.COLLUDING, fraction_train=0.5)

    assert all(view.num_clients == 5 for view, _ in seen)
    assert all(len(view.own) == view.num_controlled <= 3 for view, _ in seen)


def test_the_omniscient_know_whose_updates_they_see_in_a_sample(attacked, played):
    """Beside an adversary that is awake, and one that sleeps, whose clients are honest."""
    seen, asleep = [], Schedule(start=9)
    setting = attacked(
        (Spy(seen=seen), frozenset({2, 5, 7}), Knowledge.OMNISCIENT),
        (Constant(value=50.0), frozenset({0}), Knowledge.OWN),
        (Constant(value=9.0), frozenset({8}), Knowledge.OWN, True, asleep),
    )

    _, ledgers = played(setting, rounds=8, fraction_train=0.6)

    views = iter(view for view, _ in seen)
    shown = set()
    for ledger in ledgers:
        norms = {entry.client: entry.norm for entry in ledger.entries}
        if not norms.keys() & {2, 5, 7}:
            continue
        view = next(views)
        who = view.honest_clients.tolist()
        assert set(who) == norms.keys() - {0, 2, 5, 7}
        torch.testing.assert_close(view.honest.norm(dim=1), torch.tensor([norms[c] for c in who]))
        shown |= set(who)
    assert next(views, None) is None
    assert 8 in shown


@pytest.mark.parametrize("knowledge", [Knowledge.OWN, Knowledge.COLLUDING])
def test_nobody_else_is_told_whose_they_are(attacked, played, knowledge):
    assert all(view.honest_clients is None for view, _ in spied(attacked, played, knowledge))


def test_changing_a_view_changes_nothing(attacked, played, world):
    class Vandal(Attack):
        def craft(self, view, state):
            honest, own = view.honest.clone(), view.own.clone()
            view.honest.fill_(1e6)
            view.own.fill_(1e6)
            view.params.fill_(1e6)
            assert not honest.equal(view.honest)
            return own, state

    clean, _ = played(world())
    vandal, _ = played(attacked((Vandal(), frozenset({1}), Knowledge.OMNISCIENT)))

    torch.testing.assert_close(vandal, clean)


def test_several_adversaries_act_at_once_and_do_not_see_each_others_work(attacked, played):
    seen = []
    setting = attacked(
        (Constant(value=50.0), frozenset({0, 1}), Knowledge.OWN),
        (Spy(seen=seen), frozenset({8}), Knowledge.OMNISCIENT),
    )

    _, ledgers = played(setting, rounds=1)

    norms = {e.client: e.norm for e in ledgers[0].entries}
    assert norms[0] == norms[1] == pytest.approx(150.0)
    assert seen[0][0].honest.shape == (7, 9)
    assert seen[0][0].honest.abs().max() < 50


def test_out_of_its_schedule_an_adversary_is_honest(attacked, played, world):
    late = (Constant(), frozenset({3}), Knowledge.OWN, True, Schedule(start=3, stop=3))

    _, ledgers = played(attacked(late), rounds=4)
    _, clean = played(world(), rounds=4)

    norms = [ledger.entries[3].norm for ledger in ledgers]
    assert norms[:2] == [ledger.entries[3].norm for ledger in clean[:2]]
    assert norms[2] == pytest.approx(3.0)
    assert norms[3] != pytest.approx(3.0)


def test_alone_each_client_draws_its_own_numbers_whoever_else_takes_part(attacked, played):
    class Noise(Attack):
        def craft(self, view, state):
            return torch.randn(view.own.shape, generator=view.generator), state

    def sent(clients):
        _, ledgers = played(attacked((Noise(), frozenset(clients), Knowledge.OWN)), rounds=1)
        return {e.client: e.norm for e in ledgers[0].entries if e.client in clients}

    few, many = sent({5, 7}), sent({2, 5, 7})

    assert few == {client: many[client] for client in (5, 7)}
    assert len(set(many.values())) == 3
